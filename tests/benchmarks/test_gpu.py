"""The benchmark for a GPU in tiny form: every section is recorded, what fails too, and arms have equal budgets."""

import csv
import json

import gpu
import gpu_data
import gpu_ladder
import numpy as np
import pytest
import torch

from olmoearth_nb.ablation.report import report
from olmoearth_nb.ablation.scores import RUNS, SCORES
from olmoearth_nb.bands import SENTINEL2

CPU = torch.device("cpu")


def numbers(count, bands, edge, seed=0):
    """Land, dark in the first and tenth band, as EuroSAT's cirrus is."""
    image = np.random.default_rng(seed).integers(1500, 3000, (count, edge, edge, bands)).astype(np.uint16)
    if bands == 13:
        image[..., 9] = 12
    return image


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "packed.npz"
    eurosat, trained = numbers(30, 13, 8), numbers(24, 12, 32, seed=1)
    eurosat[15:, :, :, :9] += 1500  # two classes that anybody tells apart
    known = {"answers": np.repeat([0, 1], 15), "groups": np.arange(30) // 2}
    np.savez_compressed(path, chips=gpu_data.squeezed(trained), eurosat=gpu_data.squeezed(eurosat), **known)
    return path


def rows_of(folder):
    with (folder / "scores.csv").open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def test_the_archive_gives_the_numbers_back():
    image = np.random.default_rng(0).integers(0, 1 << 16, (3, 7, 5, 12)).astype(np.uint16)
    assert np.array_equal(gpu_data.restored(gpu_data.squeezed(image)), image)


def test_chips_and_both_ways_to_name_bands(archive):
    corpus = gpu_data.chips_of(archive)
    assert np.array_equal(corpus.window(3, 0, 0, 32).images[SENTINEL2.name][:, :, 0], numbers(24, 12, 32, seed=1)[3])
    right, wrong = gpu_data.sets_of(archive, CPU)
    one, other = (found.batch(np.array([4]), (SENTINEL2.name,)).images[SENTINEL2.name] for found in (right, wrong))
    raw = numbers(30, 13, 8)[4].astype(np.float32)
    for batch, place in ((one, 11), (other, 12)):  # published names call the 13th band B12, which is B8A
        band = SENTINEL2.bands[SENTINEL2.band_names.index("B12")]
        found = batch[0, :, :, 0, SENTINEL2.band_names.index("B12")]
        assert np.allclose(found, (raw[..., place] - band.mean) / (4 * band.std) + 0.5, atol=1e-5)


def test_every_section_is_recorded_and_a_failure_as_well(archive, tmp_path, monkeypatch, capsys):
    def fails(bench):
        raise RuntimeError("on purpose")

    def quick(bench):
        return {"seen": len(bench.corpus)}

    monkeypatch.setitem(gpu.SECTIONS, "parity", fails)
    monkeypatch.setitem(gpu.SECTIONS, "throughput", quick)
    given = ["--data", str(archive), "--eurosat", str(archive), "--out", str(tmp_path), "--minutes", "0.01", "--cpu"]
    gpu.main([*given, "--sizes", "mini", "--batch", "4", "--rates", "v1=0.003"])
    found = json.loads((tmp_path / "results.json").read_text())
    status = {name: entry["status"] for name, entry in found["sections"].items()}
    others = dict.fromkeys(("environment", "steps", "throughput", "ladder"), "done")
    assert status == others | {"parity": "failed", "compiled": "skipped"}
    assert "RuntimeError: on purpose" in found["sections"]["parity"]["traceback"]
    assert found["sections"]["throughput"]["seen"] == 24
    assert found["sections"]["steps"]["recipes"]["v1"]["float32"] < 1e-6
    assert found["sections"]["steps"]["left out"], "the minutes were over"
    assert found["sections"]["ladder"]["samples by all"] == 0
    assert {row["budget"] for row in rows_of(tmp_path)} == {"untrained", "floor"}
    assert found["sections"]["ladder"]["optimisation"]["rates"] == {
        "v1 mini": 0.003,
        **{f"{arm} mini": 0.002 for arm in ("naive", "v1.1", "v1 tokens")},
    }
    told = capsys.readouterr().out
    assert "parity: failed" in told
    assert "not tested: waits of the host" in told
    assert "not tested: rates with batches of 4: v1 mini 0.003, naive mini 0.002, " in told
    with pytest.raises(SystemExit):
        gpu.main([*given, "--rates", "v9=0.1"])
    assert "no rate of an arm is v9=0.1; arms are v1, naive" in capsys.readouterr().err


def test_arms_climb_together_and_a_cut_leaves_equal_budgets(archive, tmp_path):
    """Time for two counts and a bit: the last count is smaller than the next doubling, and the same for all."""
    corpus = gpu_data.chips_of(archive)
    lines = [gpu_ladder.Line(arm, "mini", 0, 4, corpus, CPU, "fp32") for arm in ("v1", "naive")]
    left = iter([1e6, 1e6, 1e6, *[2.0] * 9])

    def seconds_left():
        for line in lines:  # a second a sample, so that two seconds of both leave none
            line.seconds = line.samples / 2
        return next(left)

    tower = gpu_ladder.Ladder(lines, gpu_data.sets_of(archive, CPU), tmp_path, CPU, "note")
    common = tower.climb(8, 64, seconds_left, 0, 1.0, lambda line: None)
    assert common >= 16
    assert {line.samples for line in lines} == {common}
    assert gpu_ladder.equal_budgets(tmp_path)
    rows = rows_of(tmp_path)
    assert list(rows[0]) == list(SCORES)
    assert {row["samples"] for row in rows} >= {"0", "8", "16"}
    floors = {row["arm"] for row in rows if row["budget"] == "floor"}
    assert floors == {"raw bands", "band means", "majority"}
    text = report(tmp_path).read_text()
    assert "| majority | 0.500 " in text
    assert "| raw bands | 1.000 " in text, "anybody tells these classes apart"
    assert "| naive mini, untrained | " in text
    assert {row["task"] for row in rows} == {
        f"{name}, {probe}" for name in gpu_data.NAMES.values() for probe in ("kNN-5", "kNN-20")
    }
    one = [row for row in rows if (row["arm"], row["samples"], row["task"]) == ("v1 mini", "8", "EuroSAT, kNN-5")]
    assert len(one) == 15, "a row a group"
    assert sum(int(row["rows"]) for row in one) == 30
    assert sum(float(row["right"]) for row in one) == 30, "anybody tells these classes apart"
    with (tmp_path / "runs.csv").open(encoding="utf8") as file:
        runs = list(csv.DictReader(file))
    assert list(runs[0]) == list(RUNS)
    assert {run["arm"] for run in runs} == {"v1 mini", "naive mini"}


def test_the_averaged_weights_lag_behind(archive):
    line = gpu_ladder.Line("v1.1", "mini", 0, 4, gpu_data.chips_of(archive), CPU, "fp32")
    line.train(8 * 4, 0)
    trained = dict(line.pretraining.model.encoder.named_parameters())
    assert all(torch.equal(mean, trained[name]) for name, mean in line.mean.named_parameters()), "too early to average"
    line.train(14 * 4, 0)
    assert any(not torch.equal(mean, trained[name]) for name, mean in line.mean.named_parameters())
    assert not any(mean.requires_grad for mean in line.mean.parameters())
