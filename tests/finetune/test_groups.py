"""Layer-wise decay against groups and steps that are written by hand."""

import pytest
import torch
from batches import random_batch
from tuned import tuned

from olmoearth_nb.finetune.groups import layer_decay, one_rate, set_rate
from olmoearth_nb.finetune.lora import add_lora
from olmoearth_nb.finetune.losses import class_loss

BATCH, LABELS = random_batch(("sentinel2_l2a", "sentinel1"), (8, 8)), torch.tensor([0, 2])
FIRST = "encoder.patch_embeddings", "encoder.composite_encodings", "encoder.blocks.0"
BY_HAND = {
    "block 0": (FIRST, 0.65 * 0.65 * 0.65),
    "block 1": (("encoder.blocks.1",), 0.65 * 0.65),
    "block 2": (("encoder.blocks.2",), 0.65),
    "head": (("encoder.norm", "encoder.project_and_aggregate", "head"), 1.0),
}


def grouped(model, groups):
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {group["name"]: {names[id(weight)] for weight in group["params"]} for group in groups}


def test_groups_are_those_by_hand():
    model = tuned()
    groups = layer_decay(model, 1e-3)
    learnt = {name for name, weight in model.named_parameters() if "month_embed" not in name}
    expected = {group: {n for n in learnt if n.startswith(starts)} for group, (starts, _) in BY_HAND.items()}
    assert grouped(model, groups) == expected
    assert set.union(*expected.values()) == learnt
    assert {group["name"]: group["lr"] for group in groups} == pytest.approx(
        {group: 1e-3 * part for group, (_, part) in BY_HAND.items()}
    )
    model.freeze()
    assert grouped(model, layer_decay(model, 1e-3)) == expected


def test_steps_are_those_of_an_optimiser_for_each_group():
    model, by_hand = tuned(drop_path=0.0).train(), tuned(drop_path=0.0).train()
    adam = torch.optim.AdamW(layer_decay(model, 1e-3), weight_decay=0.3)
    each = {
        group: torch.optim.AdamW(
            [weight for name, weight in by_hand.named_parameters() if name.startswith(starts) and "month" not in name],
            weight_decay=0.3,
        )
        for group, (starts, _) in BY_HAND.items()
    }
    for rate in (1e-3, 4e-3):  # as a schedule changes it
        set_rate(adam, rate)
        for whole, optimisers in ((model, [adam]), (by_hand, each.values())):
            whole.zero_grad()
            class_loss(whole(BATCH), LABELS).backward()
            for group, one in each.items():
                one.param_groups[0]["lr"] = rate * BY_HAND[group][1]
            for one in optimisers:
                one.step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name], atol=1e-8, rtol=1e-6, msg=name)


def test_a_saved_optimiser_keeps_its_parts():
    model = tuned()
    saved = torch.optim.AdamW(layer_decay(model, 1e-3)).state_dict()
    again = torch.optim.AdamW(layer_decay(model, 5.0))
    again.load_state_dict(saved)
    set_rate(again, 2e-3)
    assert [group["lr"] for group in again.param_groups] == pytest.approx([2e-3 * part for _, part in BY_HAND.values()])


def test_deltas_alone_are_grouped_by_their_blocks():
    model = tuned(adapt=add_lora)
    groups = grouped(model, layer_decay(model, 1e-3))
    assert groups["head"] == {"head.linear.weight", "head.linear.bias"}
    assert groups["block 1"] == {f"encoder.blocks.1.attn.{x}.lora_{f}" for x in "qv" for f in "ab"}
    assert set(grouped(model, one_rate(model, 1.0))["all"]) == set.union(*groups.values())


@pytest.mark.parametrize("decay", [0, 1.1, -1])
def test_a_decay_that_cannot_be(decay):
    with pytest.raises(ValueError, match="at most 1"):
        layer_decay(tuned(), 1e-3, decay)
