"""What cheaper means: measured in turns, compared with counts, and laws and exponents that are got back."""

from itertools import count

import numpy as np
import pytest
import torch

from olmoearth_nb.comparison import clock, speed
from olmoearth_nb.comparison.clock import interleaved, peak_bytes, product_rate
from olmoearth_nb.comparison.roofline import REST, parts_of, timed, untrained
from olmoearth_nb.comparison.speed import AXES, GROWN, OURS, REFERENCE, Law, Measured, Setting
from olmoearth_nb.io.shipped import published


def row(version, milliseconds, whose=OURS, setting=GROWN[0], memory=0, size="nano"):
    return Measured(size, version, whose, setting, tuple(milliseconds), memory, 30.0, 0.0, "here")


def test_calls_change_places_and_runs_are_counted():
    order, ticks = [], count()
    calls = [lambda: order.append("a"), lambda: order.append("b")]
    times = interleaved(calls, seconds=0, clock=lambda: float(next(ticks)), fewest=3)
    assert "".join(order) == "abbaab"
    assert times.tolist() == [[1.0, 1.0]] * 3
    assert len(interleaved(calls, seconds=1e9, clock=lambda: 0.0, most=5)) == 5


@pytest.mark.parametrize(("fraction", "name"), [(1.0, "wall time"), (0.3, "processor time of 1 thread")])
def test_a_busy_machine_is_told_by_what_a_process_gets(monkeypatch, fraction, name):
    """Of so much of all processors; a clock that goes on by itself stands in."""
    seconds, threads = [0.0], torch.get_num_threads()

    def wall():
        seconds[0] += 0.01
        return seconds[0]

    monkeypatch.setattr(clock.time, "perf_counter", wall)
    monkeypatch.setattr(clock.time, "process_time", lambda: seconds[0] * fraction * threads)
    found = clock.fair_clock()
    assert found.name.startswith(name)
    torch.set_num_threads(threads)


def test_peak_is_what_lives_at_once():
    def call():
        a = torch.zeros(2**20)
        b = a + 1  # both live
        del a
        return b * 2

    peak, result = peak_bytes(call)
    assert peak == pytest.approx(2 * 2**22, rel=1e-3)
    assert result[0] == 2


def test_savings_take_neighbours_and_leave_out_what_was_not_measured():
    rows = [row("v1", (10, 20, 90), memory=400), row("v1.1", (5, 5, 30), memory=100), row("v1", (7,), REFERENCE)]
    found = speed.savings(rows, "nano", GROWN[0])
    assert list(found) == ["tokens", "MACs", "memory", "time"]
    assert found["tokens"][OURS].middle == 3
    assert found["memory"] == {OURS: (4, 4, 4)}
    assert found["time"] == {OURS: (2.5, 3, 3.5)}
    assert list(speed.savings(rows, "base", GROWN[0])) == ["tokens", "MACs"]
    with pytest.raises(ValueError, match="there are 2 and 1; measure both"):
        speed.times_less(row("v1", (1, 2)), row("v1.1", (1,)))


def test_a_law_is_got_back_and_is_never_negative():
    costs = [setting.cost("nano", "v1") for setting in GROWN]
    true = Law(3.0, 30.0, 20.0)
    times = [true.milliseconds(cost) for cost in costs]
    assert speed.fitted_law(costs, times) == pytest.approx(true)
    without = speed.fitted_law(costs, [cost.linear_macs / 1e8 for cost in costs])
    assert without.overhead == pytest.approx(0, abs=1e-9)
    assert without.linear_rate == pytest.approx(100)
    assert without.attention_rate > 1e6
    with pytest.raises(ValueError, match="at least 3 settings with a time each, got 2"):
        speed.fitted_law(costs[:2], times[:2])


def test_exponents_lie_where_time_grows_so():
    rows = [
        row("v1.1", [scale * setting.cost("nano", "v1.1").tokens ** 1.5 for scale in (1, 1.1)], setting=setting)
        for setting in GROWN
    ]
    found = speed.growths(rows, "nano", "v1.1")
    assert list(found) == list(AXES)
    for one in found.values():
        assert one.time.value == pytest.approx(1.5)
        assert one.time.high - one.time.low < 1e-6
        assert 1 < one.macs < 1.5
    assert speed.growths(rows, "nano", "v1") == {}


def test_published_gflops_are_our_count_at_patches_of_8():
    for (size, version), known in speed.on_gpu().items():
        assert speed.GPU.cost(size, version).macs / 1e9 == pytest.approx(known.gmacs, rel=0.02)
    base = speed.on_gpu()["base", "v1.1"].square_km_a_second
    assert base == pytest.approx(89.9 * 2.24**2)
    assert speed.days(86_400 * base, base) == pytest.approx(1)


def test_parts_are_the_count_and_the_time_of_the_whole():
    setting = Setting(16, 1, 4, 2)
    for version in ("v1", "v1.1"):
        parts = parts_of(untrained(version, "nano"), setting, seconds=0)
        assert sum(part.macs for part in parts.values()) == 2 * setting.cost("nano", version).macs
        assert parts[REST].macs == 0
        assert parts["MLP"].intensity > parts["attention"].intensity
        assert all(part.seconds > 0 for name, part in parts.items() if name != REST)
    rows = timed("nano", (setting, Setting(8, 1, 4)), seconds=0, fewest=2)
    assert [(one.version, one.setting.edge, len(one.milliseconds)) for one in rows] == [
        ("v1", 16, 2), ("v1", 8, 2), ("v1.1", 16, 2), ("v1.1", 8, 2),
    ]  # fmt: skip
    assert product_rate(64, 32, seconds=0) > 0


@pytest.mark.parametrize("table", ["speed", "speed_growth"])
def test_kept_rows_are_neighbours_of_one_another(table):
    """Of each case all versions and both implementations have as many runs, and agree."""
    rows, runs = speed.measured(table), {}
    assert len(rows) == len({(one.size, one.version, one.whose, one.setting) for one in rows})
    for one in rows:
        runs.setdefault((one.size, one.setting), []).append(len(one.milliseconds))
        assert one.difference < 1e-5
    assert all(len(set(each)) == 1 for each in runs.values())
    whose = {OURS, REFERENCE} if table == "speed" else {OURS}
    assert all(len(each) == len(whose) * (3 if table == "speed" else 2) for each in runs.values())
    assert list(published(table)[0]) == list(speed.COLUMNS)
    assert all(0 < one.fraction_of_peak < 2 for one in rows if one.gmacs_of_product)
    assert np.all([one.time.low > 0 for one in rows])
