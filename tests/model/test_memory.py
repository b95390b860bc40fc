"""Too much for one pass is told before it is computed, with an estimate that is about right; else nothing is told."""

import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from batches import random_batch

from olmoearth_nb import TOKENIZATIONS, Batch, Encoder, size_config
from olmoearth_nb.model import memory
from olmoearth_nb.model.memory import activation_bytes

S2 = "sentinel2_l2a"


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder(size_config("mini", "v1.1")).eval()


def unreal(edge, timesteps=1, samples=1):
    """A batch that takes no memory: one value, seen from everywhere."""
    image = torch.zeros(1, 1, 1, 1, 1).expand(samples, edge, edge, timesteps, 12)
    return Batch({S2: image}, torch.tensor([[[1, 5, 2020]]]).expand(samples, timesteps, 3))


class Stopped(Exception):
    """Raised where the encoder would begin to compute."""


@pytest.fixture
def computing(monkeypatch):
    """The encoder stops where it would begin to compute."""

    def stop(*_):
        raise Stopped

    monkeypatch.setattr("olmoearth_nb.model.encoder.observed", stop)


@pytest.mark.case("H27")
@pytest.mark.usefixtures("computing")
def test_many_tokens_are_told_of_before_anything_is_computed(encoder):
    with pytest.warns(UserWarning, match="62,500 tokens a sample, of which each block compares every pair") as heard, \
            pytest.raises(Stopped):  # fmt: skip
        encoder(unreal(500), 2)
    assert "windows (embed_place of olmoearth_nb.evaluation.embed) or patches larger than 2 px" in str(heard[0].message)


@pytest.mark.case("H27")
@pytest.mark.usefixtures("computing")
def test_an_image_larger_than_memory_is_told_of(encoder, monkeypatch):
    """16,384 x 16,384 px of twelve bands are 13 GB, and more when they are enlarged."""
    monkeypatch.setattr(memory, "memory_of", lambda device: 16 * 2**30)
    with pytest.warns(UserWarning, match=r"4,194,304 tokens a sample.* and about \d+\.\d GiB of 16.0 GiB of memory"), \
            pytest.raises(Stopped):  # fmt: skip
        encoder(unreal(16_384), 8)


@pytest.mark.case("H27")
@pytest.mark.usefixtures("computing")
def test_too_many_samples_at_a_time_are_told_of(encoder, monkeypatch):
    monkeypatch.setattr(memory, "memory_of", lambda device: 2 * 2**30)
    with pytest.warns(UserWarning, match=r"about .* GiB of 2.0 GiB of memory.*take fewer samples at a time, windows"), \
            pytest.raises(Stopped), torch.inference_mode():  # fmt: skip
        encoder(unreal(64, 12, 64), 4)


@pytest.mark.case("H27")
@pytest.mark.usefixtures("computing")
def test_normal_use_hears_nothing_and_costs_nothing(encoder, monkeypatch):
    """The largest tile of the official data, v1, patches of 4 px; a machine of 16 GiB."""
    monkeypatch.setattr(memory, "memory_of", lambda device: 16 * 2**30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for batch, patch_size in ((unreal(128, 12), 4), (unreal(64, 12, 8), 4), (unreal(1, 12, 4096), 1)):
            with pytest.raises(Stopped), torch.inference_mode():
                Encoder(size_config("nano", "v1"))(batch, patch_size)
    monkeypatch.setattr(memory, "memory_of", lambda device: pytest.fail("asked of a small batch"))
    grid, device = unreal(64, 12).grid(TOKENIZATIONS["v1.1"], 4), torch.device("cpu")
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(1000):
            memory.warn_if_large(encoder.config, grid, 1, device)
    assert time.perf_counter() - start < 1, "a millisecond each, on the slowest machine"


MEASURE = """
import re, sys
import torch
from batches import random_batch
from olmoearth_nb import Encoder, published_config
def peak():  # ru_maxrss would count the process that started this one
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])

torch.set_num_threads(1)
encoder, small = Encoder(published_config(sys.argv[1], "nano")).eval(), random_batch(["sentinel2_l2a"], (16, 16), 1, 1)
batch = random_batch(["sentinel2_l2a"], (128, 128), 4, 1)
with torch.set_grad_enabled(sys.argv[2] == "gradients"):
    encoder(small, 4)
    before = peak()
    encoder(batch, 4)
print((peak() - before) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(("version", "gradients"), [("v1.1", False), ("v1.2", False), ("v1.1", True)])
def test_the_estimate_is_right_within_a_factor_of_two(version, gradients):
    from olmoearth_nb import published_config

    config = published_config(version, "nano")
    helpers = Path(__file__).parents[1] / "helpers"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, version, "gradients" if gradients else ""],
        env={"PYTHONPATH": str(helpers), "MALLOC_MMAP_THRESHOLD_": "65536"},  # so that freed memory goes back
        capture_output=True,
        text=True,
        check=True,
    )
    grid = random_batch([S2], (128, 128), 4, 1).grid(config.tokenization, 4)
    ratio = activation_bytes(config, grid, 1, gradients) / int(done.stdout)
    assert 0.5 < ratio < 2, f"{ratio:.2f}"


def test_memory_of_this_machine_is_known():
    assert 2**28 < memory.memory_of("cpu") < 2**50
    assert np.isfinite(memory.PART)
