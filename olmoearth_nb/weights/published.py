"""Published models by name, from the cache or the hub (see `io/hub.py`)."""

from __future__ import annotations

from pathlib import Path

from olmoearth_nb.io.hub import Repository, default_cache, fetch_pinned
from olmoearth_nb.io.shipped import pretrained_names
from olmoearth_nb.model.config import PUBLISHED, ModelConfig, published_config
from olmoearth_nb.weights.official import CONFIG, WEIGHTS

ORGANISATION = "allenai"

_NAMES: dict[str, tuple[str, str]] = {
    f"OlmoEarth-{version.replace('.', '_')}-{size.capitalize()}": (version, size)
    for version, sizes in PUBLISHED.items()
    for size in sizes
}

MODELS: dict[str, str] = {name: f"{ORGANISATION}/{name}" for name in _NAMES}
"""Name of every published model that we load -> its repository."""


def configuration(name: str) -> ModelConfig | None:
    """The configuration of a published model by its name; None if no model has that name."""
    return published_config(*_NAMES[name]) if name in _NAMES else None


def download(
    name: str,
    *,
    endpoint: str | None = None,
    cache_dir: str | Path | None = None,
    lock_file: str | Path | None = None,
) -> Path:
    """Folder of a published model, from the cache or the hub.

    Args:
        name: such as ``"OlmoEarth-v1_1-Nano"``.
        endpoint: address of the hub; the public one by default. No other gets the user's token.
        cache_dir: where files are kept, ``~/.cache/huggingface/olmoearth_nb`` by default.
        lock_file: where commits and checksums are recorded; `models.lock.json` in the cache by default.

    Returns:
        A folder with `config.json` and `weights.pth`, both verified.

    Raises:
        ValueError: for a name that is not a published model, listing all names, or an endpoint that is no address.
        ChecksumError: if a file differs from what the hub lists or from what was recorded.
        DownloadError: if the hub has no such model, refuses, or cannot be reached.
    """
    if name not in MODELS:
        hint = "v1.3 is out of scope; " if "v1_3" in name else ""
        raise ValueError(
            f"{name!r} is no folder and no published model; {hint}models are {', '.join(MODELS)}; "
            f"with the package come {', '.join(pretrained_names()) or 'none'}"
        )
    cache = Path(cache_dir) if cache_dir else default_cache()
    lock = Path(lock_file) if lock_file else cache / "models.lock.json"
    return fetch_pinned(Repository(MODELS[name]), (CONFIG, WEIGHTS), name, endpoint, cache, lock)
