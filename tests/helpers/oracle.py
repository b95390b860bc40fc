"""The published implementation, `olmoearth-pretrain-minimal`, driven with our batches and roles."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from olmoearth_pretrain_minimal import OlmoEarthPretrain_v1, load_model_from_path

from olmoearth_nb import OlmoEarth, published_config
from olmoearth_nb.weights.load import load_model
from olmoearth_nb.weights.official import config_to_official
from olmoearth_nb.weights.reference import reference_sample

__all__ = ["load_model_from_path", "pair", "reference_model", "run_reference"]


def reference_model(version, size):
    """The reference with every trained weight moved away from its (often zero) start."""
    model = OlmoEarthPretrain_v1(size, version).model.eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "month_embed" not in name:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def pair(version, size) -> tuple[torch.nn.Module, OlmoEarth]:
    """A reference model and ours, loaded from the file that the reference's weights were saved to."""
    reference = reference_model(version, size)
    official = config_to_official(published_config(version, size))
    official["model"]["projection_only_target"] = False
    with TemporaryDirectory() as folder:  # a gigabyte for base, hence not kept
        (Path(folder) / "config.json").write_text(json.dumps(official))
        torch.save(reference.state_dict(), Path(folder) / "weights.pth")
        return reference, load_model(folder)


def run_reference(model, batch, patch_size, roles, grid):
    """Encoder tokens, predictions and projected mean of the reference.

    Returns:
        Two dictionaries modality -> (B, rows, columns, T, G, D), and (B, D).
    """
    sample = reference_sample(batch, roles, grid)
    with torch.no_grad():
        encoded = model.encoder(sample, patch_size=patch_size)
        decoded = model.decoder(encoded["tokens_and_masks"], batch.timestamps, patch_size)
    tokens = {name: getattr(encoded["tokens_and_masks"], name) for name in batch.images}
    predictions = {name: getattr(decoded, name) for name in batch.images}
    return tokens, predictions, encoded["project_aggregated"]
