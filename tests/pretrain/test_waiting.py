"""No step of training makes the host wait for a GPU: shown without one, on tensors that have no values."""

import contextlib
import traceback
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.chips import ChipsInMemory
from olmoearth_nb.pretrain.batches import Draws, MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import RECIPES, two_cores
from olmoearth_nb.weights.trained import initial_model


class Waiting(TorchDispatchMode):
    """Notes what would wait: copies to the device that are not sent ahead, and masks of the host in indices of it."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), options=None):
        options = options or {}
        given = [value for value in tree_leaves((args, options)) if isinstance(value, torch.Tensor)]
        devices = {value.device.type for value in given}
        copied = "_to_copy" in str(function) and str(options.get("device")) == "meta" and devices == {"cpu"}
        mixed = {"cpu", "meta"} <= devices and any(value.dim() for value in given if value.device.type == "cpu")
        if (copied and not options.get("non_blocking")) or (mixed and "copy_" not in str(function)):
            here = [frame for frame in traceback.extract_stack() if "olmoearth_nb" in frame.filename][-1:]
            self.found += [f"{function} {frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in here]
        return function(*args, **options)


def drawn(name):
    images = np.random.default_rng(0).integers(1000, 3000, (20, 32, 32, 12)).astype(np.uint16)
    recipe = two_cores(name)
    recipe = replace(recipe, optimisation=replace(recipe.optimisation, batch=12, micro_batch=12, drop_path=0.1))
    chips = ChipsInMemory([images], [np.ones(20, dtype=bool)], ["noise"])
    return recipe, Draws(MicroBatches(chips, recipe, TWO_CORES, 0, 2))[0]


@pytest.fixture
def no_values(monkeypatch):
    """Tensors without values know no autocast, which is off in float32 anyway."""
    autocast = torch.autocast
    monkeypatch.setattr(
        torch, "autocast", lambda kind, *a, **k: contextlib.nullcontext() if kind == "meta" else autocast(kind, *a, **k)
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_never_waits(no_values, name):
    """A value that is asked for raises here, since there is none."""
    recipe, batch = drawn(name)
    pretraining = Pretraining(initial_model(recipe.config("mini"), 0), recipe).train().to("meta")
    with Waiting() as waiting:
        step = pretraining(batch.to("meta"))
        step.loss.backward()
    assert waiting.found == []
    assert batch.images[SENTINEL2.name].dtype == torch.uint16


def test_what_waits_is_noted(no_values):
    with Waiting() as waiting:
        _of_the_package()
    assert waiting.found


def _of_the_package():
    """A copy that is not sent ahead, from a file of the package."""
    code = compile("tensor.to('meta')", "olmoearth_nb/example.py", "eval")
    eval(code, {"tensor": torch.ones(3)})
