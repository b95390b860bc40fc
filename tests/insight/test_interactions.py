"""Bands are removed from pixels, alike for every tokenization; what they do together is found, and nothing else."""

import numpy as np
import pytest
import torch

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data import load_embedded
from olmoearth_nb.evaluation.network import fitted_network
from olmoearth_nb.evaluation.probes import Split, fitted_logistic
from olmoearth_nb.insight import outputs
from olmoearth_nb.insight.interactions import pair_interaction, shapley
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import by_draws, by_mean, by_zero, without
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.load import load_model, open_encoder

RESOLUTIONS = Players.by_resolution()
NAME = SENTINEL2.name
MODELS = ("mini-v1-long", "mini-naive-long", "mini-v1.1-long")


def batch(count=3, seed=0, edge=8):
    images = torch.rand(count, edge, edge, 1, 12, generator=torch.Generator().manual_seed(seed))
    return Batch({NAME: images}, torch.tensor([[1, 6, 2020]]).expand(count, 1, 3))


def means(changed, _):
    """(R, 12) mean of each band: an output without any encoder."""
    return changed.images[NAME].mean((1, 2, 3))


@pytest.mark.parametrize("model", MODELS)
def test_tokens_of_linear_patch_embeddings_add_up_and_a_pixel_layer_does_not(model):
    found = pair_interaction(outputs.stages(open_encoder(model), 4), batch(), RESOLUTIONS, by_draws(batch(5, 1), 2))
    index = found.index(RESOLUTIONS.across).mean(0)
    assert found.stages == ("tokens", *(f"{p} {i}" for i in (1, 2, 3) for p in ("attention", "MLP")), "norm")
    assert (index[0] > 0.1) == (model == "mini-v1.1-long")
    assert index[0] > 0.1 or index[0] < 1e-5
    assert (index[1:] > 1e-3).all()
    alone = pair_interaction(outputs.embedding(open_encoder(model), 4), batch(), RESOLUTIONS, by_draws(batch(5, 1), 2))
    np.testing.assert_allclose(alone.together[:, 0], found.together[:, -1], rtol=1e-4)


@pytest.mark.parametrize("removal", [by_zero(), by_mean(batch(5, 1)), by_draws(batch(5, 1), 3)], ids=lambda r: r.name)
def test_what_adds_up_does_not_interact_and_a_product_does(removal):
    players = Players.of({"blue": "B02", "green": "B03", "near": "B08 B8A"})
    pair = pair_interaction(means, batch(), players, removal)
    assert abs(pair.together).max() < 1e-6
    assert (pair.removed > 0).all()

    def product(changed, _):
        blue, near = (
            changed.images[NAME][..., SENTINEL2.indices([name])[0]].mean((1, 2, 3)) for name in ("B02", "B08")
        )
        return (blue * near)[:, None]

    together = pair_interaction(product, batch(), players, removal).together[:, 0]
    assert (together[:, players.pairs.index((0, 2))] > 1e-5).all()
    assert together[:, [players.pairs.index(pair) for pair in ((0, 1), (1, 2))]].max() < 1e-7
    exact = shapley(lambda *given: product(*given)[:, 0], batch(), players, removal)
    assert exact.incomplete < 1e-5
    np.testing.assert_allclose(abs(exact.pairs[:, 0, 1]), 0, atol=1e-7)
    np.testing.assert_allclose(exact.synergy - exact.redundancy, exact.toward.mean(0), atol=1e-12)


def test_removed_bands_are_replaced_and_nothing_else():
    samples, others = batch(), batch(4, 1)
    samples.images[NAME][1, :4, :4, 0, 3] = MISSING
    others.images[NAME][2, 0, 0, 0, :] = MISSING
    present = torch.tensor([[True, True, True], [False, True, False], [False, False, False]])
    channels = RESOLUTIONS.player_of_channel
    for removal in (by_zero(), by_mean(others), by_draws(others, 4)):
        stand_in = removal.stand_ins(samples, RESOLUTIONS)[:, 0]
        image, changed = samples.images[NAME], without(samples, RESOLUTIONS, present, stand_in).images[NAME]
        assert torch.equal(changed == MISSING, image == MISSING)
        for sample in range(3):
            for channel, player in enumerate(channels):
                wanted = image if present[sample, player] else stand_in.expand_as(image)
                known = image[sample, ..., channel] != MISSING
                assert torch.equal(changed[sample, ..., channel][known], wanted[sample, ..., channel][known])
    assert (by_zero().stand_ins(samples, RESOLUTIONS) == 0).all()
    observed = others.images[NAME][others.images[NAME][..., 0] != MISSING]
    torch.testing.assert_close(by_mean(others).stand_ins(samples, RESOLUTIONS)[0, 0, 0, 0, 0], observed.mean(0))


