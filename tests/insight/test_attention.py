"""Recorded attention against attention written out pair by pair, on ragged samples of every version."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from batches import random_batch, random_roles
from torch.utils._python_dispatch import TorchDispatchMode

from olmoearth_nb import Batch, Encoder, OlmoEarth, Role, load_model, published_config, save_model, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.insight import one_sample
from olmoearth_nb.insight.attention import record_attention
from olmoearth_nb.insight.token import Token
from olmoearth_nb.model import packing
from olmoearth_nb.model.transformer import attention_weights

S2, S1 = "sentinel2_l2a", "sentinel1"
CHOSEN = Token(1, 0, "B05", time=2)


@pytest.fixture(scope="module", params=["v1", "v1.1", "v1.2"])
def official(request, tmp_path_factory):
    """A model loaded from a folder in the official layout, whose attention is far from uniform."""
    torch.manual_seed(1)
    model = OlmoEarth(published_config(request.param, "nano"))
    with torch.no_grad():
        for block in model.encoder.blocks:
            block.attn.q.weight *= 3
        for code in model.encoder.composite_encodings.per_modality_channel_embeddings.values():
            code.normal_()
    return load_model(save_model(model, tmp_path_factory.mktemp("official") / "nano")).encoder


def ragged(encoder):
    """Four samples with gaps and hidden tokens, each of another length; the chosen token is seen in all."""
    batch = random_batch((S2, S1, "worldcover"), (12, 8), timesteps=3, batch=4)
    batch.images[S2][1, :4, :4] = MISSING
    batch.images[S1][2, :, :, 1] = MISSING
    grid = batch.grid(encoder.config.tokenization, 4)
    roles = random_roles(grid, 4, ragged=True)
    roles[:, CHOSEN.index(grid)] = Role.ONLINE
    return batch, roles


class WrittenOut:
    """Attention of every pair, by forward hooks and `attention_weights`.

    Attributes:
        outputs: (output of the attention, the same from its weights) of each call.
        weights: for each sample a list of (heads, N, N), 0 where a token was not seen.
    """

    def __init__(self, encoder, batch, roles, patch_size=4):
        self.outputs, calls = [], []

        def behind(attention, given, output):
            x, context, key_mask, x_at, context_at = given
            q, k = attention.queries_and_keys(x, context, x_at, context_at)
            weights = attention_weights(q, k, key_mask)
            v = attention.v(context).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
            self.outputs.append((output, attention.proj((weights @ v).transpose(1, 2).flatten(2))))
            calls.append(weights)

        hooks = [block.attn.register_forward_hook(behind) for block in encoder.blocks]
        with torch.no_grad():
            self.encoded = encoder(batch, patch_size, roles)
        for hook in hooks:
            hook.remove()
        self.grid, online = self.encoded.grid, self.encoded.online
        self.weights = {number: [] for number in range(len(batch))}
        depth = len(encoder.blocks)
        for part, rows in enumerate(packing.by_length(online)):
            for place, number in enumerate(torch.arange(len(batch))[rows].tolist()):
                seen = online[number].nonzero()[:, 0]
                for weights in calls[part * depth : (part + 1) * depth]:
                    full = torch.zeros(encoder.config.heads, len(self.grid), len(self.grid), dtype=torch.float64)
                    square = weights[place, :, : len(seen), : len(seen)].double()
                    full[:, seen[:, None], seen] = square
                    self.weights[number].append(full)
        self.online = online.double()

    def table(self, rows, kinds, uniform=False):
        """(layers, heads, Q, K) of (N, Q) rows and (N, N, K) kinds: mean over queries, sum over keys."""
        asking = self.online @ rows  # (B, Q)
        if uniform:
            weights = [self.online[b][:, None] * self.online[b] / self.online[b].sum() for b in self.weights]
            sums = sum(torch.einsum("nm,nq,nmk->qk", w, rows, kinds) for w in weights)
        else:
            sums = sum(torch.einsum("lhnm,nq,nmk->lhqk", torch.stack(w), rows, kinds) for w in self.weights.values())
        return (sums / asking.sum(0)[:, None]).numpy()


def one_hot(index, count):
    return torch.nn.functional.one_hot(index, count).double()


def kinds_of(grid):
    """Rows and, for each table, (N, N, K) what kind of key each token is to each: from the grid's coordinates alone."""
    groups = one_hot(grid.band_set, len(grid.band_sets))[:, [not n.startswith("world") for n, _ in grid.band_sets]]
    same_patch = (grid.row[:, None] == grid.row) & (grid.column[:, None] == grid.column)
    same_time = grid.time[:, None] == grid.time
    metres = 40 * ((grid.row[:, None] - grid.row) ** 2 + (grid.column[:, None] - grid.column) ** 2).double().sqrt()
    bins = [metres == 0, (metres > 0) & (metres <= 40), (metres > 40) & (metres <= 80), metres > 80]
    by_group = groups.expand(len(grid), -1, -1)
    not_itself = (~torch.eye(len(grid), dtype=torch.bool))[..., None]
    sensor = torch.stack([grid.where(S2), grid.where(S1)], -1).double()
    return groups, {
        "groups": (groups, by_group, lambda a: a.between_groups()),
        "elsewhere": (
            groups,
            by_group * (~same_patch & same_time)[..., None],
            lambda a: a.between_groups(same_patch=False, same_timestep=True),
        ),
        "others": (groups, by_group * not_itself, lambda a: a.between_groups(itself=False)),
        "sensors": (sensor, sensor.expand(len(grid), -1, -1), lambda a: a.between_modalities()),
        "patch": (groups, torch.stack([same_patch, ~same_patch], -1).double(), lambda a: a.by_patch()),
        "time": (groups, torch.stack([same_time, ~same_time], -1).double(), lambda a: a.by_timestep()),
        "distance": (groups, torch.stack(bins, -1).double(), lambda a: a.by_distance()),
    }


