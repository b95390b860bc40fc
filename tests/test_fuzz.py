"""Mutants of every kind of file are opened or refused; and the fuzz itself sees what it is there to see."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import fuzz
import numpy as np
import pytest
from fuzz import Format
from mistakes import S2

from olmoearth_nb import Sample

MUTANTS = 40


def test_mutants_of_every_format_are_opened_or_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, fuzz.__file__, f"--mutants={MUTANTS}", "--minutes=30", f"--out={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| ([\w.\- ]+) \| (\d+) \| (\d+) \| (\d+) \| 0 \|", done.stdout, flags=re.M)
    assert len(rows) == 14
    assert all(int(total) == MUTANTS == int(opened) + int(refused) for _, total, opened, refused in rows), rows
    assert sum(int(refused) for *_, refused in rows) > 5 * MUTANTS, "damage that nobody refuses is none"
    assert sum(int(opened) for _, _, opened, _ in rows) > MUTANTS, "damage that everybody refuses tests the first byte"


def breaks(path):
    raise KeyError(path)


def dies(path):
    os._exit(3)


def hangs(path):
    time.sleep(60)


def eats(path):
    np.ones(2 * fuzz.MEMORY, dtype=np.uint8)


def passes(path):
    return Sample({S2: np.full((8, 8, 1, 12), -5000.0)}, np.array([[1, 0, 2020]]))


@pytest.mark.parametrize(
    ("opened", "message"),
    [
        (breaks, "KeyError"),
        (dies, "ended by 768"),
        (hangs, "nothing for"),
        (eats, "MemoryError"),
        (passes, "it opened, but sentinel2_l2a reaches from -5000"),
    ],
)
def test_the_fuzz_sees_what_it_is_there_to_see(tmp_path, monkeypatch, opened, message):
    monkeypatch.setattr(fuzz, "SECONDS", 3.0)
    seed = tmp_path / "a.bin"
    seed.write_bytes(bytes(range(256)))
    outcome = fuzz.run(Format("planted", [seed], opened), 2, keep=tmp_path / "kept")
    assert outcome.counts == {"bad": 2}
    assert all(message in error for _, error in outcome.bad), outcome.bad
    assert len(list((tmp_path / "kept" / "planted").rglob("a.bin"))) == 2, "to look at later"


def test_mutants_are_the_same_for_the_same_seed(tmp_path):
    seed = tmp_path / "a.bin"
    seed.write_bytes(bytes(range(256)))
    texts = []

    def notes(path):
        texts.append(Path(path).read_bytes())

    (tmp_path / "mutants").mkdir()
    for _ in range(2):
        fuzz.one(Format("planted", [seed], notes), tmp_path / "mutants", 7)
    assert texts[0] == texts[1] != seed.read_bytes()
