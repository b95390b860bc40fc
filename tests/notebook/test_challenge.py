"""The design challenge: who may win, who is told why not, and how a leaderboard ranks."""

import pytest

from olmoearth_nb import TOKENIZATIONS, Tokenization, encoder_cost, size_config
from olmoearth_nb.notebook.challenge import design_below, leaderboard, most_groups

SIX = Tokenization("six", {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07", "B08 B8A", "B11 B12", "B01", "B09"]}, "mine")


def gmacs(design):
    return encoder_cost(size_config("base", design), (64, 64, 1), 4).macs / 1e9


@pytest.mark.parametrize("limit", [10, 23.2, 100, 200, 1000])
def test_the_most_groups_fit_and_one_more_does_not(limit):
    most = most_groups(limit)
    names = [" ".join(group) for group in TOKENIZATIONS["per_band"].groups_of("sentinel2_l2a")]

    def split(count):
        return Tokenization("x", {"sentinel2_l2a": [*names[: count - 1], " ".join(names[count - 1 :])]}, "x")

    assert most == 0 or gmacs(split(most)) < limit
    assert most == len(names) or gmacs(split(most + 1)) >= limit


def test_answers():
    problem = design_below(200)
    assert problem(SIX) == ""
    assert problem("six") == "give a Tokenization"
    assert problem(TOKENIZATIONS["galileo"]) == "it leaves out B01 B09"
    assert problem(TOKENIZATIONS["per_band"]) == "it costs 435 GMACs, and 200 is the limit"
    assert problem(TOKENIZATIONS["v1"]) == "it has 3 groups, and below the limit there is room for more"


def test_a_leaderboard_ranks_whole_designs_by_tokens_and_puts_the_others_last():
    names = ("v1.1", "per_band", "v1", "galileo")
    lines = leaderboard([*(TOKENIZATIONS[name] for name in names), SIX], 200).splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["six", "v1", "v1.1", "per_band", "galileo"]
    assert [line.split()[0] for line in lines] == ["1.", "2.", "3.", "-", "-"]
    assert lines[-1].endswith("leaves out B01 B09")
