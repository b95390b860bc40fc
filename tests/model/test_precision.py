"""Half precision: near float32, told apart by caches, and weights are turned once."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from vast import Vast

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.evaluation.embed import embed, embed_place
from olmoearth_nb.model import precision
from olmoearth_nb.model.precision import FULL, HALF, in_precision, multiplies_bfloat16

pytestmark = pytest.mark.filterwarnings("ignore:this processor has no products in bfloat16")


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder(size_config("mini", "v1.1")).eval()


@pytest.fixture(scope="module")
def samples():
    return [Vast(16, 16).window(0, 0, 16, 16), Vast(32, 16).window(16, 0, 16, 16)]


class Copies(TorchDispatchMode):
    """Counts copies into bfloat16 of tensors of a shape."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.count = shape, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and made.dtype == torch.bfloat16:
            self.count += args[0].shape == self.shape
        return made


def apart(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_near_float32_everywhere(encoder, samples):
    full, half = (embed(encoder, samples, patch_size=4, precision=one) for one in (FULL, HALF))
    assert half.dtype == np.float32
    assert 1e-4 < apart(half, full) < 0.02
    full, half = (embed_place(encoder, samples[0], 4, 8, precision=one) for one in (FULL, HALF))
    assert 1e-4 < apart(half, full) < 0.02


def test_what_stands_around_does_not_matter(encoder, samples):
    alone = embed(encoder, samples)
    with torch.autocast("cpu", torch.bfloat16):
        assert (embed(encoder, samples) == alone).all()


def test_a_cache_tells_precisions_apart(encoder, samples, tmp_path):
    found = {one: embed(encoder, samples, cache=tmp_path, precision=one) for one in (FULL, HALF)}
    assert len(list(tmp_path.iterdir())) == 2
    for one, values in found.items():
        assert (embed(encoder, samples, cache=tmp_path, precision=one) == values).all()


def test_what_is_kept_is_read_without_a_word(encoder, samples, tmp_path, monkeypatch, recwarn):
    embed(encoder, samples, cache=tmp_path, precision=HALF)
    recwarn.clear()
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    embed(encoder, samples, cache=tmp_path, precision=HALF)
    assert not list(recwarn)


def test_weights_are_turned_once(encoder, samples):
    """Once for each layer, however many batches there are."""
    shape = encoder.blocks[0].mlp.fc1.weight.shape
    with Copies(shape) as copies:
        embed(encoder, samples * 3, batch_size=1, precision=HALF)
    assert copies.count == len(encoder.blocks)


@pytest.mark.parametrize(
    ("flags", "able"),
    [
        ("sse2 avx avx2 avx512f", False),
        ("sse2", False),
        ("sse2 avx512_bf16", True),
        ("sse2 amx_bf16", True),
        ("fp asimd", False),
        ("asimd bf16", True),
        ("arm", True),
    ],
)
def test_processors_that_imitate_it_are_told(encoder, monkeypatch, recwarn, flags, able):
    monkeypatch.setattr(precision, "processor_says", lambda field: flags)
    assert multiplies_bfloat16() is able
    with in_precision(FULL, encoder), in_precision(HALF, encoder):
        assert torch.is_autocast_enabled("cpu")
    assert [str(one.message) for one in recwarn] == (
        [] if able else ["this processor has no products in bfloat16: bf16-mixed may take longer here than 32-true"]
    )


def test_other_names_are_refused(encoder):
    with pytest.raises(ValueError, match="precision must be one of 32-true, bf16-mixed, got 'float16'"):
        in_precision("float16", encoder)
