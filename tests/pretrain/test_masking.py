"""Masking as the publications describe it: every rule and every consequence, over thousands of drawn samples."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.pretrain.masking import STRATEGIES, draw_roles
from olmoearth_nb.tokenization import TOKENIZATIONS

V1, V1_1 = "modality_cross_random", "random_time_with_decode"
SENSORS = ("sentinel2_l2a", "sentinel1", "landsat")
MAPS = ("worldcover", "srtm")
GAPS = ("nothing", "dates", "whole modalities", "tokens")
"""What is missing from the drawn samples."""
DRAWN = 60
"""Samples with each kind of gap, for each strategy and tokenization: 8,400 in all, and more where shares are asked."""
SURE = 1e-4
"""Below this probability a count is not what it should be; draws are seeded, so a test does not flicker."""


def make_grid(tokenization, edge=3, dates=4, names=SENSORS + MAPS):
    shapes = {name: (edge, edge, dates if MODALITIES[name].multitemporal else 1) for name in names}
    return TokenGrid.build(shapes, TOKENIZATIONS[tokenization], 1)


def make_gaps(grid, kind, samples):
    """(samples, N) bool, True = missing; some token of a sensor is left in each."""
    generator, missing = np.random.default_rng(samples), np.zeros((samples, len(grid)), dtype=bool)
    for own in missing:
        for name, span in grid.slices.items():
            if kind == "dates" and name in SENSORS:
                own[span] = np.isin(grid.time[span], np.flatnonzero(generator.uniform(size=12) < 0.4))
            elif kind == "whole modalities":
                own[span] = generator.uniform() < 0.5
        if kind == "tokens":
            own[:] = generator.uniform(size=len(grid)) < generator.uniform(0, 1.2)
        if own[~grid.decode_only].all():
            own[generator.integers((~grid.decode_only).sum().item())] = False
    return missing


def draw(strategy, grid, missing, seed=0, first=0, step=0, view=0):
    """(samples, N) roles of samples numbered from `first`, as numpy."""
    numbers = range(first, first + len(missing))
    return draw_roles(strategy, grid, torch.from_numpy(missing), seed, numbers, step, view).numpy()


def nothing(grid, samples):
    """No gaps."""
    return np.zeros((samples, len(grid)), dtype=bool)


@lru_cache
def drawn(strategy, tokenization, kinds=GAPS, samples=DRAWN):
    """Grid, what is missing, and roles of many samples with every kind of gap."""
    grid = make_grid(tokenization)
    missing = np.concatenate([make_gaps(grid, kind, samples) for kind in kinds])
    return grid, missing, draw(strategy, grid, missing, 7, 1000, 3)


def whole(strategy, tokenization, samples=300):
    """The same without gaps."""
    return drawn(strategy, tokenization, ("nothing",), samples)


def by_set(grid, flags):
    """(samples, band sets) how many tokens of each band set have a flag."""
    return flags.astype(int) @ np.eye(len(grid.band_sets), dtype=int)[grid.band_set.numpy()]


def sensor_sets(grid):
    """(band sets,) bool; sensors come first."""
    return np.array([name in SENSORS for name, _ in grid.band_sets])


def sensors_of(grid, flags):
    """(samples, band sets of sensors) how many tokens have a flag."""
    return by_set(grid, flags)[:, sensor_sets(grid)]


UNITS = {
    "random": lambda grid: np.arange(len(grid)),
    "time": lambda grid: grid.time.numpy(),
    "space": lambda grid: (10 * grid.row + grid.column).numpy(),
}
"""What the plain strategies encode as a whole."""

EVERY = pytest.mark.parametrize("tokenization", TOKENIZATIONS)
STRATEGY = pytest.mark.parametrize("strategy", STRATEGIES)


class TestEveryStrategy:
    @EVERY
    @STRATEGY
    def test_a_missing_token_is_missing_and_no_other_is(self, strategy, tokenization):
        _, missing, roles = drawn(strategy, tokenization)
        assert ((roles == Role.MISSING) == missing).all()
        assert roles.dtype == np.int64
        assert set(np.unique(roles)) <= set(Role)

    @EVERY
    @STRATEGY
    def test_a_map_is_never_encoded(self, strategy, tokenization):
        grid, _, roles = drawn(strategy, tokenization)
        assert not (roles[:, grid.decode_only] == Role.ONLINE).any()

    @EVERY
    @STRATEGY
    def test_every_sample_has_something_to_encode(self, strategy, tokenization):
        _, _, roles = drawn(strategy, tokenization)
        assert (roles == Role.ONLINE).any(1).all()

    @EVERY
    @STRATEGY
    def test_every_sample_has_something_to_predict_if_it_can(self, strategy, tokenization):
        """Units of what is encoded are tokens, dates, patches; v1.1 needs two tokens in every band set."""
        grid, missing, roles = drawn(strategy, tokenization)
        unit = UNITS.get(strategy, UNITS["random"])(grid)
        observed = ~missing & ~grid.decode_only.numpy()
        if strategy == V1_1:
            own = sensors_of(grid, observed)
            can = ((own == 0) | (own > 1)).all(1)
        else:
            can = np.array([len(np.unique(unit[row])) > 1 for row in observed])
        assert can.sum() > DRAWN
        assert (roles == Role.DECODER).any(1)[can].all()

    @settings(max_examples=100)
    @given(data=st.data())
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_the_smallest_crops(self, strategy, data):
        """One patch, one date, one sensor, one map, almost nothing observed: the same promises."""
        names = data.draw(st.lists(st.sampled_from(SENSORS), min_size=1, unique=True))
        names += data.draw(st.lists(st.sampled_from(MAPS), unique=True))
        edge, dates = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))
        grid = make_grid(data.draw(st.sampled_from(list(TOKENIZATIONS))), edge, dates, names)
        sensors, share = ~grid.decode_only.numpy(), data.draw(st.sampled_from([0.0, 0.5, 0.9, 0.99]))
        missing = np.random.default_rng(data.draw(st.integers(0, 10**6))).uniform(size=(1, len(grid))) < share
        missing[0, data.draw(st.integers(0, sensors.sum() - 1))] = False
        roles = draw(strategy, grid, missing, data.draw(st.integers(0, 10**6)))
        assert ((roles == Role.MISSING) == missing).all()
        assert not (roles[:, ~sensors] == Role.ONLINE).any()
        assert (roles == Role.ONLINE).any()
        if strategy == V1 and (~missing[:, sensors]).sum() > 1:
            assert (roles == Role.DECODER).any()


class TestWhatRandomnessComesFrom:
    @staticmethod
    def draw(samples, strategy=V1, seed=5, step=2, view=0, kind="dates"):
        grid = make_grid("v1")
        missing = torch.from_numpy(make_gaps(grid, kind, 40)[samples])
        return draw_roles(strategy, grid, missing, seed, [100 + i for i in samples], step, view)

    @STRATEGY
    def test_the_same_again_in_any_order_and_with_any_batch_mates(self, strategy):
        together = self.draw(list(range(40)), strategy)
        shuffled = np.random.default_rng(1).permutation(40).tolist()
        assert torch.equal(self.draw(shuffled, strategy), together[shuffled])
        for sample in shuffled[::7]:
            assert torch.equal(self.draw([sample], strategy)[0], together[sample])

    @STRATEGY
    @pytest.mark.parametrize("other", [{"seed": 6}, {"step": 3}, {"view": 1}], ids=str)
    def test_seed_step_and_view_each_change_it(self, strategy, other):
        samples = list(range(40))
        plain, changed = (self.draw(samples, strategy, kind="nothing", **given) for given in ({}, other))
        assert (plain != changed).any(1).float().mean() > 0.5

    @STRATEGY
    def test_the_number_of_the_sample_changes_it(self, strategy):
        roles = self.draw(list(range(40)), strategy, kind="nothing")
        assert (roles[:-1] != roles[1:]).any(1).float().mean() > 0.5

    def test_global_generators_are_neither_read_nor_moved(self):
        before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
        first = self.draw([0, 1])
        assert torch.equal(torch.random.get_rng_state(), before[0])
        assert (np.random.get_state()[1] == before[1]).all()
        torch.manual_seed(99)
        assert torch.equal(self.draw([0, 1]), first)

    def test_wrong_input(self):
        grid = make_grid("v1")
        whole = torch.zeros(2, len(grid), dtype=torch.bool)
        with pytest.raises(ValueError, match=r"unknown masking 'half'; valid are modality_cross_random, .*space"):
            draw_roles("half", grid, whole, 0, [0, 1], 0, 0)
        gone = whole.clone()
        gone[1, ~grid.decode_only] = True
        with pytest.raises(ValueError, match="sample 9 cannot be masked: no sensor observed any token of it"):
            draw_roles(V1, grid, gone, 0, [8, 9], 0, 0)
        with pytest.raises(ValueError, match="2 samples need a number each, got 1"):
            draw_roles(V1, grid, whole, 0, [8], 0, 0)


class TestV1:
    """`modality_cross_random`, rules and consequences."""

    @EVERY
    def test_maps_are_predicted_on_half_of_their_tokens(self, tokenization):
        """Every map, drawn for decoding or not: floor(N / 2) of its N tokens; the others have no role."""
        grid, _, roles = whole(V1, tokenization)
        for name in MAPS:
            own = roles[:, grid.slices[name]]
            assert ((own == Role.DECODER).sum(1) == 9 // 2).all()
            assert ((own == Role.TARGET_ONLY).sum(1) == 9 - 9 // 2).all()

    @EVERY
    def test_every_band_set_that_is_not_encoded_is_predicted_on_half_of_its_tokens(self, tokenization):
        """Drawn for decoding or not. Tokens are halved per modality: those of one band set in the mean."""
        for kinds in (("nothing",), GAPS):
            grid, missing, roles = drawn(V1, tokenization, kinds, 300 // len(kinds))
            observed, predicted = sensors_of(grid, ~missing), sensors_of(grid, roles == Role.DECODER)
            idle = (sensors_of(grid, roles == Role.ONLINE) == 0) & (observed > 0)
            assert predicted[idle].sum() / observed[idle].sum() == pytest.approx(0.5, abs=0.03)
            if kinds == ("nothing",):
                assert (predicted[idle] > 0).all(), "never a band set without any role"

    @EVERY
    def test_a_sensor_that_is_not_encoded_is_predicted_on_exactly_half_of_its_tokens(self, tokenization):
        grid, _, roles = whole(V1, tokenization)
        for name in SENSORS:
            own = roles[:, grid.slices[name]]
            idle = ~(own == Role.ONLINE).any(1)
            assert ((own[idle] == Role.DECODER).sum(1) == own.shape[1] // 2).all()

    @EVERY
    def test_half_of_an_encoded_band_set_is_encoded(self, tokenization):
        for kinds in (("nothing",), ("dates",)):
            grid, missing, roles = drawn(V1, tokenization, kinds, 300)
            observed, online = sensors_of(grid, ~missing), sensors_of(grid, roles == Role.ONLINE)
            assert online[online > 0].sum() / observed[online > 0].sum() == pytest.approx(0.5, abs=0.03)

    @EVERY
    def test_an_encoded_band_set_is_predicted_on_its_other_half_or_not_at_all(self, tokenization):
        """Not at all unless it was drawn for decoding too: n of P, n uniform on 1..P, so (P + 1) / 2P of the time."""
        grid, missing, roles = whole(V1, tokenization)
        observed, online, predicted = (
            sensors_of(grid, flags) for flags in (~missing, roles == Role.ONLINE, roles == Role.DECODER)
        )
        both, many = predicted[online > 0], len(grid.band_sets)
        assert (both > 0).mean() == pytest.approx((many + 1) / (2 * many), abs=0.06)
        assert (both / observed[online > 0])[both > 0].mean() == pytest.approx(0.5, abs=0.03)

    @EVERY
    def test_the_number_of_encoded_band_sets_is_uniform_from_2_to_all(self, tokenization):
        grid, _, roles = whole(V1, tokenization)
        most = int(sensor_sets(grid).sum())
        number = (sensors_of(grid, roles == Role.ONLINE) > 0).sum(1)
        assert number.min() == 2
        assert number.max() == most
        assert chisquare(np.bincount(number, minlength=most + 1)[2:]).pvalue > SURE

    def test_every_band_set_is_encoded_equally_often(self):
        grid, _, roles = whole(V1, "v1", 1000)
        share = (sensors_of(grid, roles == Role.ONLINE) > 0).mean(0)
        assert share == pytest.approx(np.full(6, (2 + 6) / 2 / 6), abs=0.06)

    def test_which_are_encoded_and_which_decoded_is_independent(self):
        """P(decoded | encoded) is the same however many are encoded."""
        grid, _, roles = whole(V1, "v1", 1000)
        encoded, decoded = (sensors_of(grid, roles == role) > 0 for role in (Role.ONLINE, Role.DECODER))
        few = encoded.sum(1) <= 3
        shares = [(encoded & decoded)[rows].sum() / encoded[rows].sum() for rows in (few, ~few)]
        assert shares[0] == pytest.approx(shares[1], abs=0.06)

    @pytest.mark.parametrize(
        "names",
        [("sentinel2_l2a", "sentinel1"), ("sentinel1", "landsat"), ("landsat", "srtm")],
        ids="-".join,
    )
    @pytest.mark.parametrize("dates", [3, 4])
    def test_of_two_band_sets_the_first_is_encoded_and_the_second_predicted(self, names, dates):
        """floor(N / 2) tokens of each: of 27 one is left over."""
        grid = make_grid("v1.1", dates=dates, names=names)
        roles = draw(V1, grid, nothing(grid, 50))
        first, second = (roles[:, grid.slices[name]] for name in names)
        assert ((first == Role.ONLINE).sum(1) == first.shape[1] // 2).all()
        assert not (first == Role.DECODER).any()
        assert ((second == Role.DECODER).sum(1) == second.shape[1] // 2).all()
        assert not (second == Role.ONLINE).any()

    @pytest.mark.parametrize("name", SENSORS)
    def test_a_single_band_set_is_shared_by_encoder_and_predictor(self, name):
        """It is encoded only, which leaves nothing to predict, so its tokens are dealt again, half and half."""
        grid = make_grid("v1.1", names=[name])
        roles = draw(V1, grid, nothing(grid, 50))
        assert ((roles == Role.ONLINE).sum(1) == 18).all()
        assert ((roles == Role.DECODER).sum(1) == 18).all()

    @pytest.mark.parametrize("maps", [MAPS[:1], MAPS], ids=["one map", "two maps"])
    def test_a_map_is_not_encoded_in_place_of_a_sensor_whose_token_was_not_drawn(self, maps):
        """One observed token of Sentinel-2 and whole maps: the token is encoded, and half of each map is predicted."""
        grid = make_grid("v1.1", 2, 1, ("sentinel2_l2a", *maps))
        missing = nothing(grid, 60)
        missing[:, 1:4] = True
        roles = draw(V1, grid, missing)
        assert (roles[:, 0] == Role.ONLINE).all()
        assert not (roles[:, 4:] == Role.ONLINE).any()
        assert ((roles[:, 4:] == Role.DECODER).sum(1) == 2 * len(maps)).all()


class TestV1_1:
    """`random_time_with_decode`, rules and consequences."""

    @EVERY
    def test_maps_are_predicted_as_a_whole(self, tokenization):
        grid, missing, roles = drawn(V1_1, tokenization)
        maps = grid.decode_only.numpy()
        assert ((roles == Role.DECODER) == ~missing)[:, maps].all()

    @EVERY
    def test_half_of_the_band_sets_rounded_up_are_encoded_and_the_others_predicted(self, tokenization):
        """No band set both, unless it is the only one; a band set of a single token is encoded in any case."""
        grid, missing, roles = drawn(V1_1, tokenization)
        observed, online, predicted = (
            sensors_of(grid, flags) for flags in (~missing, roles == Role.ONLINE, roles == Role.DECODER)
        )
        present, single, many = observed > 0, (observed == 1).sum(1), (observed > 0).sum(1)
        assert ((online > 0) | (predicted > 0))[present].all()
        assert not ((online > 0) & (predicted > 0))[many > 1].any()
        encoded, half = (online > 0).sum(1), -(-many // 2)
        assert (encoded >= half).all()
        assert (encoded <= half + single).all()

    def test_of_three_band_sets_two_are_encoded_and_one_is_predicted(self):
        """The three sensors of v1.1; each is the predicted one a third of the time."""
        grid, _, roles = whole(V1_1, "v1.1", 1000)
        assert ((sensors_of(grid, roles == Role.ONLINE) > 0).sum(1) == 2).all()
        predicted = sensors_of(grid, roles == Role.DECODER) > 0
        assert (predicted.sum(1) == 1).all()
        assert chisquare(predicted.sum(0)).pvalue > SURE

    @pytest.mark.parametrize("name", SENSORS)
    def test_a_single_band_set_is_shared_by_encoder_and_predictor(self, name):
        grid = make_grid("v1.1", names=(name, *MAPS))
        missing = np.concatenate([make_gaps(grid, kind, 60) for kind in ("nothing", "tokens")])
        own = draw(V1_1, grid, missing)[:, grid.slices[name]]
        observed = (~missing[:, grid.slices[name]]).sum(1)
        assert ((own == Role.ONLINE).sum(1) == (observed + 1) // 2).all()
        assert ((own == Role.DECODER).sum(1) == observed // 2).all()

    @staticmethod
    def dates_of(grid, missing, roles):
        """Encoded dates and predicted dates of one sample if its band sets chose whole dates, else None."""
        number, time = grid.band_set.numpy(), grid.time.numpy()
        dates = {Role.ONLINE: set(), Role.DECODER: set()}
        for band_set in np.flatnonzero(sensor_sets(grid)):
            own = (number == band_set) & ~missing
            for role, chosen in dates.items():
                mine = own & (roles == role)
                if mine.any() and not (roles[own & np.isin(time, time[mine])] == role).all():
                    return None
                chosen |= set(time[mine].tolist())
        return dates[Role.ONLINE], dates[Role.DECODER]

    @EVERY
    def test_dates_are_chosen_half_of_the_time_and_tokens_otherwise(self, tokenization):
        """One coin for the sample, and the same dates for all of its band sets. Tokens: floor(N / 2) of each set."""
        grid, missing, roles = whole(V1_1, tokenization)
        chosen = sensors_of(grid, (roles == Role.ONLINE) | (roles == Role.DECODER))
        assert (chosen == 36 // 2).all(), "half of four dates, or half of the tokens"
        found = [self.dates_of(grid, *pair) for pair in zip(missing, roles, strict=True)]
        by_date = [pair for pair in found if pair]
        assert all(len(encoded) == len(predicted) == 2 for encoded, predicted in by_date)
        assert all(not encoded & predicted for encoded, predicted in by_date)
        assert binomtest(len(by_date), len(found), 0.5).pvalue > SURE
        times = np.bincount([date for encoded, _ in by_date for date in encoded], minlength=4)
        assert chisquare(times).pvalue > SURE, "every date is encoded equally often"

    @pytest.mark.parametrize("dates", [2, 3, 5, 12])
    def test_half_of_the_dates_rounded_up_are_encoded(self, dates):
        grid = make_grid("v1.1", 2, dates)
        missing = nothing(grid, 60)
        found = [self.dates_of(grid, *p) for p in zip(missing, draw(V1_1, grid, missing), strict=True)]
        assert {tuple(map(len, pair)) for pair in found if pair} == {(-(-dates // 2), dates // 2)}

    @EVERY
    def test_encoded_and_predicted_dates_are_apart_with_missing_dates_too(self, tokenization):
        """The dates are those that the sensors have; where all have the same, none needs to fall back."""
        grid, generator = make_grid(tokenization), np.random.default_rng(0)
        sensors, time = ~grid.decode_only.numpy(), grid.time.numpy()
        present = [np.flatnonzero(generator.uniform(size=4) < 0.6) for _ in range(200)]
        present = [dates for dates in present if len(dates) > 1]
        missing = np.stack([sensors & ~np.isin(time, dates) for dates in present])
        found = [self.dates_of(grid, *pair) for pair in zip(missing, draw(V1_1, grid, missing), strict=True)]
        by_date = [(set(dates.tolist()), *pair) for dates, pair in zip(present, found, strict=True) if pair]
        assert len(by_date) > len(present) / 3
        for dates, encoded, predicted in by_date:
            assert encoded | predicted == dates
            assert not encoded & predicted
            assert len(encoded) == -(-len(dates) // 2)

    def test_a_band_set_without_data_at_its_dates_gives_random_tokens(self):
        """Sentinel-2 at the first date only, Sentinel-1 at the second only: the coin may ask each for the other's."""
        grid = make_grid("v1.1", 3, 2, ("sentinel2_l2a", "sentinel1"))
        missing = nothing(grid, 400)
        missing[:, grid.where("sentinel2_l2a", time=1)] = missing[:, grid.where("sentinel1", time=0)] = True
        roles = draw(V1_1, grid, missing)
        sizes = []
        for name, date in (("sentinel2_l2a", 0), ("sentinel1", 1)):
            own = roles[:, grid.where(name, time=date)]
            chosen = ((own == Role.ONLINE) | (own == Role.DECODER)).sum(1)
            assert set(chosen.tolist()) == {4, 9}, "floor(9 / 2) at random, or the whole date"
            assert ((own == Role.ONLINE).any(1) != (own == Role.DECODER).any(1)).all()
            sizes.append(chosen)
        assert (sizes[0] == sizes[1]).all(), "both have their own dates, or each has the other's"
        assert binomtest(int((sizes[0] == 9).sum()), 400, 0.25).pvalue > SURE

    @EVERY
    @pytest.mark.parametrize("dates", [1, 4])
    def test_one_observed_date_is_never_asked_by_date(self, tokenization, dates):
        grid = make_grid(tokenization, 3, dates)
        gone = (grid.time != dates - 1) & ~grid.decode_only
        missing = np.repeat(gone.numpy()[None], 60, 0)
        roles = draw(V1_1, grid, missing)
        assert (sensors_of(grid, (roles == Role.ONLINE) | (roles == Role.DECODER)) == 9 // 2).all()

    @pytest.mark.parametrize("dates", [1, 2])
    def test_a_single_observed_token_is_encoded_even_in_a_band_set_to_be_predicted(self, dates):
        grid = make_grid("v1.1", 2, dates, SENSORS)
        missing = nothing(grid, 60)
        missing[:, grid.slices["sentinel1"]] = True
        single = grid.slices["sentinel1"].start
        missing[:, single] = False
        roles = draw(V1_1, grid, missing)
        assert (roles[:, single] == Role.ONLINE).all()
        assert (sensors_of(grid, roles == Role.ONLINE)[:, [0, 2]] > 0).any(1).all(), "of the others one or both"


class TestPlainOnes:
    @EVERY
    @pytest.mark.parametrize("strategy", UNITS)
    def test_half_of_the_units_are_encoded_as_a_whole_and_everything_else_is_predicted(self, strategy, tokenization):
        grid, missing, roles = drawn(strategy, tokenization)
        unit, sensors = UNITS[strategy](grid), ~grid.decode_only.numpy()
        assert not (roles == Role.TARGET_ONLY).any()
        assert ((roles == Role.DECODER) == ~missing)[:, ~sensors].all()
        for absent, own in zip(missing, roles, strict=True):
            seen = sensors & ~absent
            encoded, every = np.unique(unit[own == Role.ONLINE]), np.unique(unit[seen])
            assert len(encoded) == -(-len(every) // 2)
            assert ((seen & np.isin(unit, encoded)) == (own == Role.ONLINE)).all()

    @pytest.mark.parametrize("strategy", UNITS)
    def test_every_unit_is_encoded_half_of_the_time(self, strategy):
        grid, _, roles = whole(strategy, "v1.1", 1000)
        share = (roles[:, ~grid.decode_only] == Role.ONLINE).mean(0)
        assert share == pytest.approx(np.full(len(share), 5 / 9 if strategy == "space" else 0.5), abs=0.06)
