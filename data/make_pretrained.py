"""Puts a finished run on the shelf: python data/make_pretrained.py RUN NAME [--half].

Writes `data/pretrained/NAME`: encoder, predictor, what the run was, and its curve. `--half` rounds weights to float16.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.checkpoints import read
from olmoearth_nb.curves import write_curve
from olmoearth_nb.encoder_file import load_encoder
from olmoearth_nb.trained import initial_model, save_trained

SHELF = Path(__file__).parent / "pretrained"


def ship(run: Path, name: str, half: bool) -> Path:
    """Writes the model of a run's last budget."""
    leg = max(run.glob("budget-*"), key=lambda folder: int(folder.name.partition("-")[2]))
    about = json.loads((leg / "run.json").read_text(encoding="utf8"))
    config = replace(load_encoder(leg / "encoder.safetensors").config, modalities=tuple(MODALITIES))
    model = initial_model(config, about["seed"])
    model.load_state_dict(read(leg / f"kept-{about['steps']}.pt")["model"])
    write_curve(run, leg.name, SHELF / name, rows=60 if half else 200)
    return save_trained(model, SHELF / name, about, half)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--half"]
    folder = ship(Path(words[0]), words[1], "--half" in sys.argv)
    print(*(f"{path.name}: {path.stat().st_size:,} bytes" for path in sorted(folder.iterdir())), sep="\n")
