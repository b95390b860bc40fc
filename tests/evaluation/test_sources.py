"""Embeddings of samples, of series of pixels and of whatever else gives batches: against the encoder, alone."""

import warnings

import numpy as np
import pytest
import torch

from olmoearth_nb import Batch, Encoder, Sample, size_config, to_samples
from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.evaluation.embed import embed, read
from olmoearth_nb.evaluation.probes import Split

S2 = "sentinel2_l2a"


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder(size_config("mini", "v1")).eval()


def sample(edge, dates=2, seed=0, **more):
    values = np.random.default_rng(seed).integers(300, 4000, (edge, edge, dates, 12)).astype(np.float32)
    return Sample({S2: values, **more}, [[1, month, 2020] for month in range(dates)], f"{edge} px, {dates} dates")


def alone(encoder, one, patch_size=4, readout="scene"):
    with torch.inference_mode():
        return read(encoder(Batch.from_samples(one), patch_size), readout)[0].numpy()


def pixels(count=50, seed=0):
    values = np.random.default_rng(seed).integers(300, 4000, (count, 3, 12)).astype(np.uint16)
    return to_samples(values, SENTINEL2.band_names, ["2020-01-01", "2020-04-01", "2020-07-01"])


@pytest.mark.parametrize("readout", ["scene", "patches by date"])
def test_pixels_are_what_the_encoder_makes_of_each(encoder, readout):
    series = pixels()
    found = embed(encoder, series, patch_size=1, readout=readout, batch_size=16)
    assert found.shape == ((50, 64) if readout == "scene" else (50, 1, 3 * 64))
    assert found.dtype == np.float32
    for number in (0, 17, 49):
        assert np.allclose(found[number], alone(encoder, series[number], 1, readout), atol=1e-5)
    assert np.allclose(embed(encoder, series, [17, 0], 1, readout), found[[17, 0]], atol=1e-5)


def test_samples_of_several_sizes_in_the_order_given(encoder):
    samples = [sample(8), sample(16, seed=1), sample(8, dates=3, seed=2), sample(8, seed=3), sample(16, seed=4)]
    found = embed(encoder, samples)
    for one, own in zip(samples, found, strict=True):
        assert np.allclose(own, alone(encoder, one), atol=1e-5)
    assert embed(encoder, [samples[0], samples[3]], readout="patches").shape == (2, 4, 64)
    with pytest.raises(ValueError, match="of different sizes or dates have no 'patches' in common"):
        embed(encoder, samples, readout="patches")
    by_date = embed(encoder, samples[:1], readout="patches by date").reshape(4, 2, 64)
    with torch.inference_mode():
        encoded = encoder(Batch.from_samples(samples[0]), 4)
    assert np.allclose(by_date, encoded.pool_dates()[0].flatten(0, 1), atol=1e-5)
    assert np.allclose(by_date[1, 1], encoded.of(S2)[0, 0, 1, 1].mean(0), atol=1e-5), "a mean of the groups of a date"


def test_dates_that_nobody_saw_are_nan_in_the_public_readout(encoder):
    radar = np.full((8, 8, 2, 2), -12.0)
    both = sample(8, sentinel1=radar, srtm=np.full((8, 8, 1, 1), 300.0))
    both.images[S2][:4, :4, 0] = MISSING
    both.images["sentinel1"][:4, :4, 0] = MISSING
    both.images["sentinel1"][4:, 4:, 1] = MISSING
    with torch.inference_mode():
        encoded = encoder(Batch.from_samples(both), 4)
    dates = encoded.pool_dates()
    assert dates.shape == (1, 2, 2, 2, 64)
    assert dates[0, 0, 0, 0].isnan().all()
    assert not dates[0, 0, 0, 1].isnan().any()
    optical, backscatter = encoded.of(S2)[0].mean(3), encoded.of("sentinel1")[0].mean(3)
    assert torch.allclose(dates[0, 0, 1, 0], (optical[0, 1, 0] + backscatter[0, 1, 0]) / 2, atol=1e-5)
    assert torch.allclose(dates[0, 1, 1, 1], optical[1, 1, 1], atol=1e-5), "one sensor alone"


