"""Published figures that need no reference implementation: parameter counts and golden outputs.

Both were measured on the official models; the golden outputs with weights filled by a formula.
"""

import pytest
import torch

from olmoearth_nb import Batch, OlmoEarth, Role, published_config
from olmoearth_nb.weights.official import state_from_official, state_to_official

# encoder, decoder, encoder blocks, patch embeddings, encodings, projection, all of the official file, its keys
COUNTS = {
    ("v1", "nano"): (1361024, 827520, 793088, 550400, 768, 16512, 3549568, 287),
    ("v1", "tiny"): (6202560, 1855680, 5338368, 825600, 1152, 37056, 14260800, 543),
    ("v1", "base"): (88953600, 29541120, 85054464, 3302400, 4608, 590592, 207448320, 543),
    ("v1", "large"): (307770368, 52495360, 302309376, 4403200, 6144, 1049600, 668036096, 927),
    ("v1.1", "nano"): (1697328, 827424, 793088, 886800, 672, 16512, 4222080, 311),
    ("v1.1", "tiny"): (12461296, 1855536, 5338368, 7084480, 1008, 37056, 26778128, 567),
    ("v1.1", "base"): (113973952, 29540544, 85054464, 28323328, 4032, 590592, 257488448, 567),
    ("v1.2", "nano"): (1698096, 828192, 793856, 886800, 672, 16512, 4224384, 323),
    ("v1.2", "tiny"): (12464752, 1856688, 5341824, 7084480, 1008, 37056, 26786192, 595),
    ("v1.2", "small"): (35615200, 7399776, 21300480, 14164096, 2016, 147840, 78630176, 595),
    ("v1.2", "base"): (113987776, 29545152, 85068288, 28323328, 4032, 590592, 257520704, 595),
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("version", "size"), COUNTS)
def test_parameter_counts(version, size):
    with torch.device("meta"):
        model = OlmoEarth(published_config(version, size))
    encoder, decoder = model.encoder, model.decoder
    parts = (encoder, decoder, encoder.blocks, encoder.patch_embeddings, encoder.composite_encodings)
    official = 2 * count(encoder) + count(decoder)  # the file holds the whole encoder again as the target
    keys = 2 * len(encoder.state_dict()) + len(decoder.state_dict())
    measured = (*map(count, parts), count(encoder.project_and_aggregate), official, keys)
    assert measured == COUNTS[version, size]
    assert count(model.target_encoder) == count(encoder.patch_embeddings)


def official_file(model):
    """The whole official state dict, filled by the formula over its sorted keys."""
    ours = state_to_official(model)
    copies = {f"target_{key}": value for key, value in ours.items() if key.startswith("encoder.")}
    state = ours | copies
    for j, key in enumerate(sorted(state)):
        if "month_embed" not in key:
            value = 0.05 * torch.sin(0.37 * torch.arange(state[key].numel(), dtype=torch.float64) + j)
            value += "norm" in key and key.endswith("weight")
            state[key] = value.reshape(state[key].shape).float()
    return state


@pytest.fixture(scope="module", params=["v1", "v1.1", "v1.2"])
def golden(request):
    model = OlmoEarth(published_config(request.param, "nano")).eval()
    model.load_state_dict(state_from_official(official_file(model)))
    return request.param, model


def wave(function, rate, *shape):
    return function(rate * torch.arange(torch.Size(shape).numel(), dtype=torch.float64)).reshape(shape).float()


S2, S1 = wave(torch.cos, 0.01, 1, 16, 16, 2, 12), wave(torch.sin, 0.03, 1, 16, 16, 2, 2)
DATES = torch.tensor([[[15, 2, 2020], [20, 7, 2020]]])

# mean |x|, std, first 4, last 4, projected mean first 3
ENCODER = {
    (
        "v1",
        4,
    ): ".833324 1.003308 -2.14642 -.61165 -.55213 1.25139 .39727 -1.07195 -1.27669 -.79837 .10928 .01286 .04014",
    ("v1", 8): ".835847 1.003219 -2.10825 -.61745 -.56800 1.19937 .55891 -.80135 -.39318 -.80815 .03813 .11098 -.07951",
    (
        "v1.1",
        4,
    ): ".830416 1.003706 -2.06753 -.53965 -.5275 1.26367 .33004 -1.08385 -1.35541 -.75692 .22056 -.16007 .19687",
    (
        "v1.1",
        8,
    ): ".833965 1.003894 -2.05976 -.51797 -.52671 1.24002 .29924 -.51415 -.78123 -.36564 .22712 -.13253 .13675",
    (
        "v1.2",
        4,
    ): ".862962 1.000454 -1.70407 -.44694 -.52908 1.43656 1.53086 -.53593 -.39562 -1.34494 .14296 -.0213 .03946",
    (
        "v1.2",
        8,
    ): ".862925 1.000824 -1.69636 -.44927 -.53731 1.43674 1.52086 -.5489 -.39055 -1.32941 .14287 -.02128 .0395",
}
# Sentinel-2 at the second date, patch (0, 0), group 0, first 4; worldcover patch (0, 0), first 4
DECODER = {
    "v1": ".19637 -.21120 .15595 -.08090 .11951 -.14420 .10252 -.04401",
    "v1.1": ".19637 -.21120 .15595 -.08090 .11952 -.14420 .10252 -.04400",
    "v1.2": "-.20584 .14439 -.17398 .04274 -.32572 .25432 -.26788 .11539",
}


def numbers(text):
    return torch.tensor([float(word) for word in text.split()])


@pytest.mark.parametrize("patch_size", [4, 8])
def test_golden_encoder(golden, patch_size):
    version, model = golden
    with torch.no_grad():
        encoded = model.encoder(Batch({"sentinel2_l2a": S2, "sentinel1": S1}, DATES), patch_size)
        projected = model.encoder.project(encoded)[0, :3]
    x = encoded.of("sentinel2_l2a").flatten()
    measured = torch.cat([x.abs().mean()[None], x.std()[None], x[:4], x[-4:], projected])
    torch.testing.assert_close(measured, numbers(ENCODER[version, patch_size]), atol=2e-5, rtol=0)


def test_golden_decoder(golden):
    version, model = golden
    batch = Batch({"sentinel2_l2a": S2, "sentinel1": S1, "worldcover": S2[..., :1, :1]}, DATES)
    grid = batch.grid(model.config.tokenization, 4)
    roles = torch.full((1, len(grid)), int(Role.ONLINE))
    roles[:, grid.where("sentinel2_l2a", time=1) | grid.where("worldcover")] = Role.DECODER
    with torch.no_grad():
        predicted = model.decoder(model.encoder(batch, 4, roles))
    s2 = grid.unflatten(predicted, "sentinel2_l2a")[0, 0, 0, 1, 0, :4]
    worldcover = grid.unflatten(predicted, "worldcover")[0, 0, 0, 0, 0, :4]
    torch.testing.assert_close(torch.cat([s2, worldcover]), numbers(DECODER[version]), atol=2e-5, rtol=0)
