"""Puts a finished run on the shelf: python data/make_pretrained.py RUN NAME [--half].

Writes `data/pretrained/NAME`: encoder, predictor, what the run was, and its curve. `--half` rounds weights to float16.
"""

import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from olmoearth_nb.io.durable import write
from olmoearth_nb.pretrain.curves import write_curve
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder

SHELF = Path(__file__).parent / "pretrained"


def ship(run: Path, name: str, half: bool) -> Path:
    """Writes the model of a run's largest budget."""
    leg = max(run.glob("budget-*"), key=lambda folder: int(folder.name.partition("-")[2]))
    kind, out = torch.float16 if half else torch.float32, SHELF / name
    write_curve(run, leg.name, out, rows=60 if half else 200)
    save_encoder(load_encoder(leg / "encoder.safetensors"), out / "encoder.safetensors", without_maps=True, dtype=kind)
    weights = load_file(leg / "predictor.safetensors")
    rounded = {name: value.to(kind) for name, value in weights.items()}
    write(out / "predictor.safetensors", lambda part: save_file(rounded, part))
    shutil.copyfile(leg / "run.json", out / "run.json")
    return out


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--half"]
    folder = ship(Path(words[0]), words[1], "--half" in sys.argv)
    print(*(f"{path.name}: {path.stat().st_size:,} bytes" for path in sorted(folder.iterdir())), sep="\n")
