from .bands import MODALITIES as MODALITIES
from .bands import SENTINEL2 as SENTINEL2
from .bands import Band as Band
from .bands import Modality as Modality
from .data.arrays import fit as fit
from .data.arrays import to_sample as to_sample
from .data.series import to_samples as to_samples
from .grid import Role as Role
from .grid import TokenGrid as TokenGrid
from .model.config import ModelConfig as ModelConfig
from .model.config import published_config as published_config
from .model.config import size_config as size_config
from .model.cost import Cost as Cost
from .model.cost import encoder_cost as encoder_cost
from .model.cost import parameter_counts as parameter_counts
from .model.encoder import Encoded as Encoded
from .model.encoder import Encoder as Encoder
from .model.olmoearth import OlmoEarth as OlmoEarth
from .model.predictor import Predictor as Predictor
from .sample import Batch as Batch
from .sample import Sample as Sample
from .tokenization import TOKENIZATIONS as TOKENIZATIONS
from .tokenization import Tokenization as Tokenization
from .weights.load import load_model as load_model
from .weights.official import save_model as save_model

__version__: str