def test_draws_are_other_samples_each_once_and_the_same_again():
    samples = batch(4)
    drawn = by_draws(samples, 3, seed=5).stand_ins(samples, RESOLUTIONS)
    assert torch.equal(drawn, by_draws(samples, 3, seed=5).stand_ins(samples, RESOLUTIONS))
    for sample, found in enumerate(drawn):
        from_where = [
            next(k for k, one in enumerate(samples.images[NAME]) if torch.equal(one, stand)) for stand in found
        ]
        assert sorted([sample, *from_where]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="has 3"):
        by_draws(samples, 4).stand_ins(samples, RESOLUTIONS)


def test_scalars_are_those_of_probes_and_predictors():
    encoder, samples, others = open_encoder("mini-v1-long"), batch(), batch(40, 1)
    x = outputs.embedding(encoder, 4)(others, np.arange(40)).detach().numpy()
    y = (others.images[NAME][..., 0].mean((1, 2, 3)) > 0.5).long().numpy()
    fit, check = Split(x[:30], y[:30], np.arange(30)), Split(x[30:], y[30:], np.arange(10))
    linear, network = fitted_logistic(fit, check), fitted_network(fit, check)
    for score, predict in ((outputs.linear_scores(linear), linear.predict), (network.scores, network.predict)):
        np.testing.assert_array_equal(score(x).argmax(1), predict(x))
        found = shapley(
            outputs.logit(outputs.embedding(encoder, 4), score, y[:3]), others_only(others, 3), RESOLUTIONS, by_zero()
        )
        np.testing.assert_allclose(
            found.values[:, -1], (score(x[:3]) - score(x[:3]).mean(1, keepdims=True))[range(3), y[:3]], atol=1e-4
        )
        assert found.incomplete < 1e-5
    model, hidden = load_model("mini-v1-long"), torch.tensor([[True, False], [False, False]])
    found = shapley(outputs.prediction(model, samples, 4, hidden), samples, RESOLUTIONS, by_mean(others))
    assert (abs(found.values) <= 1).all()
    assert len(set(found.values[0].round(6))) == 8
    assert found.incomplete < 1e-5
    direction = np.random.default_rng(0).normal(size=64)
    lengths = outputs.along(outputs.embedding(encoder, 4), 3 * direction)(others, np.arange(40)).detach().numpy()
    np.testing.assert_allclose(lengths, x @ direction / np.linalg.norm(direction), rtol=1e-4)


def others_only(samples, count):
    return Batch({name: image[:count] for name, image in samples.images.items()}, samples.timestamps[:count])


def test_tables_have_a_row_a_pair():
    found = pair_interaction(means, batch(), RESOLUTIONS, by_zero())
    rows = list(found.rows())
    assert [(row["stage"], row["first"], row["second"]) for row in rows] == [
        ("embedding", "10 m", "20 m"),
        ("embedding", "10 m", "60 m"),
        ("embedding", "20 m", "60 m"),
    ]
    assert rows[0]["relative"] == pytest.approx(found.matrix("embedding")[0, 1], abs=1e-9)
    exact = list(shapley(lambda *given: means(*given)[:, 0], batch(), RESOLUTIONS, by_zero()).rows())
    assert list(exact[0]) == ["first", "second", "interaction", "taylor", "synergy", "redundancy"]


def test_a_small_memory_gives_the_same(monkeypatch):
    whole = shapley(lambda *given: means(*given)[:, 0], batch(), RESOLUTIONS, by_draws(batch(4, 1), 2)).values
    monkeypatch.setattr("olmoearth_nb.insight.coalitions.VALUES", 3000)  # three samples at a time
    parts = shapley(lambda *given: means(*given)[:, 0], batch(), RESOLUTIONS, by_draws(batch(4, 1), 2)).values
    np.testing.assert_allclose(parts, whole, atol=1e-6)


