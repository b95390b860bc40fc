"""Windows that overlap: against sums by hand, and the same cells from blocks of any size."""

import numpy as np
import pytest

from olmoearth_nb.maps.seams import seams
from olmoearth_nb.maps.windows import Tiling, blended


def place(tiling, depth=2, seen=lambda row, column: True):
    """Windows whose numbers depend on where in the window a cell lies, as an encoder's do."""
    size = [min(tiling.window, edge) for edge in tiling.shape]

    def read(row, column):
        if not seen(row, column):
            return None
        draw = np.random.default_rng((row, column)).normal(size=(*size, depth))
        return (draw + np.linspace(0, 3, size[1])[:, None]).astype(np.float32)

    return read


def test_the_last_window_ends_where_the_map_ends():
    tiling = Tiling((10, 3), 4, 2)
    assert tiling.starts(0) == (0, 2, 4, 6)
    assert Tiling((11, 3), 4, 2).starts(0) == (0, 2, 4, 6, 7)
    assert tiling.starts(1) == (0,), "a map that is smaller than a window is one window"
    assert tiling.borders(0).tolist() == [2, 4, 6, 8]
    assert tiling.blocks(8) == [(0, 0, 8, 3), (8, 0, 2, 3)]


@pytest.mark.parametrize("blending", ["cosine", "margin"])
def test_a_cell_is_the_weighted_mean_of_its_windows(blending):
    """Written out for a row of cells; cosine weights of 4 cells are sin^2 of 22.5, 67.5, 112.5, 157.5 degrees."""
    tiling = Tiling((1, 7), 4, 2, blending)
    values = {0: [1.0, 2, 3, 4], 2: [10.0, 20, 30, 40], 3: [100.0, 200, 300, 400]}
    found = blended(tiling, lambda _, column: np.array(values[column])[None, :, None], (0, 0, 1, 7), 1)[0, :, 0]
    low, high = np.sin(np.pi / 8) ** 2, np.sin(3 * np.pi / 8) ** 2
    by_hand = {
        "cosine": [
            1.0,
            2.0,
            (3 * high + 10 * low) / (high + low),
            (4 * low + 20 * high + 100 * low) / (low + high + low),
            (30 * high + 200 * high) / (2 * high),
            (40 * low + 300 * high) / (low + high),
            400.0,
        ],
        "margin": [1, 2, 3, 20, 200, 300, 400],  # the overlaps 2-4 and 3-6 are cut in their middles, 3 and 4
    }
    np.testing.assert_allclose(found, by_hand[blending], rtol=1e-12)


@pytest.mark.parametrize("blending", ["cosine", "margin"])
@pytest.mark.parametrize("stride", [3, 5, 8])
def test_blocks_of_any_size_hold_the_same_bits(blending, stride):
    tiling = Tiling((29, 41), 8, stride, blending)
    read = place(tiling, seen=lambda row, column: (row + column) % 5 != 0)
    whole = blended(tiling, read, (0, 0, *tiling.shape), 2)
    for edge in (1, 7, 16):
        parts = np.empty_like(whole)
        for block in tiling.blocks(edge):
            row, column, height, width = block
            parts[row : row + height, column : column + width] = blended(tiling, read, block, 2)
        assert parts.tobytes() == whole.tobytes()


def test_what_no_window_saw_is_nan_and_takes_no_part():
    tiling = Tiling((4, 8), 4, 2)

    def read(_, column):
        values = np.full((4, 4, 1), float(column))
        values[:, 0] = np.nan
        return None if column == 4 else values

    found = blended(tiling, read, (0, 0, 4, 8), 1)[0, :, 0]
    np.testing.assert_array_equal(found, [np.nan, 0, 0, *[found[3]], 2, 2, np.nan, np.nan])
    assert 0 < found[3] < 2


def test_blending_hides_the_borders_of_windows():
    """The numbers of a smooth place, with an offset that grows to the right of each window."""
    rows, columns = np.mgrid[:96, :96]
    truth = np.stack([np.sin(rows / 7) + np.cos(columns / 5), np.cos(rows / 6)], -1)
    drift = 0.3 * np.linspace(0, 1, 16)[None, :, None] + 0.3 * np.linspace(0, 1, 16)[:, None, None]
    ratios = {}
    for stride, blending in ((16, "cosine"), (8, "cosine"), (8, "margin")):
        tiling = Tiling((96, 96), 16, stride, blending)
        values = blended(tiling, lambda r, c: truth[r : r + 16, c : c + 16] + drift, (0, 0, 96, 96), 2)
        ratios[stride, blending] = seams(values, tiling).ratio
    assert ratios[16, "cosine"] > 1.5
    assert abs(ratios[8, "cosine"] - 1) < 0.05
    with pytest.raises(ValueError, match="no border of a window"):
        seams(truth[:16, :16], Tiling((16, 16), 16, 8))


def test_other_blendings_are_refused():
    with pytest.raises(ValueError, match="blending is one of cosine, margin, got 'hann'"):
        Tiling((4, 4), 2, 2, "hann")