@pytest.mark.parametrize("at_once", [2**25, 5000], ids=["in one part", "in parts"])
def test_tables_rows_and_rollout_are_those_of_attention_written_out(official, monkeypatch, at_once):
    monkeypatch.setattr(packing, "SAMPLES_AT_ONCE", 2)  # so that the four samples run in two calls of each block
    monkeypatch.setattr(one_sample, "AT_ONCE", at_once)
    batch, roles = ragged(official)
    truth = WrittenOut(official, batch, roles)
    assert len(truth.outputs) == 2 * official.config.depth
    for output, from_weights in truth.outputs:
        torch.testing.assert_close(from_weights, output, atol=1e-5, rtol=0)
    with torch.inference_mode(), record_attention(official, rows=[CHOSEN], rollout=True) as attention:
        official(batch, 4, roles)

    groups, tables = kinds_of(truth.grid)
    for rows, kinds, read in tables.values():
        found, uniform = read(attention), truth.table(rows, kinds, uniform=True)
        np.testing.assert_allclose(found.weight, truth.table(rows, kinds), atol=1e-6)
        np.testing.assert_allclose(found.uniform[0, 0], uniform, atol=1e-12)
        np.testing.assert_allclose(found.ratio, np.where(uniform > 0, found.weight / uniform, np.nan))
    assert attention.by_distance().keys == ("same patch", "up to 40 m", "40 to 80 m", "80 to 160 m")

    asking, rolled, spread = (truth.online @ groups).sum(0)[:, None], 0, 0
    for number in range(4):
        one, even = torch.diag(truth.online[number]), torch.diag(truth.online[number])
        uniform = truth.online[number][:, None] * truth.online[number] / truth.online[number].sum()
        for block in truth.weights[number]:
            one = (block.mean(0) + torch.eye(len(truth.grid))) @ one / 2
            even = (uniform + torch.eye(len(truth.grid))) @ even / 2
        rolled, spread = rolled + groups.T @ one @ groups, spread + groups.T @ even @ groups
        row, index = attention.of(CHOSEN, number), CHOSEN.index(truth.grid)
        for group, (name, of_sensor) in enumerate(truth.grid.band_sets[: len(row.groups)]):
            for found, full in (
                (row.weight[-1, -1], truth.weights[number][-1][-1, index]),
                (row.uniform, uniform[index]),
                (row.rollout, one[index]),
            ):
                there = truth.grid.unflatten(full[None], name)[0, ..., of_sensor].movedim(-1, 0)
                np.testing.assert_allclose(found[:, group], there, atol=1e-6)
    rollout = attention.rollout()
    np.testing.assert_allclose(rollout.weight[-1, 0], rolled / asking, atol=1e-6)
    np.testing.assert_allclose(rollout.uniform[-1, 0], spread / asking, atol=1e-6)


