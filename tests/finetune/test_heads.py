"""Heads tell what they should of every place and pixel, and of nothing unseen."""

import numpy as np
import pytest
import torch
from batches import random_batch, random_roles
from sklearn.utils.class_weight import compute_class_weight
from tuned import WIDTH, tuned

from olmoearth_nb import Role
from olmoearth_nb.bands import MISSING
from olmoearth_nb.finetune.heads import PixelHead, PlaceHead, seen_patches, seen_pixels
from olmoearth_nb.finetune.losses import IGNORED, class_loss, class_weights, value_loss

S2, S1 = "sentinel2_l2a", "sentinel1"


def test_a_place_is_told_from_its_mean_token():
    model, batch = tuned(PlaceHead(WIDTH, 5)), random_batch((S2, S1))
    encoded = model.eval().encoder(batch, 4, random_roles(batch.grid(model.encoder.config.tokenization, 4), 2))
    for sample in range(2):
        tokens = encoded.tokens[sample][encoded.roles[sample] == Role.ONLINE]
        expected = model.head.linear(tokens.mean(0))
        torch.testing.assert_close(model.head(encoded)[sample], expected)


def test_every_pixel_has_its_number_of_its_patch():
    """Row and column by hand, on an image that is not square."""
    model, batch = tuned(PixelHead(WIDTH, 3, 4)), random_batch((S2, S1, "worldcover"), (12, 8))
    encoded = model.eval().encoder(batch, 4)
    told = model(batch)
    assert told.shape == (2, 12, 8, 3)
    weight, bias = model.head.linear.weight.view(3, 4, 4, WIDTH), model.head.linear.bias.view(3, 4, 4)
    for sample, row, column, output in [(0, 0, 0, 0), (1, 11, 7, 2), (0, 5, 6, 1), (1, 2, 4, 2)]:
        means = [encoded.of(name)[sample, row // 4, column // 4].flatten(0, 1).mean(0) for name in (S2, S1)]
        at = output, row % 4, column % 4
        expected = weight[at] @ ((means[0] + means[1]) / 2) + bias[at]
        torch.testing.assert_close(told[sample, row, column, output], expected)
    with pytest.raises(ValueError, match="patches of 4 pixels"):
        model.head(model.encoder(batch, 2))


def test_unseen_pixels_are_nan_and_poison_nothing():
    model, batch = tuned(PixelHead(WIDTH, 3, 4)), random_batch((S2, S1), (8, 12))
    for image in batch.images.values():
        image[0, 4:, :4] = MISSING
    batch.images[S1][1, :4, :4] = MISSING  # the other sensor sees it
    told, encoded = model(batch), model.encoder(batch, 4)
    expected = torch.ones(2, 8, 12, dtype=torch.bool)
    expected[0, 4:, :4] = False
    assert torch.equal(seen_pixels(encoded), expected)
    assert torch.equal(seen_patches(encoded), expected[:, ::4, ::4])
    assert torch.equal(told.isfinite().all(-1), expected)
    labels = torch.randint(3, (2, 8, 12)).masked_fill(~seen_pixels(encoded), IGNORED)
    class_loss(told, labels).backward()
    learnt = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    assert len(learnt) > 40
    assert all(grad.isfinite().all() for grad in learnt.values())
    assert class_loss(model(batch), labels.clamp(min=0)).isnan()  # a label there is not told right or wrong by chance


def test_labels_that_are_absent_do_not_count():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 4, 3), torch.randint(-1, 3, (2, 5, 4))
    weights = torch.tensor([0.5, 2.0, 1.0])
    rows = [
        (row, label) for row, label in zip(logits.view(-1, 3), labels.flatten().tolist(), strict=True) if label >= 0
    ]
    lost = [float(-row.log_softmax(0)[label]) for row, label in rows]
    assert float(class_loss(logits, labels)) == pytest.approx(np.mean(lost), abs=1e-6)
    counts = [float(weights[label]) for _, label in rows]
    assert float(class_loss(logits, labels, weights)) == pytest.approx(np.average(lost, weights=counts), abs=1e-6)

    values, answers = torch.randn(6, 1), torch.tensor([1.0, torch.nan, 3.0, torch.nan, 0.0, -2.0])
    kept = [0, 2, 4, 5]
    expected = ((values[kept, 0] - answers[kept]) ** 2).mean()
    torch.testing.assert_close(value_loss(values, answers), expected)


def test_nothing_labelled_is_no_loss_but_a_nan_is_one():
    logits = torch.randn(2, 3, requires_grad=True)
    nothing = class_loss(logits, torch.tensor([-1, -1])) + value_loss(logits[:, :1], torch.full((2,), torch.nan))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros(2, 3))
    assert class_loss(logits * torch.nan, torch.tensor([0, -1])).isnan()
    with pytest.raises(ValueError, match=r"\(2,\), got \(3,\)"):
        class_loss(logits, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="has 3"):
        value_loss(logits, torch.zeros(2))


def test_weights_of_classes_are_scikit_learns():
    labels = np.random.default_rng(0).choice([-1, 0, 1, 3], (20, 10), p=[0.1, 0.7, 0.15, 0.05])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels[labels >= 0])
    np.testing.assert_allclose(class_weights(labels, 5)[[0, 1, 3]], expected, rtol=1e-6)
    assert class_weights(labels, 5)[[2, 4]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [([-1, -1], "nothing has a label"), ([0, 3], "0 to 2"), ([0, -2], "-2 to 0"), ([0.0, 1.0], "whole numbers")],
)
def test_labels_that_are_none(labels, words):
    with pytest.raises(ValueError, match=words):
        class_weights(np.array(labels), 3)
