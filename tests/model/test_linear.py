"""Linear layers without gradients give what `F.linear` gives, follow their weights, and let hooks hear."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.finetune.lora import add_lora, lora_layers, merge
from olmoearth_nb.model import linear
from olmoearth_nb.model.linear import Linear, activated

ROWS, WIDTH = 300, 256  # enough for the quick way


@pytest.fixture(params=[False, True], ids=["elsewhere", "on Intel"], autouse=True)
def processor(request, monkeypatch):
    """Both ways to choose a library, whatever this machine is."""
    monkeypatch.setattr(linear, "plain_by_mkl", lambda: request.param)


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return Linear(WIDTH, 2 * WIDTH)


def plain(layer, x):
    return F.linear(x.double(), layer.weight.double(), layer.bias.double()).float()


@pytest.mark.parametrize("shape", [(ROWS, WIDTH), (2, ROWS, WIDTH), (1, 1, WIDTH), (0, WIDTH)])
def test_equals_float64(layer, shape):
    x = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), plain(layer, x), atol=1e-5, rtol=1e-5)
        for name, function in (("gelu", F.gelu), ("relu", F.relu)):
            torch.testing.assert_close(activated(layer, x, name), function(plain(layer, x)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "x",
    [torch.randn(ROWS, 2 * WIDTH)[:, ::2], torch.randn(ROWS, 2 * WIDTH)[:, WIDTH:], torch.randn(WIDTH, ROWS).T],
    ids=["every other", "a slice", "transposed"],
)
def test_any_layout_of_its_input(layer, x):
    with torch.no_grad():
        torch.testing.assert_close(layer(x), plain(layer, x), atol=1e-5, rtol=1e-5)


def changed(layer):
    """Ways in which weights change, each by other means."""
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1)
    layer(torch.randn(4, WIDTH)).square().sum().backward()
    yield optimiser.step()
    with torch.no_grad():
        yield layer.weight.mul_(2)
    layer.weight.data = torch.randn(2 * WIDTH, WIDTH)
    yield
    layer.weight.data.add_(1)
    yield
    yield layer.load_state_dict(Linear(WIDTH, 2 * WIDTH).state_dict())
    yield layer.load_state_dict(Linear(WIDTH, 2 * WIDTH).state_dict(), assign=True)


def test_changed_weights_count_at_once(layer):
    x = torch.randn(ROWS, WIDTH)
    with torch.no_grad():
        before = layer(x)
    for _ in changed(layer):
        with torch.no_grad():
            now = layer(x)
            torch.testing.assert_close(now, plain(layer, x), atol=1e-4, rtol=1e-5)
            assert not torch.allclose(now, before)
        before = now


def test_merged_deltas_count_at_once():
    torch.manual_seed(0)
    encoder = add_lora(Encoder(size_config("nano", "v1.1")), layers="all").eval()
    layer, x = lora_layers(encoder)["blocks.0.mlp.fc1"], torch.randn(ROWS, 128)
    torch.nn.init.normal_(layer.lora_b)
    with torch.no_grad():
        apart = activated(layer, x, "gelu")
        torch.testing.assert_close(apart, F.gelu(layer(x)))
        merge(encoder)
        torch.testing.assert_close(activated(layer, x, "gelu"), apart, atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_torch(layer):
    x = torch.randn(ROWS, WIDTH, requires_grad=True)
    activated(layer, x, "gelu").sum().backward()
    found = [x.grad.clone(), layer.weight.grad.clone()]
    x.grad = layer.weight.grad = None
    F.gelu(F.linear(x, layer.weight, layer.bias)).sum().backward()
    assert torch.equal(found[0], x.grad)
    assert torch.equal(found[1], layer.weight.grad)


def test_who_listens_hears_the_layer_before_its_activation(layer):
    x, heard = torch.randn(ROWS, WIDTH), []
    layer.register_forward_hook(lambda _, __, y: heard.append(y.clone()))
    with torch.no_grad():
        activated(layer, x, "relu")
    assert heard[0].min() < 0


def test_other_precisions_stay(layer):
    x = torch.randn(ROWS, WIDTH)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert activated(layer, x, "gelu").dtype == torch.bfloat16
    with torch.no_grad():
        assert activated(layer.double(), x.double(), "gelu").dtype == torch.float64


def test_operations_are_counted(layer):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(torch.randn(2, ROWS, WIDTH))
    assert counter.get_total_flops() == 2 * 2 * ROWS * WIDTH * 2 * WIDTH
