"""Wrong input is refused in words that say what was given and what is valid."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from batches import random_batch

from olmoearth_nb import (
    Batch,
    Encoder,
    ModelConfig,
    Sample,
    TokenGrid,
    Tokenization,
    published_config,
    size_config,
)
from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.errors import counted, letters, printable
from olmoearth_nb.tokenization import tokenization

S2 = "sentinel2_l2a"


def encode(roles=None, batch=None, patch_size=4):
    batch = batch or random_batch((S2, "worldcover"), (8, 8))
    return Encoder(size_config("nano", "v1.1"))(batch, patch_size, roles)


def of(day=1, month=6, year=2020):
    """A sample of one date."""
    return Sample({S2: np.zeros((16, 16, 1, 12))}, np.array([[day, month, year]]))


CASES = {
    "31 February": (lambda: of(31, 1), "days of February 2020 run from 1 to 29, got 31"),
    "29 February of a common year": (lambda: of(29, 1, 2021), "days of February 2021 run from 1 to 28, got 29"),
    "day 0": (lambda: of(0), "run from 1 to 31, got 0"),
    "a month counted from 1": (lambda: of(month=12), r"from 0 \(January\) to 11, got 12"),
    "the year 1800": (lambda: of(year=1800), "years run from 1972 to 2100, got 1800"),
    "a window from the end": (lambda: of().window(0, 0, -1), "at least one row and one column, got -1x-1"),
    "a window of no columns": (lambda: of().window(0, 0, 8, 0), "at least one row and one column, got 8x0"),
    "images of two sizes": (
        lambda: Batch(
            random_batch((S2,), (16, 16)).images | random_batch(("sentinel1",), (8, 8)).images,
            random_batch((S2,)).timestamps,
        ),
        r"all images must cover the same pixels, got sizes \[\(8, 8\), \(16, 16\)\]",
    ),
    "units below 0": (
        lambda: ModelConfig(pixel_hidden=-3),
        "must be a whole number of at least 0, got -3",
    ),
    "units and a half": (lambda: ModelConfig(pixel_hidden=2.5), "pixel_hidden must be a whole number"),
    "no modalities": (lambda: ModelConfig(modalities=()), "at least one modality"),
    "a modality twice": (lambda: ModelConfig(modalities=(S2, S2)), "none twice"),
    "unknown band": (lambda: Tokenization("x", {S2: ["B02 B99"]}), "no band 'B99'; its bands are B02 B03"),
    "band twice": (lambda: Tokenization("x", {S2: ["B02 B03", "B02"]}), "B02 named more than once"),
    "empty group": (lambda: Tokenization("x", {S2: ["B02", ""]}), "at least one band in each"),
    "one string": (lambda: Tokenization("x", {S2: "B02 B03"}), "list of groups"),
    "unknown modality": (lambda: Tokenization("x", {"sentinel3": ["B1"]}), "valid names are sentinel2_l2a"),
    "unknown tokenization": (lambda: tokenization("v2"), "valid names are v1, v1.1"),
    "patch size 9": (lambda: encode(patch_size=9), "from 1 to 8"),
    "patch size 2.0": (lambda: encode(patch_size=2.0), "whole number"),
    "indivisible": (lambda: encode(patch_size=3), "crop it to 6x6 px or choose a patch size of 1, 2, 4, 8"),
    "smaller than a patch": (
        lambda: encode(batch=random_batch((S2,), (1, 1))),
        "1x1 px image does not divide into 4x4 px patches; choose a patch size of 1$",
    ),
    "roles of the wrong shape": (lambda: encode(torch.zeros(2, 5)), r"\(B, N\) = \(2, 12\), got \(2, 5\)"),
    "a map to encode": (lambda: encode(torch.zeros(2, 12, dtype=torch.long)), "maps are never encoded"),
    "nothing to see": (lambda: encode(torch.full((2, 12), 2)), "nothing to encode in sample"),
    "unknown version": (lambda: published_config("v2", "nano"), "v1.1: nano, tiny, base"),
    "v1.3": (lambda: published_config("v1.3", "base"), "out of scope"),
    "size that does not exist": (lambda: published_config("v1.1", "small"), "no published OlmoEarth v1.1 small"),
    "bands on the wrong axis": (lambda: SENTINEL2.normalize(torch.zeros(12, 8, 8)), "12 bands on the last axis"),
    "modality without weights": (lambda: modality("naip"), "unknown modality 'naip'"),
    "grid of the unknown": (lambda: TokenGrid.build({"x": (8, 8, 1)}, tokenization("v1"), 4), "unknown modality"),
    "a batch of nothing": (lambda: Batch.from_samples([]), "at least one sample"),
    "two dates, one timestamp": (
        lambda: Batch({S2: torch.zeros(1, 8, 8, 2, 12)}, torch.zeros(1, 1, 3, dtype=torch.long)),
        r"must be \(1, H, W, 1, 12\) to go with timestamps",
    ),
    "timestamps of floats": (lambda: Batch({}, torch.zeros(1, 1, 3)), "must be integers"),
    "no heads": (lambda: ModelConfig(heads=0), "heads must be a whole number of at least 1"),
    "dropping everything": (lambda: ModelConfig(drop_path=1.0), "from 0 to below 1"),
    "no images": (lambda: Sample({}, torch.zeros(1, 3).numpy()), "at least one image"),
}


@pytest.mark.parametrize("case", CASES)
def test_error_says_what_is_valid(case):
    call, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.case("words")
@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "item", "0 items"), (1, "date", "1 date"), (2, "date", "2 dates"), (1, "series", "1 series"),
     (3, "series", "3 series")],
)  # fmt: skip
def test_numbers_with_their_nouns(number, noun, text):
    assert counted(number, noun) == text


def test_batch_of_different_modalities():
    one, two = random_batch((S2,)), random_batch((S2, "sentinel1"))
    samples = [Sample({k: v[0].numpy() for k, v in b.images.items()}, b.timestamps[0].numpy()) for b in (one, two)]
    with pytest.raises(ValueError, match="same modalities"):
        Batch.from_samples(samples)


UNDER_C = """
import sys
from pathlib import Path
from olmoearth_nb.data import load_place
from olmoearth_nb.data.npz import save_npz
from olmoearth_nb.io.durable import append, read_array, write_array, write_json
from olmoearth_nb.plots.sample import show_band
folder = Path(sys.argv[1])
assert sys.getfilesystemencoding() == "ascii"
place = load_place(save_npz(load_place("fields"), folder / (folder.name + ".npz")))
append(folder / "log", str(folder))
write_json(folder / "a.json", {"folder": str(folder)})
assert read_array(write_array(folder / "a.npy", place.timestamps)) is not None
show_band(place, "B04", 0)
"""


@pytest.mark.case("H25")
@pytest.mark.parametrize(
    ("text", "expected"),
    [("é", "é"), ("\udcc3\udca9.npz", "é.npz"), ("a\udcff", "a\ufffd"), ("\ud800", "\ufffd")],
)
def test_texts_with_bytes_of_a_path_become_letters(text, expected):
    """As Python reads a path under LC_ALL=C."""
    assert letters(text) == expected


@pytest.mark.case("H25")
def test_a_sample_is_named_in_letters():
    image = np.full((8, 8, 1, 12), 1000.0)
    name = "\udcc3\udca9"
    sample = Sample({"sentinel2_l2a": image}, [(1, 0, 2020)], name, f"the file {name}", (f"of {name}",))
    assert (sample.title, sample.provenance, sample.notes) == ("é", "the file é", ("of é",))


@pytest.mark.case("H25")
def test_a_path_of_other_letters_under_an_ascii_locale(tmp_path):
    """Read, written, logged and drawn in a process of its own, whose locale is C."""
    folder = tmp_path / "modèle"
    folder.mkdir()
    there = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", UNDER_C, folder], env=there, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert (folder / "log").read_text(encoding="utf8") == f"{folder}\n"


OBEYED = ["\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "a\rb", "\u202etxt.exe", "\x7f"]


@pytest.mark.case("H28")
@pytest.mark.parametrize("text", OBEYED)
def test_what_a_terminal_obeys_is_not_printed(text):
    assert not set(printable(text)) & set("\x1b\x07\x9b\r\u202e\x7f")
    assert printable("größe: 1\n\t2\u00a0µm") == "größe: 1\n\t2\u00a0µm"
    sample = Sample({S2: np.zeros((16, 16, 1, 12))}, [(1, 0, 2020)], text, text, (text,))
    assert {sample.title, sample.provenance, *sample.notes} == {printable(text)}
