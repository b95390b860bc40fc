"""Figures of maps, on a small place whose classes are known."""

import html
import sys

import numpy as np
import pytest
import torch

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.maps.area import confusion, drawn_points, estimated_areas, mapped_areas
from olmoearth_nb.maps.example import known_place, utm
from olmoearth_nb.maps.make import make_map
from olmoearth_nb.maps.probe import fit_probe
from olmoearth_nb.plots import mapped


@pytest.fixture(scope="module")
def place():
    return known_place(months=(5, 7))


@pytest.fixture(scope="module")
def maps(place, tmp_path_factory):
    """A map of classes, a picture, and embeddings."""
    torch.manual_seed(0)
    encoder, folder = Encoder(size_config("mini", "v1.1", pixel_hidden=8)).eval(), tmp_path_factory.mktemp("maps")
    options = {"window": 32, "stride": 32, "quiet": True}
    probe = fit_probe(encoder, place.sample, place.points(8), "class", window=32)
    return {
        "classes": make_map(encoder, place.sample, folder / "classes.tif", probe, **options),
        "pca": make_map(encoder, place.sample, folder / "pca.tif", output="pca", **options),
        "embeddings": make_map(encoder, place.sample, folder / "embeddings.tif", **options),
    }


def test_the_known_place_knows_its_place_and_its_classes(place):
    assert place.classes == ("water", "crop", "grass and shrub", "trees", "built", "bare")
    assert place.truth.shape == (32, 32)
    assert place.areas().sum() == pytest.approx(1.28**2 * 100, rel=2e-3)
    lon, lat = place.sample.georeference.to_lonlat(0, 0)
    assert (round(float(lon), 2), round(float(lat), 1)) == (11.78, 55.1)
    points = place.points(3)
    assert points["class"].value_counts().to_dict() == dict.fromkeys(place.classes, 3)
    assert utm(-10, 179.9).crs == "EPSG:32760"


def test_points_drawn_in_a_map_correct_its_areas(place, maps):
    """With every place looked at, the estimate is the truth, whatever the map."""
    drawn = drawn_points(maps["classes"], 10_000)
    column, row = place.sample.georeference.to_pixels(drawn.geometry.x, drawn.geometry.y)
    counts, names, lost = confusion(maps["classes"], place.labelled(np.column_stack([row, column])), "class")
    assert (counts.sum(), lost) == (1024, 0)
    hectares = [100 * mapped_areas(maps["classes"])[name] for name in names]
    truth = dict(zip(place.classes, place.areas(), strict=True))
    found = estimated_areas(counts, hectares, names)
    np.testing.assert_allclose(found.areas, [truth[name] for name in names], rtol=1e-3)
    few = drawn_points(maps["classes"], 5, seed=1)
    assert few["mapped"].value_counts().max() == 5
    with pytest.raises(ValueError, match="is no class map"):
        drawn_points(maps["pca"], 5)


def test_maps_are_drawn_beside_their_scene(place, maps, figures):
    mapped.show_lifecycle()
    mapped.show_map(maps["classes"], place.sample, place.truth, place.classes)
    mapped.show_map(maps["pca"], place.sample)
    first, second = ([ax.get_title() for ax in figure.axes] for figure in figures[1:])
    assert first == ["scene, 2018-06-01", "map", "truth"]
    assert second == ["scene, 2018-06-01", "map"]
    assert sorted(text.get_text() for text in figures[1].legends[0].get_texts()) == sorted(place.classes)
    truth = figures[1].axes[2].images[0].get_array()
    assert truth[place.truth == 0].tolist()[0] == [0, 114 / 255, 178 / 255], "water is blue"
    with pytest.raises(ValueError, match="a map of classes or a picture"):
        mapped.show_map(maps["embeddings"], place.sample)


def test_the_clearest_date_is_shown(place):
    image = place.sample.images["sentinel2_l2a"].copy()
    assert mapped._clearest(place.sample) == 0
    image[:, :, 0] = 9000
    assert mapped._clearest(type(place.sample)({"sentinel2_l2a": image}, place.sample.timestamps)) == 1
    image[:, :, 1] = MISSING
    assert mapped._clearest(type(place.sample)({"sentinel2_l2a": image}, place.sample.timestamps)) == 0


def test_borders_areas_and_times_are_drawn(maps, figures):
    mapped.show_borders({"alone": maps["embeddings"]})
    assert "a step across a border" in figures[0].axes[0].get_title()
    found = estimated_areas([[8, 2], [1, 9]], [40.0, 60.0], ("crop", "other"))
    mapped.show_areas(found, np.array([41.0, 59.0]))
    labels = figures[1].axes[0].get_legend_handles_labels()[1]
    assert sorted(labels) == ["estimate", "pixels of the map", "truth"]
    mapped.show_times({"v1": (768, 2.0), "v1.1": (256, 0.7)})
    assert [bar.get_width() for bar in figures[2].axes[0].patches] == [768, 256]


def test_a_map_with_a_slider(place, maps, monkeypatch, capsys):
    pytest.importorskip("folium")
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    mapped.live_overlay(maps["classes"], place.sample)
    page = html.unescape(shown[0].get_root().render())
    assert page.count("L.imageOverlay(") == 2
    assert 'type="range"' in page
    assert ".setOpacity(this.value)" in page
    monkeypatch.setitem(sys.modules, "folium", None)
    mapped.live_overlay(maps["classes"], place.sample)
    assert capsys.readouterr().out.startswith("folium is not installed")
