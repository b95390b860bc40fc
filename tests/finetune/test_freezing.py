"""What is frozen does not move, does not change its answers, and thaws to what it was."""

import copy

import pytest
import torch
from batches import random_batch
from torch import nn
from tuned import WIDTH, tuned

from olmoearth_nb.finetune.freezing import FreezeThenThaw
from olmoearth_nb.finetune.groups import one_rate, set_rate
from olmoearth_nb.finetune.heads import PlaceHead
from olmoearth_nb.finetune.lora import add_lora, merge
from olmoearth_nb.finetune.losses import class_loss

BATCH, LABELS = random_batch(("sentinel2_l2a", "sentinel1"), (8, 8)), torch.tensor([0, 2])


def state(module):
    return copy.deepcopy(module.state_dict())


def moved(before, module):
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def optimiser(model, **options):
    return torch.optim.AdamW(one_rate(model, 1e-2), weight_decay=0.5, **options)


def step(model, optimiser):
    class_loss(model(BATCH), LABELS).backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=False)  # gradients of 0, on which AdamW would go on


def with_norm(encoder):
    """A normalisation layer with running means, which this encoder could have."""
    encoder.patch_embeddings.register_module("running", nn.BatchNorm1d(WIDTH))
    embed = encoder.patch_embeddings.embed
    running = encoder.patch_embeddings.running
    encoder.patch_embeddings.embed = lambda *given: running(embed(*given).transpose(1, 2)).transpose(1, 2)


def test_frozen_from_the_start_and_in_the_middle():
    """Not by weight decay, not by momentum from before, not by running means; the head goes on."""
    model = tuned(adapt=with_norm, head=nn.Sequential(PlaceHead(WIDTH, 3), nn.BatchNorm1d(3)))
    model.train()
    adam = optimiser(model)
    for freeze in (True, False, True):
        (model.freeze if freeze else model.thaw)()
        model.train()
        encoder, head = state(model.encoder), state(model.head)
        for _ in range(2):
            step(model, adam)
        assert len(moved(head, model.head)) == len(head)
        assert bool(moved(encoder, model.encoder)) is not freeze
        assert freeze or any("running_mean" in name for name in moved(encoder, model.encoder))
    assert all(weight.grad is None for weight in model.encoder.parameters())


def test_a_frozen_encoder_answers_as_in_evaluation():
    """No dropped band, no skipped branch, whatever the mode of the whole."""
    model = tuned(drop_path=0.5, band_dropout=0.9)
    model.encoder.patch_embeddings.band_dropout.enabled = True
    expected = model.eval()(BATCH)
    model.train()
    model.freeze()
    assert torch.equal(model(BATCH), expected)
    assert torch.equal(model.train()(BATCH), expected)
    assert not model.encoder(BATCH, 4).tokens.requires_grad
    model.thaw()
    assert not torch.equal(model(BATCH), expected)
    model.freeze()
    model.eval()
    model.thaw()
    assert not model.encoder.training
    assert torch.equal(model(BATCH), expected)


def test_band_dropout_is_off_while_the_encoder_learns():
    torch.manual_seed(0)
    model = tuned(
        drop_path=0.0, band_dropout=0.9, adapt=lambda e: setattr(e.patch_embeddings.band_dropout, "enabled", True)
    )
    assert torch.equal(model.train()(BATCH), model.eval()(BATCH))


def test_what_never_learnt_does_not_thaw():
    """The table of months is frozen in the official model; beside low-rank deltas all other weights are."""
    model = tuned()
    model.freeze()
    model.thaw()
    still = {name for name, weight in model.encoder.named_parameters() if not weight.requires_grad}
    assert still == {"composite_encodings.month_embed.weight"}
    deltas = tuned(adapt=add_lora)
    deltas.freeze()
    assert not any(weight.requires_grad for weight in deltas.encoder.parameters())
    deltas.thaw()
    before = state(deltas.encoder)
    step(deltas.train(), adam := optimiser(deltas))
    step(deltas, adam)  # in the first step B is 0, and A has no gradient
    assert {name for name in moved(before, deltas.encoder)} == deltas.learning
    assert {name.rpartition(".")[2] for name in deltas.learning} == {"lora_a", "lora_b"}
    merge(deltas.encoder)
    deltas.freeze()
    assert deltas.train().head.training  # a merged encoder that stands still may have a head that learns


@pytest.mark.parametrize(("steps", "frozen"), [(50, 10), (1, 1), (7, 2), (35, 7), (4, 1)])
def test_the_head_learns_alone_for_a_fifth(steps, frozen):
    protocol, model = FreezeThenThaw(steps), tuned()
    factors = []
    for number in range(steps):
        factors.append(protocol.begin(model, number))
        assert model.frozen is (number < frozen)
    assert factors == [1.0] * frozen + [0.1] * (steps - frozen)
    assert FreezeThenThaw(100, 0.07).frozen_steps == 7


def test_the_official_protocol_by_hand_and_from_the_middle():
    """The same weights as AdamW that is given the head alone and then everything, and as a run that was cut."""
    protocol, models = FreezeThenThaw(5), [tuned(drop_path=0.0) for _ in range(3)]
    adams = [optimiser(model) for model in models]
    for number in range(5):
        if number == 3:  # a new process: fresh objects, loaded
            kept = copy.deepcopy(models[1].state_dict()), copy.deepcopy(adams[1].state_dict())
            models[1], adams[1] = tuned(seed=9, drop_path=0.0), None
            adams[1] = optimiser(models[1])
            models[1].load_state_dict(kept[0])
            adams[1].load_state_dict(kept[1])
        for model, adam in zip(models[:2], adams[:2], strict=True):
            set_rate(adam, 1e-2 * protocol.begin(model.train(), number))
            step(model, adam)
    by_hand = models[2].train()
    table = by_hand.encoder.composite_encodings.month_embed.weight
    head = torch.optim.AdamW(by_hand.head.parameters(), 1e-2, weight_decay=0.5)
    body = torch.optim.AdamW([w for w in by_hand.encoder.parameters() if w is not table], 1e-3, weight_decay=0.5)
    for number in range(5):
        head.param_groups[0]["lr"] = 1e-2 if number < 1 else 1e-2 * 0.1
        by_hand.zero_grad()
        class_loss(by_hand(BATCH), LABELS).backward()
        head.step()
        if number >= 1:
            body.step()
    assert not moved(models[0].state_dict(), models[1])
    for name, value in models[0].state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name], atol=1e-7, rtol=1e-5, msg=name)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 5, "fraction": 1.5}, {"steps": 5, "factor": 0}])
def test_a_protocol_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="steps must be 1 or more"):
        FreezeThenThaw(**wrong)
