"""The strict door: every silent mistake of this field is an error that says what to do."""

import datetime as dt
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mistakes import BANDS, DATES, S2, WRONG, common_mistakes, hole, image, radar

from olmoearth_nb import Batch, Encoder, Sample, fit, size_config, to_sample
from olmoearth_nb.bands import MISSING, MODALITIES


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_an_error_that_says_what_to_do(case):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_the_page_of_common_mistakes_says_what_the_errors_say():
    page = Path(__file__).parents[2] / "docs" / "common-mistakes.md"
    assert page.read_text() == common_mistakes(), "run `python tests/helpers/mistakes.py`"


def test_top_of_atmosphere_passes_with_a_warning():
    with pytest.warns(UserWarning, match="haze brightens the blue bands") as heard:
        sample = to_sample(image(bands=13), ["B10", *BANDS], DATES, level="L1C")
    assert heard[0].filename == __file__, "the line of the caller"
    assert np.array_equal(sample.images[S2], image(bands=13)[..., 1:])
    assert any("top-of-atmosphere" in note for note in sample.notes)


def test_scales_are_converted():
    sample = to_sample(image() / 1e4, BANDS, DATES, scale="reflectance")
    np.testing.assert_allclose(sample.images[S2], image(), rtol=1e-6)
    power = radar(0, 1)
    power[0, 0, 0, 0] = 0  # no power at all is no data
    decibel = to_sample(power, ["vh", "vv"], DATES, modality_name="sentinel1", scale="linear").images["sentinel1"]
    np.testing.assert_allclose(decibel[..., 1].ravel()[1:], 10 * np.log10(power[..., 0].ravel()[1:]), rtol=1e-4)
    assert decibel[0, 0, 0, 1] == MISSING


def test_missing_bands_zero_is_zero_after_normalisation():
    sample = to_sample(image(bands=10), BANDS[:10], DATES, missing_bands="zero")
    normal = Batch.from_samples(sample).images[S2]
    torch.testing.assert_close(normal[..., 10:], torch.zeros(1, 8, 8, 2, 2), atol=1e-5, rtol=0)
    assert "B01, B09" in sample.notes[0]


def test_missing_bands_nearest_copies_by_wavelength():
    sample = to_sample(image(bands=10), BANDS[:10], DATES, missing_bands="nearest").images[S2]
    assert np.array_equal(sample[..., 10], sample[..., BANDS.index("B02")]), "B01 from B02"
    assert np.array_equal(sample[..., 11], sample[..., BANDS.index("B8A")]), "B09 from B8A"
    landsat = list(MODALITIES["landsat"].band_names)
    with pytest.warns(UserWarning, match="4 of 11 bands are filled"):
        filled = to_sample(image(bands=7), landsat[:7], DATES, modality_name="landsat", missing_bands="nearest").images[
            "landsat"
        ]
    assert np.array_equal(filled[..., 7], filled[..., 6]), "B7 from B6, the nearest that is there"
    thermal = MODALITIES["landsat"].bands[-1]
    np.testing.assert_allclose(filled[..., -1], thermal.mean - 2 * thermal.std, rtol=1e-6, err_msg="no thermal band")


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 2), (8, 8, 2, 12)])
def test_masks_of_every_shape(shape):
    valid = np.random.default_rng(1).random(shape) > 0.3
    values = to_sample(hole(np.nan) if not valid.ravel()[0] else image(), BANDS, DATES, valid=valid).images[S2]
    seen = np.broadcast_to(valid.reshape(valid.shape + (1,) * (4 - valid.ndim)), values.shape)
    assert ((values == MISSING) == ~seen).all()


def test_fit_crops_or_pads():
    sample = to_sample(image(17, 18), BANDS, DATES)
    original = sample.images[S2]
    assert np.array_equal(fit(sample, 8, crop="center").images[S2], original[0:16, 1:17])
    assert np.array_equal(fit(sample, 8, crop="top-left").images[S2], original[:16, :16])
    padded = fit(sample, 8, pad=True)
    assert padded.images[S2].shape == (24, 24, 2, 12)
    assert np.array_equal(padded.images[S2][:17, :18], original)
    assert fit(padded, 8) is padded
    encoded = Encoder(size_config("nano", "v1")).eval()(Batch.from_samples(padded), 8)
    assert encoded.online.sum() == 2 * 2 * 2 * 3, "only whole patches are encoded"


days = st.dates(dt.date(2015, 7, 1), dt.date(2024, 12, 31))


@settings(max_examples=60)
@given(
    order=st.permutations(BANDS),
    dates=st.lists(days, min_size=1, max_size=12).map(sorted),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dtype=st.sampled_from([np.uint16, np.int32, np.float32, np.float64]),
    data=st.data(),
)
def test_nothing_right_is_refused_and_nothing_is_changed(order, dates, size, dtype, data):
    """Any order of bands, dates, size and number type: values, dates and places come out as they went in."""
    values = data.draw(hnp.arrays(dtype, (*size, len(dates), 12), elements=st.integers(200, 10_000)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some draws look like other bands, and pass with a note
        sample = to_sample(values, order, dates)
    for i, band in enumerate(BANDS):
        assert np.array_equal(sample.images[S2][..., i], values[..., order.index(band)])
    assert sample.dates == [day.isoformat() for day in dates]
    assert isinstance(sample, Sample)


@settings(max_examples=60)
@given(
    names=st.lists(st.sampled_from([*BANDS, "B10", "B8", "nir"]), min_size=1, max_size=13),
    months=st.lists(st.integers(-3, 15), min_size=1, max_size=3),
)
def test_nothing_wrong_passes(names, months):
    """Names pass only if they are the twelve bands once each (B10 beside them), months only if 0..11 in order."""
    plain = sorted("B08" if name == "B8" else name for name in names if name != "B10")
    right = (
        plain == sorted(BANDS)
        and names.count("B10") < 2
        and all(0 <= m <= 11 for m in months)
        and months == sorted(months)
    )
    table = np.array([[1, month, 2020] for month in months])
    values = image(timesteps=len(months), bands=len(names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # B10 makes it top-of-atmosphere data
        if right:
            to_sample(values, names, table)
        else:
            with pytest.raises(ValueError, match=r"band|month|order|cirrus"):
                to_sample(values, names, table)