@pytest.mark.case("15")
def test_what_was_not_observed_has_no_embedding_and_no_classifier_takes_it(encoder):
    values = np.random.default_rng(0).integers(300, 4000, (6, 2, 12)).astype(np.uint16)
    values[2] = values[4] = 0
    series = to_samples(values, SENTINEL2.band_names, ["2020-01-01", "2020-04-01"])
    with pytest.warns(UserWarning, match="of 2 of 6 places nothing whole was observed") as heard:
        found = embed(encoder, series, patch_size=1)
    assert len(heard) == 1
    assert np.isnan(found).all(1).tolist() == [False, False, True, False, True, False]
    for number in (0, 3):
        assert np.allclose(found[number], alone(encoder, series[number], 1), atol=1e-5)
    with pytest.raises(ValueError, match="2 of 6 rows hold NaN"):
        Split(found, np.zeros(6, int), np.arange(6))
    with pytest.warns(UserWarning, match="2 of 2 places"):
        assert embed(encoder, series, [2, 4], 1, "patches by date").shape == (2, 1, 2 * 64)
    kept = series.select(series.seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(embed(encoder, kept, patch_size=1).shape, (4, 64))


def test_the_cache_knows_the_content(encoder, tmp_path):
    first = embed(encoder, pixels(), patch_size=1, cache=tmp_path)
    assert np.array_equal(embed(encoder, pixels(), patch_size=1, cache=tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 1, "the same content, another object"
    embed(encoder, pixels(seed=1), patch_size=1, cache=tmp_path)
    embed(encoder, pixels(), [1, 0], 1, cache=tmp_path)
    later = pixels()
    later.timestamps[:, :, 1] += 1
    embed(encoder, later, patch_size=1, cache=tmp_path)
    embed(encoder, [sample(8), sample(16)], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5
    embed(encoder, [sample(8), sample(16)], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.case("H14")
@pytest.mark.parametrize("damage", ["cut off", "a flipped byte", "empty", "no array at all"])
def test_a_damaged_cache_is_made_again(encoder, tmp_path, damage):
    first = embed(encoder, pixels(), patch_size=1, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    content = {"cut off": whole[:300], "a flipped byte": whole, "empty": b"", "no array at all": b"x" * 500}[damage]
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="made again"):
        again = embed(encoder, pixels(), patch_size=1, cache=tmp_path)
    assert np.array_equal(again, first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(encoder, pixels(), patch_size=1, cache=tmp_path)


def radar(edge, **more):
    values = np.random.default_rng(9).normal(-12, 3, (edge, edge, 2, 2)).astype(np.float32)
    return sample(edge, sentinel1=values, **more)


@pytest.mark.case("sensors")
def test_all_sensors_of_pixels_are_seen(encoder):
    optical = pixels()
    values = np.random.default_rng(1).normal(-12, 3, (50, 3, 2)).astype(np.float32)
    both = optical.join(
        to_samples(values, ["vv", "vh"], ["2020-01-01", "2020-04-01", "2020-07-01"], modality_name="sentinel1")
    )
    found = embed(encoder, both, patch_size=1)
    assert np.allclose(found[7], alone(encoder, both[7], 1), atol=1e-5)
    assert not np.allclose(found, embed(encoder, optical, patch_size=1), atol=1e-2)
    named = embed(encoder, both, patch_size=1, modalities=(S2,))
    assert np.allclose(named, embed(encoder, optical, patch_size=1), atol=1e-5)


@pytest.mark.case("sensors")
def test_all_sensors_of_samples_are_seen_and_no_map(encoder):
    one, two = radar(8), radar(8, seed=1, srtm=np.full((8, 8, 1, 1), 300.0))
    found = embed(encoder, [one, two])
    assert np.allclose(found[0], alone(encoder, one), atol=1e-5)
    assert np.allclose(found[1], alone(encoder, radar(8, seed=1)), atol=1e-5)


@pytest.mark.case("sensors")
def test_samples_with_different_sensors(encoder):
    samples = [radar(8), sample(8)]
    with pytest.raises(ValueError, match=r"different sensors: .*sentinel1.* modalities=, .* \(sentinel2_l2a\)"):
        embed(encoder, samples)
    assert embed(encoder, samples, modalities=(S2,)).shape == (2, 64)
    assert np.allclose(embed(encoder, samples, [1])[0], alone(encoder, samples[1]), atol=1e-5)


class Twice:
    """Somebody's own source."""

    def __len__(self):
        return 2

    def batch(self, numbers, modalities):
        return Batch.from_samples([sample(8, seed=int(number)) for number in numbers])


def test_anything_with_a_length_and_batches(encoder):
    found = embed(encoder, Twice())
    assert np.allclose(found[1], alone(encoder, sample(8, seed=1)), atol=1e-5)


WRONG = {
    "a sample": (lambda: sample(8), "got Sample; put a sample into a list"),
    "a batch": (lambda: Batch.from_samples(sample(8)), "got Batch; call the encoder"),
    "no samples": (list, "got list; a list holds samples, at least one"),
    "arrays": (lambda: [np.zeros((8, 8, 1, 12))], "got list; a list holds samples"),
    "an array": (lambda: np.zeros((5, 3, 12)), "got ndarray; make samples of an array, by to_sample or to_samples"),
    "a path": (lambda: "pixels.parquet", "got str; open a file first, by load_sample or to_samples"),
    "nothing": (lambda: None, "got NoneType; make samples"),
    "a class": (lambda: Twice, "got type; make samples"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_embedded_is_told_so(encoder, case):
    given, message = WRONG[case]
    with pytest.raises(ValueError, match=f"embed reads a list of samples.*{message}"):
        embed(encoder, given())


def test_what_there_is_not(encoder):
    with pytest.raises(ValueError, match="numbered 0 to 49, got 3 to 50"):
        embed(encoder, pixels(), [3, 50], 1)
    with pytest.raises(ValueError, match="whole numbers, got bool"):
        embed(encoder, pixels(), np.ones(50, bool), 1)
    with pytest.raises(ValueError, match="nothing to embed"):
        embed(encoder, pixels(), [], 1)
    with pytest.raises(ValueError, match="has no sentinel1; say modalities=, of sentinel2_l2a"):
        embed(encoder, [sample(8)], modalities=("sentinel1",))
    with pytest.raises(ValueError, match=r"1x1 px image does not divide into 4x4 px .*es; choose a patch size of 1$"):
        embed(encoder, pixels())
