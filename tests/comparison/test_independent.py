"""What others measured, and the scene that stands in for a reader's."""

import numpy as np
import pandas as pd
import pytest
import shapely
from chips import write_npz

from olmoearth_nb.comparison.example import open_yours, simulated_scene
from olmoearth_nb.comparison.independent import SIZES, independent, over_sets, speed
from olmoearth_nb.data.simulate.geography import COVERS
from olmoearth_nb.evaluation.intervals import mean_of
from olmoearth_nb.io.shipped import data_dir


def by_name(version):
    return {(one.dataset, one.probe): one for one in independent(version)}


def test_means_over_rightly_labelled_sets_are_those_of_the_source():
    """The source gives them itself: +0.4, +1.0 and +0.2 points for nano, tiny and base."""
    gains = by_name("v1.1")
    chosen = [gains[name, "kNN"].by_size for name in ("benv2", "m-bigearthnet", "so2sat", "treesatai")]
    means = [sum(by_size[size] for by_size in chosen) / 4 for size in SIZES]
    assert means == pytest.approx([0.4, 1.0, 0.2], abs=0.051)


def test_linear_probes_of_each_size():
    """Of Base by hand from the source: -0.0, -0.1, -1.1, -2.3 and -0.2 points."""
    assert over_sets(independent(), "linear", "base").value == pytest.approx(-0.74, abs=0.06)
    assert over_sets(independent(), "linear", "nano").high < 0 < over_sets(independent(), "linear", "tiny").value


def test_wrongly_labelled_sets_are_last_and_marked():
    assert [one.dataset for one in independent() if one.mislabelled] == ["m-eurosat"] * 2
    assert [one.mislabelled for one in independent()] == [False] * 10 + [True] * 2
    gains = by_name("v1.1")
    assert gains["m-eurosat", "kNN"].by_size == {"nano": -4.0, "tiny": -1.2, "base": -1.7}
    assert "eurosat-spatial" not in {name for name, _ in gains}, "v1.1 was not run on it"
    assert by_name("v1.2")["eurosat-spatial", "kNN"].by_size == {"base": 0.4}
    with pytest.raises(ValueError, match=r"no version 'v2' was measured beside v1; there are v1\.1, v1\.2"):
        independent("v2")


def test_intervals_are_of_students_distribution():
    found = mean_of([1.0, 2.0, 3.0])
    assert (found.value, round(found.high - 2, 3)) == (2.0, round(4.302653 / 3**0.5, 3))
    assert mean_of([1.0]).high == np.inf
    mean = over_sets(independent())
    assert mean.low < 0 < mean.value < 0.6 < mean.high
    assert speed()["time"]["base"] == pytest.approx(3.06, abs=0.01)
    assert speed()["compute"]["nano"] == pytest.approx(5.7, abs=0.02)


def test_the_simulated_scene_and_its_labels():
    sample, points = simulated_scene(50)
    assert sample.shape == (128, 128)
    column, row = sample.georeference.to_pixels(*shapely.get_coordinates(points.geometry.to_numpy()).T)
    with np.load(data_dir() / "world" / "tiles" / "labels_2.npz") as labels:
        cover = labels["cover"][row.astype(int), column.astype(int)]
    assert [COVERS[number] for number in cover] == points["label"].tolist()
    assert not simulated_scene(50, seed=1)[1].geometry.equals(points.geometry)


def test_a_readers_own_or_the_scene(tmp_path, capsys):
    places = open_yours()
    assert (len(places), places.edge) == (400, 4)
    assert open_yours(str(write_npz(tmp_path / "mine.npz"))).name == places.name
    assert "mine has no answers (give labels, too)" in capsys.readouterr().out
    _, points = simulated_scene(60)
    lonlat = shapely.get_coordinates(points.geometry.to_numpy())
    table = pd.DataFrame({"lon": lonlat[:, 0], "lat": lonlat[:, 1], "label": points["label"]})
    table.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ValueError, match="does not say where on Earth"):
        open_yours(str(tmp_path / "mine.npz"), str(tmp_path / "p.csv"))
