"""Class folders of chips that are not EuroSAT's."""

import numpy as np
import pytest
from geotiffs import BANDS, numbers, write

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.labelled.folders import folder_set
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.sets import LabelledSet

S2 = SENTINEL2.name


def make(root, classes=("maize", "Forest"), count=3):
    for kind, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(count):
            place = (500_000 + 100_000 * kind + 1000 * number, 800_000)
            values = numbers(12, 8, 8, seed=10 * kind + number)
            write(root / name / f"{number}_2021-07-04.tif", values, BANDS, origin=place)
    return root


def test_geotiffs_with_names_and_places(tmp_path):
    data = open_set(make(tmp_path / "crops"))
    assert isinstance(data, LabelledSet)
    assert (data.name, data.classes, len(data)) == ("crops", ("Forest", "maize"), 6)
    assert data.answers.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(set(data.groups[:3].tolist())) == 1  # a kilometre apart
    assert len(set(data.groups.tolist())) == 2
    assert data.ids[3] == "maize/0_2021-07-04.tif"
    assert any("linked by steps shorter than 10 km are one group: 2 groups of 6 chips" in note for note in data.notes)
    (sample,) = data.samples(np.array([3]))
    assert sample.images[S2][:, :, 0, 0].tolist() == numbers(12, 8, 8, seed=0)[BANDS.index("B02")].tolist()
    assert sample.dates == ["2021-07-04"]
    assert len(set(open_set(tmp_path / "crops", apart=0.5).groups.tolist())) == 6


def test_npz_below_one_folder_without_dates_and_places(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "set" / "chips" / name / "deeper").mkdir(parents=True)
        for number in range(2):
            np.savez(
                tmp_path / "set" / "chips" / name / "deeper" / f"{number}.npz",
                image=numbers(12, 8, 8).transpose(1, 2, 0)[:, :, None],
                bands=BANDS,
            )
    data = folder_set(tmp_path / "set")
    assert data.classes == ("a", "b")
    assert "it gets that of the m-eurosat evaluation" in " ".join(data.notes)
    assert "the place of 4 is unknown" in " ".join(data.notes)
    assert len(set(data.groups.tolist())) == 4


def test_what_a_loader_is_told(tmp_path):
    root = tmp_path / "set"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        write(root / name / "0.tif", numbers(12, 8, 8))
    with pytest.raises(ValueError, match=r"0\.tif.*bands="):
        open_set(root)
    data = open_set(root, bands=BANDS, dates=["2021-07-04"])
    assert data.samples(np.array([0]))[0].dates == ["2021-07-04"]
    with pytest.raises(ValueError, match="kind 'folders' has no label=; it has apart=, level="):
        open_set(root, label="x")


def test_what_is_no_set(tmp_path):
    root = make(tmp_path / "set")
    (root / "soy").mkdir()
    with pytest.raises(ValueError, match=r"class folders without a chip .*: soy"):
        open_set(root)
    with pytest.raises(ValueError, match="has one class folder: there is nothing to tell apart"):
        folder_set(make(tmp_path / "one", ("maize",)))
    with pytest.raises(FileNotFoundError, match="no folder"):
        folder_set(tmp_path / "nowhere")
    (root / "soy").rmdir()
    two = [*BANDS, *(f"{band}_1" for band in BANDS)]
    later = write(root / "maize" / "3_2021-07-04_2021-09-02.tif", numbers(24, 8, 8), two)
    with pytest.raises(ValueError, match=r"as many dates, but .*09-02\.tif has 2, others have 1"):
        folder_set(root)
    later.write_bytes(later.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"09-02\.tif"):
        folder_set(root)
    later.unlink()
    write(root / "maize" / "3_2021-07-04.tif", numbers(12, 16, 16), BANDS)
    with pytest.raises(ValueError, match=r"one size, but .* has 16x16 px, others have 8x8"):
        folder_set(root)