def test_an_encoder_that_attends_uniformly_has_a_ratio_of_one_everywhere(official):
    encoder = Encoder(official.config).eval()
    for block in encoder.blocks:
        torch.nn.init.zeros_(block.attn.q.weight)
    batch, roles = ragged(encoder)
    with torch.no_grad(), record_attention(encoder, rows=[CHOSEN], rollout=True) as attention:
        encoder(batch, 4, roles)
    for table in (attention.between_groups(), attention.by_distance(), attention.rollout(), attention.of(CHOSEN, 3)):
        assert np.isfinite(table.ratio).any()
        np.testing.assert_allclose(table.ratio[np.isfinite(table.ratio)], 1, atol=1e-5)


def test_chosen_layers_and_heads_are_those_of_all_with_and_without_rollout(official):
    batch, roles = ragged(official)
    parts = []
    for options in ({}, {"layers": [4, 2], "heads": [8, 1]}, {"layers": [4, 2], "heads": [8, 1], "rollout": True}):
        with torch.no_grad(), record_attention(official, rows=[CHOSEN], **options) as attention:
            official(batch, 4, roles)
        parts.append((attention.by_patch(), attention.of(CHOSEN, 1)))
    for table, row in parts[1:]:
        assert table.layers == row.layers == ("block 4", "block 2")
        assert table.heads == row.heads == ("head 8", "head 1")
        pick = np.ix_([3, 1], [7, 0])
        np.testing.assert_allclose(table.weight, parts[0][0].weight[pick], atol=1e-6)
        np.testing.assert_allclose(row.weight, parts[0][1].weight[pick], atol=1e-6)


def test_recording_changes_nothing_and_leaves_nothing(official):
    batch, roles = ragged(official)
    with torch.no_grad():
        plain = official(batch, 4, roles).tokens
        with record_attention(official) as attention:
            assert torch.equal(official(batch, 4, roles).tokens, plain)
            with pytest.raises(ValueError, match="nothing to encode"):
                official(batch, 4, torch.full_like(roles, Role.DECODER))
            official(batch, 4, roles)
        assert len(attention) == 8
        one = [part.by_timestep().weight for part in attention.by_sample()]
        np.testing.assert_allclose(one[:4], one[4:])
        broken = torch.full((4, official.config.width), torch.nan)  # breaks the third block, when two have been heard
        hook = official.blocks[2].register_forward_pre_hook(lambda *_: broken @ broken)
        with pytest.raises(RuntimeError), record_attention(official) as attention:
            official(batch, 4, roles)
        hook.remove()
        assert len(attention) == 0
    assert "encode" not in vars(official)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in official.modules())
    assert torch.equal(official(batch, 4, roles).tokens.detach(), plain)


def test_gradients_flow_past_the_recorder_and_not_through_it():
    encoder = Encoder(size_config("mini", "v1")).eval()
    batch, gradients = random_batch((S2,), (8, 8)), []
    for recorder in (nullcontext(), record_attention(encoder, rollout=True)):
        encoder.zero_grad()
        with recorder as attention, torch.autocast("cpu", dtype=torch.bfloat16):
            encoder(batch, 4).tokens.square().sum().backward()
        gradients.append(encoder.blocks[0].attn.q.weight.grad.clone())
    assert torch.equal(*gradients)
    for table in (attention.between_groups(), attention.rollout()):  # in float32, also where the model is not
        np.testing.assert_allclose(table.weight.sum(-1), 1, atol=1e-6)


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that any operation makes."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return made


