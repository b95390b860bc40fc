"""Tokens of Earth-observation models: read, run, question and extend OlmoEarth v1 against v1.1.

Shape letters, everywhere the same: B batch, H W pixels, T timesteps, C bands, G band groups, P patch
size, N tokens, D width.
"""

from olmoearth_nb.bands import MODALITIES, SENTINEL2, Band, Modality
from olmoearth_nb.checkpoint import load_model, save_model
from olmoearth_nb.config import ModelConfig, published_config, size_config
from olmoearth_nb.cost import Cost, encoder_cost, parameter_counts, peak_activation_bytes
from olmoearth_nb.door import fit, to_sample
from olmoearth_nb.encoder import Encoded, Encoder
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.model import OlmoEarth
from olmoearth_nb.predictor import Predictor
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization, tokenization

__version__ = "0.1.0"

__all__ = [
    "MODALITIES",
    "SENTINEL2",
    "TOKENIZATIONS",
    "Band",
    "Batch",
    "Cost",
    "Encoded",
    "Encoder",
    "Modality",
    "ModelConfig",
    "OlmoEarth",
    "Predictor",
    "Role",
    "Sample",
    "TokenGrid",
    "Tokenization",
    "encoder_cost",
    "fit",
    "load_model",
    "parameter_counts",
    "peak_activation_bytes",
    "published_config",
    "save_model",
    "size_config",
    "to_sample",
    "tokenization",
]
