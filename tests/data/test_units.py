"""Dates, bands and files in another unit than the others, and power of a radar from which noise was taken."""

import warnings

import numpy as np
import pytest
from mistakes import S2

from olmoearth_nb import to_sample
from olmoearth_nb.bands import MISSING, MODALITIES
from olmoearth_nb.data.sanity import contradictions

DATES = ["2021-01-31", "2021-05-01", "2021-07-01"]
ORDER = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()
LAND = np.array([400, 500, 800, 900, 1400, 2500, 2900, 3100, 3200, 3200, 2200, 1300])
FOREST = np.array([150, 180, 350, 200, 600, 2200, 2700, 2900, 3000, 3000, 1300, 500])
ICE = np.array([9000, 9000, 8800, 8500, 8000, 7500, 7000, 6500, 6000, 5000, 280, 50])


def surface(spectrum=LAND, size=16):
    """(H, W, T, 12) digital numbers, between whole ones, as means of pixels are."""
    rng = np.random.default_rng(0)
    return (spectrum * rng.uniform(0.7, 1.3, (size, size, len(DATES), 1))).astype(np.float32) + np.float32(0.25)


def opened(values, **options):
    return to_sample(values, ORDER, DATES[: values.shape[2]], **options)


def told(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return " ".join(opened(values).notes)


def decibel(size=16):
    """(H, W, T, 2) dB with speckle."""
    rng = np.random.default_rng(0)
    return np.float32([-10, -17]) + rng.normal(0, 2, (size, size, len(DATES), 2)).astype(np.float32)


def radar(values, scale="native"):
    return to_sample(values, ["vv", "vh"], DATES, modality_name="sentinel1", scale=scale)


def power(lowest):
    """Linear power, of which some pixels lie at or below 0 by the noise that was taken off."""
    values = 10 ** (decibel() / 10)
    values[:2, :, :, 1] = lowest
    return values


@pytest.mark.case("power")
@pytest.mark.parametrize("lowest", [-1e-5, -0.01, -1.0])
def test_power_below_0_does_not_make_it_decibel(lowest):
    values = power(lowest)
    with pytest.raises(ValueError, match=r"look like linear power.*say scale='linear'"):
        radar(values)
    sample = radar(values, "linear")
    image = sample.images["sentinel1"]
    assert (image[:2, :, :, 1] == MISSING).all(), "power below 0 is none"
    assert np.allclose(image[2:], decibel()[2:], atol=1e-3)
    assert "6.2% of the Sentinel-1 values lie below -60, which is no data" in sample.notes


@pytest.mark.case("power")
@pytest.mark.parametrize("place", [(..., 1), (slice(None), slice(None), 1), (slice(None), slice(None), 2, 0)])
@pytest.mark.parametrize("scale", ["native", "linear"])
def test_a_band_or_a_date_of_linear_power(place, scale):
    values = decibel()
    values[place] = 10 ** (values[place] / 10)
    where = f"timesteps {place[2] if len(place) > 2 else '0, 1, 2'}, channels {place[-1] if place[-1] != 1 else '.*'}"
    with pytest.raises(ValueError, match=f"{where}.*look like linear power, others like dB: bring all of them"):
        radar(values, scale)


@pytest.mark.case("power")
def test_decibel_pass_as_they_are():
    values = decibel()
    values[0, 0] = 12  # a roof
    values[1:3, :, :, 1] = -33  # noise over water
    assert (radar(values).images["sentinel1"] == values).all()
    alone = values[1:2, 1:2]
    assert (radar(alone).images["sentinel1"] == alone).all()
    with pytest.raises(ValueError, match=r"look like dB, but linear power is expected.*leave scale out"):
        radar(values, "linear")


@pytest.mark.case("parts")
@pytest.mark.parametrize(("factor", "scale"), [(1, "native"), (1e-4, "reflectance")])
def test_a_date_in_percent(factor, scale):
    values = surface() * np.float32(factor)
    values[:, :, 1] /= 100 * factor
    with pytest.raises(ValueError, match=r"timesteps 1 look like percent.*bring all of them to one unit"):
        opened(values, scale=scale)


@pytest.mark.case("parts")
@pytest.mark.parametrize("scale", ["native", "reflectance"])
@pytest.mark.parametrize("band", [3, 0, 10])
def test_a_band_in_percent_among_reflectance_is_named(band, scale):
    values = surface() / 1e4
    values[..., band] *= 100
    with pytest.raises(ValueError, match=rf"channels {band} look like percent.*bring all of them to one unit"):
        opened(values, scale=scale)


@pytest.mark.case("parts")
@pytest.mark.parametrize("bands", [["B04"], ["B04", "B05"], ["B11"], ["B11", "B12"]])
def test_a_band_in_percent_among_digital_numbers_is_told(bands):
    values = surface()
    values[..., [ORDER.index(name) for name in bands]] /= 100
    assert f"{', '.join(bands)} almost surely hold percent" in told(values)


@pytest.mark.case("parts")
def test_an_8_bit_date_and_another_factor_are_told():
    values = np.rint(surface())
    picture = values.copy()
    picture[:, :, 2] = np.rint(np.clip(picture[:, :, 2] / 3000 * 255, 0, 255))
    assert "timesteps 2 (counted from 0) almost surely hold an 8-bit picture or percent" in told(picture)
    assert "multiplied by another number than 10,000?" in told(np.rint(values / 10))


@pytest.mark.case("parts")
@pytest.mark.parametrize("spectrum", [LAND, FOREST, ICE])
def test_what_is_right_passes_without_a_word(spectrum):
    values = surface(spectrum)
    assert contradictions(values, ORDER, "L2A") == []
    assert np.allclose(opened(values / 1e4, scale="reflectance").images[S2], opened(values).images[S2], rtol=1e-5)
    snowed = values.copy()
    snowed[:, :, 0] = surface(ICE)[:, :, 0]
    assert contradictions(snowed, ORDER, "L2A") == []


def test_the_bands_of_the_tests_are_the_models():
    assert set(ORDER) == set(MODALITIES[S2].band_names)