def test_all_pairs_never_exist_at_once(monkeypatch):
    monkeypatch.setattr(one_sample, "AT_ONCE", 2**20)
    encoder, batch = Encoder(size_config("mini", "v1")).eval(), random_batch((S2,), (32, 32), timesteps=8, batch=1)
    token = Token(0, 0, "B02")
    with torch.no_grad(), Largest() as plain:
        encoder(batch, 4)
    with torch.no_grad(), Largest() as seen, record_attention(encoder, rows=[token], rollout=True) as attention:
        encoder(batch, 4)
    assert len(attention) == 1
    pairs = 4 * encoder.config.heads * 1536**2
    assert seen.bytes <= max(plain.bytes, 2**21) < pairs / 10


def test_one_token_a_patch_leaves_nothing_between_bands_to_see():
    encoder = Encoder(size_config("mini", "v1.1")).eval()
    with torch.no_grad(), record_attention(encoder) as attention:
        encoder(random_batch((S2,), (8, 8)), 4)
    table = attention.between_groups()
    assert table.keys == ("all 12 bands",)
    assert "attention between its bands is undefined" in table.note
    np.testing.assert_allclose(table.ratio, 1)
    with torch.no_grad(), record_attention(encoder) as attention:
        encoder(random_batch((S2, S1), (8, 8)), 4)
    assert attention.between_groups().keys == ("all 12 bands", "Sentinel-1 vv vh")
    assert "undefined" in attention.between_groups().note


def test_a_model_by_name_gives_a_table_with_names():
    model = load_model("mini-v1-long")
    batch = random_batch((S2,), (8, 8))
    with torch.no_grad(), record_attention(model) as attention:
        model.encoder(batch, 4)
    table = attention.between_groups()
    assert not table.note
    frame = table.mean_of_heads().frame().set_index(["layer", "query", "key"])
    assert frame.loc[("block 2", "B01 B09", "B02 B03 B04 B08"), "weight"] == table.weight[1].mean(0)[2, 0]
    assert frame["uniform"].round(6).unique().tolist() == [0.333333]
    assert [group.wavelengths for group in attention.groups] == ["492-833 nm", "704-2202 nm", "443, 945 nm"]


def recorded(encoder, batch=None, **options):
    with torch.no_grad(), record_attention(encoder, **options) as attention:
        encoder(random_batch((S2,), (8, 8)) if batch is None else batch, 4)
    return attention


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [0]}, r"layers are different numbers from 1 to 3, got \[0\]"),
        ({"layers": [1, 4]}, "layers are different numbers from 1 to 3"),
        ({"layers": []}, "layers are different numbers"),
        ({"heads": [5]}, "heads are different numbers from 1 to 4"),
        ({"heads": [1, 1]}, "heads are different numbers"),
        ({"heads": [True]}, r"heads are different numbers from 1 to 4, got \[True\]"),
        ({"layers": 2}, r"layers are numbers in a list: say layers=\[2\]"),
        ({"rows": Token(0, 0, "B02")}, r"tokens in a list: say rows=\[Token\(row=0"),
        ({"rows": ["B05"]}, r"rows are tokens such as Token\(.*, got 'B05'"),
        ({"rows": [Token(0, 0, "B99")]}, "has no band 'B99'"),
        ({"rows": [Token(0, 0, "B10")]}, "has no band 'B10'"),
        ({"rows": [Token(0, 0, "B01")]}, "tokenization 'satmae' does not read B01; it reads B02 B03"),
        ({"rows": [Token(0, 0, "B1", modality="worldcover")]}, "encoders never see maps"),
        ({"rows": [Token(0, 0, "vv", modality=S1)]}, "is not in the sample: it holds sentinel2_l2a"),
        ({"rows": [Token(2, 0, "B02")]}, "is not in the sample: row runs from 0 to 1"),
        ({"rows": [Token(0, 0, "B02", time=-1)]}, "is not in the sample: time runs from 0 to 1"),
    ],
)
def test_what_is_not_there_is_an_error(options, message):
    encoder = Encoder(size_config("mini", "satmae")).eval()
    with pytest.raises(ValueError, match=message):
        recorded(encoder, **options)
    assert "encode" not in vars(encoder)


