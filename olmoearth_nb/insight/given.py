"""What functions of this room are given: an encoder or a model, and samples; clear errors for anything else."""

from __future__ import annotations

from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.sample import Batch, Sample


def encoder_of(model: object) -> Encoder:
    """The encoder of a model, or the encoder that was given.

    Raises:
        ValueError: for anything else.
    """
    encoder = model.encoder if isinstance(model, OlmoEarth) else model
    if not isinstance(encoder, Encoder):
        raise ValueError(
            f"what passes inside is read of an Encoder or an OlmoEarth, got {type(model).__name__}; a model that comes "
            "with the package is opened by load_model(name); of a compiled encoder give the one that was compiled"
        )
    return encoder


def require_batch(batch: object, what: str) -> None:
    """Raises a ValueError unless there is a batch of at least one sample.

    Args:
        batch: what was given.
        what: it is, for the error: "samples" or "background".
    """
    if not isinstance(batch, Batch):
        advice = ": say Batch.from_samples(...)" if isinstance(batch, (Sample, list, tuple)) else ""
        raise ValueError(f"the {what} must be a Batch, got {type(batch).__name__}{advice}")
    if not len(batch):
        raise ValueError(f"the batch given as {what} is empty: it needs at least one sample")
