"""`torch.compile` and `torch.export` of the encoder give the numbers of the encoder; what they cannot do is said."""

from dataclasses import replace

import pytest
import torch
from batches import random_batch, random_roles

from olmoearth_nb import Batch, Encoder, OlmoEarth, Role, published_config
from olmoearth_nb.bands import MISSING

NAMES = ("sentinel2_l2a", "sentinel1")
EXPORTS = pytest.mark.skipif(not hasattr(torch.compiler, "is_exporting"), reason="torch before 2.7 does not say so")
VERSIONS = ("v1", "v1.1", "v1.2")


@pytest.fixture(autouse=True)
def compiled_anew():
    torch.compiler.reset()


def small(version):
    torch.manual_seed(0)
    return Encoder(replace(published_config(version, "nano"), depth=1)).eval()


def gappy(batch=2, seed=0):
    """One sample lacks a patch at one date, so that samples are of different length."""
    given = random_batch(NAMES, (8, 8), 2, batch, seed)
    given.images["sentinel2_l2a"][0, :4, :4, 0] = MISSING
    return given


@pytest.mark.case("H11")
@pytest.mark.parametrize(("version", "backend"), [("v1", "eager"), ("v1.1", "eager"), ("v1.2", "aot_eager")])
def test_a_compiled_encoder_gives_the_same(version, backend):
    encoder, given = small(version), gappy()
    with torch.inference_mode():
        expected, found = encoder(given, 4), torch.compile(encoder, backend=backend)(given, 4)
    assert torch.allclose(found.tokens, expected.tokens, atol=1e-5)
    assert torch.equal(found.roles, expected.roles)
    assert torch.allclose(found.pool_patches(), expected.pool_patches(), atol=1e-5)


def test_blocks_do_not_break_the_graph():
    """What is asked of masks breaks it, a fixed number of times; no block does, however many there are."""
    breaks, given = [], random_batch(NAMES, (8, 8), 2)
    for depth in (1, 3):
        torch.compiler.reset()
        encoder = Encoder(replace(published_config("v1.1", "nano"), depth=depth)).eval()
        with torch.no_grad():
            breaks.append(torch._dynamo.explain(encoder)(given, 4).break_reasons)
    one, three = ([reason.reason.splitlines()[0] for reason in each] for each in breaks)
    assert one == three
    assert all("item" in reason for reason in one)


@pytest.mark.case("H11")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo looks at it
@pytest.mark.parametrize("version", ["v1", "v1.2"])
def test_a_compiled_encoder_learns_the_same_and_keeps_the_roles_it_is_given(version):
    encoder, given = small(version), random_batch(NAMES, (8, 8), 2)
    roles = random_roles(given.grid(encoder.config.tokenization, 4), 2, ragged=True)
    gradients = []
    for run in (encoder, torch.compile(encoder, backend="aot_eager")):
        encoder.zero_grad()
        run(given, 4, roles).tokens.square().sum().backward()
        gradients.append([None if p.grad is None else p.grad.clone() for p in encoder.parameters()])
    pairs = [(a, b) for a, b in zip(*gradients, strict=True) if a is not None]
    assert pairs
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)


@pytest.mark.case("H11")
def test_a_compiled_predictor_gives_the_same():
    torch.manual_seed(0)
    model = OlmoEarth(replace(published_config("v1.2", "nano"), depth=1, decoder_depth=1)).eval()
    given = random_batch(NAMES, (8, 8), 2)
    roles = random_roles(given.grid(model.config.tokenization, 4), 2, ragged=True)
    with torch.inference_mode():
        encoded = model.encoder(given, 4, roles)
        expected, found = model.decoder(encoded), torch.compile(model.decoder, backend="eager")(encoded)
    assert expected[encoded.roles == Role.DECODER].abs().sum() > 0
    assert torch.allclose(found, expected, atol=1e-5)


class Tokens(torch.nn.Module):
    """What is exported returns tensors."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: Batch):
        encoded = self.encoder(batch, 4)
        return encoded.tokens, encoded.pool_patches()


@EXPORTS
@pytest.mark.case("H11")
@pytest.mark.parametrize("version", VERSIONS)
def test_an_exported_encoder_gives_the_same_for_any_number_of_samples_and_any_gaps(version):
    encoder = small(version)
    axis = {0: torch.export.Dim("samples", max=64)}
    with torch.no_grad():
        program = torch.export.export(
            Tokens(encoder), (gappy(),), dynamic_shapes=([axis, axis, axis],), strict=False
        ).module()
        given = gappy(batch=4, seed=1)
        given.images["sentinel1"][3, 4:, :4, 1] = MISSING
        expected = Tokens(encoder)(given)
        for found, right in zip(program(given), expected, strict=True):
            assert torch.allclose(found, right, atol=1e-5, equal_nan=True)
        again = Tokens(encoder)(given)
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True)), "export leaves nothing behind"


@EXPORTS
@pytest.mark.case("H11")
def test_what_an_exported_encoder_cannot_say_is_nan():
    """The encoder refuses a sample of which nothing was seen; a program cannot, and gives NaN, never a number."""
    encoder, given = small("v1.1"), random_batch(NAMES, (8, 8), 2)
    with torch.no_grad():
        program = torch.export.export(Tokens(encoder), (given,), strict=False).module()
        for image in given.images.values():
            image[1] = MISSING
        with pytest.raises(ValueError, match=r"nothing to encode in sample \[1\]"):
            encoder(given, 4)
        pooled = program(given)[1]
    assert pooled[0].isfinite().all()
    assert pooled[1].isnan().all()


def test_a_batch_is_a_tree_of_its_tensors():
    from torch.utils import _pytree

    given = random_batch(NAMES, (8, 8), 2)
    leaves, spec = _pytree.tree_flatten(given)
    assert [tuple(leaf.shape) for leaf in leaves] == [(2, 8, 8, 2, 12), (2, 8, 8, 2, 2), (2, 2, 3)]
    back = _pytree.tree_unflatten(leaves, spec)
    assert list(back.images) == list(NAMES)
    assert torch.equal(back.timestamps, given.timestamps)
    shapes = _pytree.tree_map(lambda tensor: tensor.shape, given)
    assert shapes.timestamps == (2, 2, 3), "what is no tensor passes: torch.export asks for shapes so"
