"""Crops under the budget of tokens, against the published table and the tokens that samples really have."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops, first_date
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization

PUBLISHED = [12, 12, 12, 12, 12, 9, 6, 4, 3, 2, 2, 1]
"""Dates of crops of 1 to 12 patches along an edge, in official training of every version."""


def tokens_of(crops, edge, dates):
    """Tokens of a sample with every sensor and map, counted by the tokenization."""
    shapes = {name: (edge, edge, dates if spec.multitemporal else 1) for name, spec in MODALITIES.items()}
    return crops.counted.token_count(shapes, 1)


def test_the_published_table():
    assert [Crops().dates(edge) for edge in range(1, 13)] == PUBLISHED
    assert Crops().fitting == tuple(range(1, 13))
    assert Crops().patch_sizes == tuple(range(1, 9))
    assert Crops().budget == 2250
    assert Crops().band_sets == 6


def test_with_three_band_sets_counted_crops_hold_more_dates():
    crops = Crops(counted=TOKENIZATIONS["v1.1"])
    assert crops.band_sets == 3
    assert [crops.dates(edge) for edge in range(1, 13)] == [12] * 7 + [9, 7, 5, 4, 3]


def test_with_one_token_a_band_the_largest_crops_are_dropped():
    """Fifteen tokens a patch and date leave less than one date for edges of 11 and 12."""
    crops = Crops(counted=TOKENIZATIONS["per_band"])
    assert crops.band_sets == 15
    assert crops.fitting == tuple(range(1, 11))
    assert crops.dates(10) == 1
    assert crops.dates(11) == crops.dates(12) == 0
    drawn = {crops.draw(np.random.default_rng(i))[1] for i in range(400)}
    assert drawn == set(range(1, 11))


CROPS = {name: Crops(counted=tokenization) for name, tokenization in TOKENIZATIONS.items()}
CROPS |= {"two cores": TWO_CORES, "tight": Crops(budget=100)}


@pytest.mark.parametrize("name", CROPS)
def test_the_budget_holds_and_is_used(name):
    """No draw has more tokens than the budget, and none could have one date more."""
    crops = CROPS[name]
    for number in range(300):
        patch_size, edge, dates = crops.draw(np.random.default_rng(number))
        assert patch_size in crops.patch_sizes
        assert edge in crops.edges
        assert 1 <= dates <= 12
        assert tokens_of(crops, edge, dates) <= crops.budget
        assert dates == 12 or tokens_of(crops, edge, dates + 1) > crops.budget


def test_the_scripts_of_v1_1_leave_half_of_the_budget():
    """They count the band sets of v1; real sequences are about half as long."""
    ours = Crops()
    real = Crops(counted=TOKENIZATIONS["v1.1"])
    shares = [tokens_of(real, edge, ours.dates(edge)) / tokens_of(ours, edge, ours.dates(edge)) for edge in ours.edges]
    assert 0.5 < min(shares) <= max(shares) < 0.8


def test_patch_size_and_edge_are_drawn_evenly_and_independently():
    drawn = [Crops().draw(np.random.default_rng([1, i]))[:2] for i in range(4800)]
    assert set(drawn) == {(p, edge) for p in range(1, 9) for edge in range(1, 13)}
    assert chisquare(list(Counter(drawn).values())).pvalue > 1e-4


def test_a_draw_follows_from_the_generator():
    assert [TWO_CORES.draw(np.random.default_rng(3)) for _ in range(3)] == [
        TWO_CORES.draw(np.random.default_rng(3))
    ] * 3


WRONG = {
    "patch of no pixel": (lambda: Crops(patch_sizes=(0, 4)), "patch size must be a whole number from 1 to 8"),
    "patch too large": (lambda: Crops(patch_sizes=(16,)), "patch size must be a whole number from 1 to 8"),
    "no patch size": (lambda: Crops(patch_sizes=()), "give patch sizes and edges of at least 1 patch"),
    "no edge": (lambda: Crops(edges=()), "give patch sizes and edges of at least 1 patch"),
    "edge of no patch": (lambda: Crops(edges=(0, 3)), "give patch sizes and edges of at least 1 patch"),
    "budget of nothing": (lambda: Crops(budget=11), "budget of 11 tokens leaves no date for a crop of 1 x 1"),
    "one token a band, large crops": (
        lambda: Crops(edges=(11, 12), counted=TOKENIZATIONS["per_band"]),
        "leaves no date for a crop of 11 x 11 patches with 15 band sets and 6 maps",
    ),
    "larger than a tile": (
        lambda: Crops(patch_sizes=(4, 8), edges=(4, 17), budget=10**5),
        "17 patches of 8 px do not fit into a tile of 128 px",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_crops(name):
    call, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        call()


def test_left_out_bands_do_not_count():
    crops = Crops(counted=Tokenization("two", {"sentinel2_l2a": ["B02 B03", "B08"]}))
    assert crops.band_sets == 2 + 1 + 1


class TestFirstDate:
    """A start is valid where some sensor has the date and room for the wanted dates is left."""

    @staticmethod
    def starts(observed, most, draws=300):
        return Counter(first_date(np.array(observed), most, np.random.default_rng(i)) for i in range(draws))

    @pytest.mark.parametrize("most", [5, 6, 12])
    def test_a_series_that_fits_is_kept_whole(self, most):
        assert self.starts([True, False, True, True, True], most, 20) == {0: 20}

    def test_starts_are_observed_and_leave_room(self):
        observed = [True, False, True, True, False, True, True]
        for most in range(1, 7):
            valid = {start for start in range(7) if observed[start] and start + most <= 7}
            assert set(self.starts(observed, most)) == valid

    def test_starts_are_drawn_evenly(self):
        counts = self.starts([True] * 12, 4, 1800)
        assert set(counts) == set(range(9))
        assert chisquare(list(counts.values())).pvalue > 1e-4

    @pytest.mark.parametrize("observed", [[False] * 5, [False, False, True, True, True]])
    def test_no_start(self, observed):
        assert first_date(np.array(observed), 4, np.random.default_rng(0)) is None

    def test_any_series(self):
        generator = np.random.default_rng(0)
        for _ in range(300):
            observed = generator.uniform(size=generator.integers(1, 13)) < 0.5
            observed[[0, -1]] = True
            most = int(generator.integers(1, 13))
            start = first_date(observed, most, generator)
            assert observed[start]
            assert start == 0 or start + most <= len(observed)


class TestSmallPlaces:
    """Places smaller than a tile of the official format."""

    def test_a_tile_holds_every_crop(self):
        """So that nothing changes for tiles: the official filter never binds either."""
        for number in range(50):
            draws = [Crops().draw(np.random.default_rng(number), *largest) for largest in ((), (128,), (96,))]
            assert draws[0] == draws[1] == draws[2]

    @pytest.mark.parametrize("largest", [64, 17, 5])
    def test_crops_fit_and_all_that_fit_are_drawn(self, largest):
        drawn = {Crops().draw(np.random.default_rng(i), largest)[:2] for i in range(1500)}
        assert drawn == {(p, edge) for p in range(1, 9) for edge in range(1, 13) if p * edge <= largest}

    def test_the_dates_are_those_of_the_edge(self):
        for number in range(50):
            _, edge, dates = Crops().draw(np.random.default_rng(number), 40)
            assert dates == PUBLISHED[edge - 1]

    def test_none_fits(self):
        with pytest.raises(ValueError, match="no crop fits into a place of 15 px: the smallest has 4 patches of 4 px"):
            TWO_CORES.draw(np.random.default_rng(0), 15)
