import copy
import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoearth_nb import MODALITIES, SENTINEL2, TOKENIZATIONS, TokenGrid, Tokenization

S2 = "sentinel2_l2a"


@pytest.mark.parametrize(
    ("name", "tokens", "left_out"),
    [
        ("v1", 3, ""),
        ("v1.1", 1, ""),
        ("per_band", 12, ""),
        ("spectral", 5, ""),
        ("satmae", 3, "B01 B09"),
        ("galileo", 5, "B01 B09"),
        ("croma", 1, ""),
    ],
)
def test_built_in(name, tokens, left_out):
    chosen = TOKENIZATIONS[name]
    assert len(chosen.groups_of(S2)) == tokens
    assert chosen.left_out() == tuple(left_out.split())
    assert chosen.source


def test_v1_has_three_two_and_one_tokens_of_the_three_sensors():
    counts = {name: len(TOKENIZATIONS["v1"].groups_of(name)) for name in MODALITIES}
    assert counts == {name: {S2: 3, "landsat": 2}.get(name, 1) for name in MODALITIES}


def test_published_count_of_a_year():
    shapes = {S2: (32, 32, 12), "sentinel1": (32, 32, 12), "landsat": (32, 32, 12), "srtm": (32, 32, 1)}
    assert TOKENIZATIONS["v1"].token_count(shapes, 4) == 64 * (12 * 6 + 1)
    assert TOKENIZATIONS["v1.1"].token_count(shapes, 4) == 64 * (12 * 3 + 1)


def test_equal_by_groups_not_by_name():
    assert Tokenization("other", {S2: [SENTINEL2.band_names]}) == TOKENIZATIONS["v1.1"]
    assert TOKENIZATIONS["croma"] != TOKENIZATIONS["v1.1"], "another order of bands needs other weights"


groupings = st.permutations(SENTINEL2.band_names).flatmap(
    lambda bands: st.lists(st.integers(1, 11), unique=True, max_size=5).map(
        lambda cuts: [bands[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 12], strict=True)]
    )
)


@given(groupings, st.integers(1, 4), st.integers(1, 4), st.integers(1, 12), st.integers(1, 8))
def test_count_and_grid_agree(groups, rows, columns, timesteps, patch_size):
    chosen = Tokenization("any", {S2: groups})
    shapes = {
        S2: (rows * patch_size, columns * patch_size, timesteps),
        "cdl": (rows * patch_size, columns * patch_size, 1),
    }
    grid = TokenGrid.build(shapes, chosen, patch_size)
    expected = rows * columns * (timesteps * len(groups) + 1)
    assert chosen.token_count(shapes, patch_size) == len(grid) == expected == len(list(grid.labels()))
    assert grid.where(S2).sum() + grid.where("cdl").sum() == expected
    assert (grid.where(S2, time=timesteps - 1, group=len(groups) - 1)).sum() == rows * columns
    assert len(set(grid.labels())) == expected


def test_grid_order_is_row_column_time_group():
    grid = TokenGrid.build({S2: (8, 16, 2)}, TOKENIZATIONS["v1"], 8)
    assert list(grid.labels())[:4] == [(S2, 0, 0, 0, 0), (S2, 0, 0, 0, 1), (S2, 0, 0, 0, 2), (S2, 0, 0, 1, 0)]
    assert list(grid.labels())[6] == (S2, 0, 1, 0, 0)
    with pytest.raises(ValueError, match="the grid holds sentinel2_l2a, not 'landsat'"):
        grid.unflatten(grid.row[None], "landsat")


def test_sequence_order_does_not_depend_on_the_order_of_the_sample():
    shapes = {"landsat": (8, 8, 1), S2: (8, 8, 1)}
    assert list(TokenGrid.build(shapes, TOKENIZATIONS["v1"], 8).shapes) == [S2, "landsat"]


def test_nothing_changes_a_tokenization():
    """Its groups decide equality and hash, so they stay as they were made; copies and pickles are equal."""
    given = {"sentinel2_l2a": ["B02 B03", "B04"]}
    mine = Tokenization("mine", given)
    with pytest.raises(TypeError):
        mine.groups["sentinel2_l2a"] = (("B02",),)
    with pytest.raises(FrozenInstanceError):
        mine.name = "other"
    given["sentinel2_l2a"] = ["B02"]
    assert mine.groups["sentinel2_l2a"] == (("B02", "B03"), ("B04",))
    for copied in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine)), replace(mine, name="another name")):
        assert copied == mine
        assert hash(copied) == hash(mine)