def test_errors_of_use():
    encoder = Encoder(size_config("mini", "v1")).eval()
    for model in (torch.nn.Linear(2, 2), torch.compile(encoder, backend="eager"), "mini-v1-long"):
        with (
            pytest.raises(ValueError, match=r"Encoder or an OlmoEarth, got .*load_model"),
            record_attention(model),
        ):
            pass
    with record_attention(encoder) as attention:
        with pytest.raises(RuntimeError, match="recorded already"), record_attention(encoder):
            pass
        with pytest.raises(ValueError, match="nothing was recorded"):
            attention.between_groups()
    attention = recorded(encoder, rows=[Token(0, 0, "B02")])
    with pytest.raises(ValueError, match="rollout=True"):
        attention.rollout()
    with pytest.raises(ValueError, match=r"say rows=\[Token\(row=0, column=1, .*\] when .*; kept are Token\(row=0"):
        attention.of(Token(0, 1, "B02"))
    with pytest.raises(ValueError, match="samples run from 0 to 1"):
        attention.of(Token(0, 0, "B03"), sample=2)
    with torch.no_grad(), record_attention(encoder):
        encoder(random_batch((S2,), (8, 8)), 4)
        with pytest.raises(ValueError, match="samples of one recording have the same tokens"):
            encoder(random_batch((S2,), (8, 12)), 4)
    skipping = Encoder(size_config("mini", "v1")).eval()
    skipping.blocks[1].forward = lambda x, **_: x
    with pytest.raises(RuntimeError, match="without its attention"):
        recorded(skipping)
    cloudy = random_batch((S2,), (8, 8))
    cloudy.images[S2][1, :4, :4, 0] = MISSING
    with pytest.raises(ValueError, match="did not see Token"):
        recorded(encoder, cloudy, rows=[Token(0, 0, "B02")])


def test_a_timestep_or_group_that_nobody_saw_is_nan():
    encoder = Encoder(size_config("mini", "v1")).eval()
    batch = random_batch((S2,), (8, 8), timesteps=3)
    batch.images[S2][:, :, :, 1] = MISSING
    batch.images[S2][..., [10, 11]] = MISSING  # B01 and B09
    table = recorded(encoder, Batch(batch.images, batch.timestamps)).between_groups()
    assert np.isnan(table.weight[:, :, 2]).all()
    assert np.isnan(table.ratio[:, :, :2, 2]).all()
    np.testing.assert_allclose(table.weight[:, :, :2].sum(-1), 1, atol=1e-6)


def test_samples_come_as_a_batch_of_some_and_blocks_run_inside_their_encoder():
    encoder, batch = Encoder(size_config("mini", "v1")).eval(), random_batch((S2,), (8, 8))
    empty = Batch({S2: batch.images[S2][:0]}, batch.timestamps[:0])
    with torch.no_grad(), record_attention(encoder) as attention:
        with pytest.raises(ValueError, match=r"a Batch, got Sample: say Batch.from_samples\("):
            encoder(load_embedded(), 4)
        with pytest.raises(ValueError, match="batch given as samples is empty"):
            encoder(batch=empty, patch_size=4)
        heard = encoder.blocks[0].register_forward_pre_hook(lambda _, given: calls.append(given))
        calls = []
        encoder(batch, 4)
        heard.remove()
        x = calls[0][0]
        with pytest.raises(RuntimeError, match="block 1 was called by itself while attention is recorded"):
            encoder.blocks[0].attn(x, x, None, None, None)
    assert len(attention) == len(batch)