THIRTEEN = {f"{number}": ["B02"] for number in range(13)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Players.of({"a": "B02", "b": "B99"}), "no band 'B99'"),
        (lambda: Players.of(THIRTEEN), "2 to 12 players, got 13"),
        (lambda: Players.of({"a": "B02 B03"}), "2 to 12 players, got 1"),
        (lambda: Players.of({"a": "B02 B03", "b": "B03"}), "overlap.*B03"),
        (lambda: Players.of({"a": "B02", "b": ""}), "'b' holds no band"),
        (lambda: by_draws(others_only(batch(), 0)), "batch given as background is empty"),
        (lambda: by_mean(others_only(batch(), 0)), "batch given as background is empty"),
        (lambda: by_draws(batch(), 0), "at least one draw"),
        (lambda: pair_interaction(means, batch(), RESOLUTIONS, by_draws(batch(2, 1, 4), 1)), "same height"),
        (lambda: pair_interaction(means, batch(), Players.by_resolution("landsat"), by_zero()), "no Landsat 8/9"),
        (lambda: shapley(means, batch(), RESOLUTIONS, by_zero()), "a number for each"),
        (lambda: pair_interaction(means, batch(), RESOLUTIONS, by_zero()).matrix("MLP 9"), "no stage 'MLP 9'"),
        (lambda: outputs.embedding(open_encoder("mini-v1-long"), 4, "pixels"), "no readout 'pixels'"),
        (lambda: outputs.along(means, np.zeros(12)), "direction"),
        (lambda: outputs.embedding("mini-v1-long", 4), r"Encoder or an OlmoEarth, got str.*load_model"),
        (lambda: by_draws(load_embedded()), "background must be a Batch, got Sample: say Batch.from_samples"),
        (lambda: pair_interaction(means, load_embedded(), RESOLUTIONS, by_zero()), "samples must be a Batch, got Sam"),
        (
            lambda: pair_interaction(means, others_only(batch(), 0), RESOLUTIONS, by_zero()),
            "batch given as samples is empty",
        ),
        (lambda: Players.by_resolution("sentinel1"), r"have one resolution, 10 m; .* Players.each_band\('sentinel1'\)"),
    ],
)
def test_clear_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_not_in_a_sample_cannot_be_removed():
    samples = batch()
    samples.images[NAME][1, ..., 10:] = MISSING
    with pytest.raises(ValueError, match=r"60 m \(B01 B09\) was not observed in sample \[1\]"):
        pair_interaction(means, samples, RESOLUTIONS, by_zero())
    samples = batch()
    samples.images[NAME][1, 0, 0, 0, 0] = MISSING
    with pytest.raises(ValueError, match="without gaps"):
        pair_interaction(outputs.stages(open_encoder("mini-v1-long"), 4), samples, RESOLUTIONS, by_zero())


def test_a_model_is_read_by_its_encoder():
    model, samples = load_model("mini-v1-long"), batch()
    for make in (outputs.embedding, outputs.stages):
        whole, alone = (make(one, 4)(samples, np.arange(3)).detach() for one in (model, model.encoder))
        assert torch.equal(whole, alone)


def test_a_background_may_lack_bands_that_no_player_holds():
    players, others = Players.of({"blue": "B02", "green": "B03"}), batch(5, 1)
    others.images[NAME][..., 10:] = MISSING
    for removal in (by_mean(others), by_draws(others, 2)):
        assert pair_interaction(means, batch(), players, removal).together.max() < 1e-6
        with pytest.raises(ValueError, match="never observed B01, B09"):
            pair_interaction(means, batch(), RESOLUTIONS, removal)


def test_stand_ins_are_made_sample_by_sample():
    """Draws of a sample take the memory of these draws, however many samples there are."""
    samples = batch(2)
    drawn = by_draws(batch(40, 1), 3).of_each(samples, RESOLUTIONS)
    assert next(drawn).untyped_storage().nbytes() == 3 * 4 * samples.images[NAME][0].numel()
