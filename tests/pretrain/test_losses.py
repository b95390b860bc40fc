"""Losses against loops in float64 that are written from the formulas alone."""

import math

import numpy as np
import pytest
import torch

from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.pretrain.losses import chance_and_best, contrast, patch_discrimination
from olmoearth_nb.tokenization import TOKENIZATIONS

WIDTH = 16
NAMES = {"sentinel2_l2a": (2, 3, 2), "sentinel1": (2, 3, 2), "worldcover": (2, 3, 1), "srtm": (2, 3, 1)}
MAPS = ("worldcover", "srtm")
GRID = TokenGrid.build(NAMES, TOKENIZATIONS["v1"], 1)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def discrimination_by_loops(predictions, targets, roles, grid, masked_negatives):
    """Token by token: cross-entropy of cosines over 0.1, times 0.2, mean of tokens, mean of samples, sum of sensors."""
    total = 0.0
    for name, span in grid.slices.items():
        of_samples = []
        for sample in range(len(roles)):
            hidden = [n for n in range(span.start, span.stop) if roles[sample, n] == 2]
            p = [[float(x) for x in predictions[sample, n]] for n in hidden]
            t = [[float(x) for x in targets[sample, n]] for n in hidden]
            terms, indistinct = [], False
            for i in range(len(hidden)):
                scores = []
                for j in range(len(hidden)):
                    if not (masked_negatives and name in MAPS and i != j and cosine(t[i], t[j]) > 0.999):
                        scores.append(cosine(p[i], t[j]) / 0.1)
                indistinct |= len(scores) == 1 and len(hidden) > 1
                terms.append(math.log(sum(math.exp(s) for s in scores)) - cosine(p[i], t[i]) / 0.1)
            if hidden and not indistinct:
                of_samples.append(2 * 0.1 * sum(terms) / len(hidden))
        if of_samples:
            total += sum(of_samples) / len(of_samples)
    return total


def contrast_by_loops(first, second):
    """Row i must find row i among all rows of the second view."""
    terms = []
    for i, a in enumerate(first.tolist()):
        scores = [cosine(a, b) / 0.1 for b in second.tolist()]
        terms.append(math.log(sum(math.exp(s) for s in scores)) - scores[i])
    return sum(terms) / len(terms)


def case(seed, samples=4, prototypes=None):
    """Random predictions, targets and roles; map targets repeat, and samples have any number of hidden tokens."""
    generator = np.random.default_rng(seed)
    predictions = generator.normal(size=(samples, len(GRID), WIDTH))
    targets = generator.normal(size=predictions.shape)
    for name in MAPS:
        span = GRID.slices[name]
        kinds = generator.normal(size=(prototypes or generator.integers(1, 4), WIDTH))
        chosen = generator.integers(len(kinds), size=(samples, span.stop - span.start))
        noise = generator.normal(size=(*chosen.shape, WIDTH)) * generator.choice([0, 1e-3])
        targets[:, span] = kinds[chosen] * generator.uniform(0.5, 2, (*chosen.shape, 1)) + noise
    roles = np.empty((samples, len(GRID)), dtype=np.int64)
    for row in roles:  # from nothing hidden to everything
        for span in GRID.slices.values():
            share = generator.choice([0.0, 0.15, 0.5, 1.0])
            roles_here = generator.choice([0, 1, 3], size=span.stop - span.start)
            row[span] = np.where(generator.uniform(size=len(roles_here)) < share, 2, roles_here)
    predictions[roles != Role.DECODER] = 0  # as the predictor leaves them
    return (*(torch.from_numpy(x).float() for x in (predictions, targets)), torch.from_numpy(roles))


def one_map(targets, predictions=None):
    """A grid of one map and a sample of which every token is hidden."""
    targets = torch.from_numpy(np.array(targets, dtype=np.float32))[None]
    grid = TokenGrid.build({"worldcover": (1, targets.shape[1], 1)}, TOKENIZATIONS["v1"], 1)
    roles = torch.full(targets.shape[:2], int(Role.DECODER))
    given = targets.flip(1) if predictions is None else torch.from_numpy(np.array(predictions, dtype=np.float32))[None]
    return given, targets, roles, grid


@pytest.mark.parametrize("masked_negatives", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_equals_loops_in_float64(seed, masked_negatives):
    predictions, targets, roles = case(seed)
    ours = float(patch_discrimination(predictions, targets, roles, GRID, masked_negatives))
    assert ours == pytest.approx(discrimination_by_loops(predictions, targets, roles, GRID, masked_negatives), abs=1e-6)


def test_the_cases_above_have_what_they_should():
    """All of: c = 0, c = 1, everything hidden, equal targets, and samples left out because all are equal."""
    counts, left_out = set(), 0
    for seed in range(12):
        _, targets, roles = case(seed)
        for name in MAPS:
            for t, r in zip(targets[:, GRID.slices[name]], roles[:, GRID.slices[name]], strict=True):
                hidden = torch.nn.functional.normalize(t[r == Role.DECODER].double(), dim=1)
                counts.add(len(hidden))
                same = (hidden @ hidden.T > 0.999).sum(1)
                left_out += bool(len(hidden) > 1 and (same == len(hidden)).any())
    assert {0, 1, 6} <= counts
    assert left_out >= 3


@pytest.mark.parametrize("masked_negatives", [False, True])
def test_only_sensors_and_maps_that_are_there_count(masked_negatives):
    """The loss is a sum over modalities; one without hidden tokens adds exactly nothing."""
    predictions, targets, roles = case(0)
    for name in ("sentinel1", "srtm"):
        roles[:, GRID.slices[name]] = Role.TARGET_ONLY
    of_each = 0.0
    for name in ("sentinel2_l2a", "worldcover"):
        alone = roles.clone()
        for other in set(GRID.slices) - {name}:
            alone[:, GRID.slices[other]] = Role.TARGET_ONLY
        of_each += float(patch_discrimination(predictions, targets, alone, GRID, masked_negatives))
    assert float(patch_discrimination(predictions, targets, roles, GRID, masked_negatives)) == pytest.approx(of_each)
    nobody = torch.full_like(roles, int(Role.ONLINE))
    assert float(patch_discrimination(predictions, targets, nobody, GRID, masked_negatives)) == 0


def test_of_one_hidden_token_nothing_is_to_be_told_apart_but_its_sample_counts():
    """c = 1 gives 0, and the mean is over all samples with c > 0: with one other sample, half of that one's loss."""
    predictions, targets, roles, grid = one_map(np.random.default_rng(0).normal(size=(5, WIDTH)))
    alone = float(patch_discrimination(predictions, targets, roles, grid, True))
    single = roles.clone()
    single[0, 1:] = Role.TARGET_ONLY
    none = torch.full_like(roles, int(Role.TARGET_ONLY))
    assert float(patch_discrimination(predictions, targets, single, grid, True)) == pytest.approx(0, abs=1e-7)
    twice = predictions.repeat(2, 1, 1), targets.repeat(2, 1, 1)
    assert float(patch_discrimination(*twice, torch.cat([roles, single]), grid, True)) == pytest.approx(alone / 2)
    assert float(patch_discrimination(*twice, torch.cat([roles, none]), grid, True)) == pytest.approx(alone)


class TestMaskedNegatives:
    A, B, C = np.eye(3, WIDTH)

    def test_a_sample_with_nothing_to_tell_apart_is_left_out_of_the_mean(self):
        predictions, targets, roles, grid = one_map([self.A, self.B, self.C, self.A])
        alone = float(patch_discrimination(predictions, targets, roles, grid, True))
        constant = targets[:, :1].repeat(1, 4, 1)
        both = torch.cat([predictions, predictions]), torch.cat([targets, constant]), torch.cat([roles, roles])
        assert float(patch_discrimination(*both, grid, True)) == pytest.approx(alone)
        assert float(patch_discrimination(predictions, constant, roles, grid, True)) == 0
        assert float(patch_discrimination(predictions, constant, roles, grid, False)) == pytest.approx(
            0.2 * math.log(4), abs=1e-6
        )

    def test_equal_targets_are_no_negatives(self):
        """Two of A and one of B: each A has B alone against it, B has both A."""
        predictions, targets, roles, grid = one_map([self.A, 2 * self.A, self.B], [self.A, self.A, self.B])
        ratio = math.exp(-10)
        expected = 0.2 * (2 * math.log(1 + ratio) + math.log(1 + 2 * ratio)) / 3
        assert float(patch_discrimination(predictions, targets, roles, grid, True)) == pytest.approx(expected, abs=1e-7)
        unmasked = 0.2 * (2 * math.log(2 + ratio) + math.log(1 + 2 * ratio)) / 3
        assert float(patch_discrimination(predictions, targets, roles, grid)) == pytest.approx(unmasked, abs=1e-7)

    @pytest.mark.parametrize(("angle", "apart"), [(0.0440, False), (0.0455, True)])
    def test_from_a_cosine_of_0_999_targets_are_the_same(self, angle, apart):
        """arccos(0.999) = 0.04473."""
        near = math.cos(angle) * self.A + math.sin(angle) * self.B
        given = one_map([self.A, near, self.C])
        masked, plain = (float(patch_discrimination(*given, flag)) for flag in (True, False))
        assert (masked == pytest.approx(plain, abs=1e-7)) == apart

    def test_sensors_keep_all_of_their_negatives(self):
        grid = TokenGrid.build({"sentinel1": (1, 3, 1)}, TOKENIZATIONS["v1"], 1)
        targets = torch.ones(1, 3, WIDTH)
        roles = torch.full((1, 3), int(Role.DECODER))
        loss = patch_discrimination(targets, targets, roles, grid, masked_negatives=True)
        assert float(loss) == pytest.approx(0.2 * math.log(3), abs=1e-6)


def test_only_hidden_tokens_are_read():
    predictions, targets, roles = case(1)
    shown = roles != Role.DECODER
    plain = patch_discrimination(predictions, targets, roles, GRID, True)
    predictions[shown], targets[shown] = 1e3, -1e3
    assert torch.equal(patch_discrimination(predictions, targets, roles, GRID, True), plain)


def test_neither_length_of_vectors_nor_order_of_tokens_matters():
    predictions, targets, roles = case(2)
    plain = float(patch_discrimination(predictions, targets, roles, GRID, True))
    assert float(patch_discrimination(3 * predictions, 0.2 * targets, roles, GRID, True)) == pytest.approx(plain)
    order = torch.cat([torch.randperm(s.stop - s.start) + s.start for s in GRID.slices.values()])
    moved = predictions[:, order], targets[:, order], roles[:, order]
    assert float(patch_discrimination(*moved, GRID, True)) == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("masked_negatives", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_is_that_of_the_loops(seed, masked_negatives):
    """Central differences of the float64 loops along random directions."""
    predictions, targets, roles = case(seed, samples=3)
    free = predictions.clone().requires_grad_()
    patch_discrimination(free, targets, roles, GRID, masked_negatives).backward()
    generator = np.random.default_rng(seed)
    for _ in range(3):
        way = torch.from_numpy(generator.normal(size=predictions.shape)) * (roles == Role.DECODER)[..., None]
        sides = [
            discrimination_by_loops(predictions.double() + step * way, targets, roles, GRID, masked_negatives)
            for step in (1e-5, -1e-5)
        ]
        assert float((free.grad * way).sum()) == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-5, rel=1e-4)
    assert (free.grad[roles != Role.DECODER] == 0).all()


@pytest.mark.parametrize("masked_negatives", [False, True])
def test_gradients_are_finite_whatever_is_hidden(masked_negatives):
    """No hidden token in a sample, in a modality, or at all; constant maps; predictions that are exactly 0."""
    for seed in range(6):
        predictions, targets, roles = case(seed, prototypes=1)
        roles[0] = Role.ONLINE
        roles[:, GRID.slices["sentinel1"]] = Role.MISSING
        predictions[1] = 0
        free = predictions.requires_grad_()
        patch_discrimination(free, targets, roles, GRID, masked_negatives).backward()
        assert free.grad.isfinite().all()
        assert (free.grad[0] == 0).all()
    nobody = torch.full_like(roles, int(Role.TARGET_ONLY))
    assert float(patch_discrimination(predictions, targets, nobody, GRID, masked_negatives)) == 0


class TestContrast:
    @pytest.mark.parametrize("samples", [1, 2, 9])
    def test_equals_loops_in_float64(self, samples):
        first, second = torch.randn(2, samples, WIDTH)
        assert float(contrast(first, second)) == pytest.approx(contrast_by_loops(first, second), abs=1e-6)

    def test_goes_one_way(self):
        first, second = torch.randn(2, 5, WIDTH)
        assert float(contrast(first, second)) != pytest.approx(float(contrast(second, first)), abs=1e-4)

    def test_ends(self):
        assert float(contrast(torch.ones(7, 3), torch.ones(7, 3))) == pytest.approx(math.log(7), abs=1e-5)
        apart = torch.eye(4)
        assert float(contrast(apart, apart)) == pytest.approx(math.log(1 + 3 * math.exp(-10)), abs=1e-6)

    def test_the_gradient_is_that_of_float64(self):
        first, second = torch.randn(2, 4, WIDTH)
        free = first.clone().requires_grad_()
        contrast(free, second).backward()
        way = torch.randn(first.shape, dtype=torch.float64)
        sides = [contrast_by_loops(first.double() + step * way, second) for step in (1e-5, -1e-5)]
        assert float((free.grad * way).sum()) == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-4)


def waves(shift):
    """(2, N, 16) values that any machine makes alike."""
    count = 2 * len(GRID) * WIDTH
    return torch.sin(0.37 * torch.arange(count, dtype=torch.float64) + shift).reshape(2, len(GRID), WIDTH).float()


@pytest.mark.parametrize(("masked_negatives", "value"), [(False, 2.60571665), (True, 3.15791856)])
def test_golden_values(masked_negatives, value):
    """Every third token hidden in the first sample, every second in the second; half of a map equals its first."""
    targets, number = waves(1.0), torch.arange(len(GRID))
    roles = torch.stack([(number % every == 0) * int(Role.DECODER) for every in (3, 2)])
    for name in MAPS:
        first = GRID.slices[name].start
        targets[:, first + 3 : first + 6] = targets[:, first : first + 1]
    loss = patch_discrimination(waves(0.0), targets, roles, GRID, masked_negatives)
    assert float(loss) == pytest.approx(value, abs=1e-6)


def test_golden_contrast():
    assert float(contrast(waves(0.0)[0, :8], waves(1.0)[1, :8])) == pytest.approx(9.53793897, abs=1e-6)


@pytest.mark.parametrize("masked_negatives", [False, True])
def test_autocast_changes_nothing(masked_negatives):
    predictions, targets, roles = case(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lower = patch_discrimination(predictions, targets, roles, GRID, masked_negatives)
        between = contrast(predictions[:, 0], targets[:, 0])
    assert lower.dtype == between.dtype == torch.float32
    assert torch.equal(lower, patch_discrimination(predictions, targets, roles, GRID, masked_negatives))
    assert torch.equal(between, contrast(predictions[:, 0], targets[:, 0]))


def test_inputs_of_half_precision_are_raised_first():
    predictions, targets, roles = case(4)
    low = predictions.bfloat16(), targets.bfloat16()
    loss = patch_discrimination(*low, roles, GRID, True)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, patch_discrimination(low[0].float(), low[1].float(), roles, GRID, True))


class TestChanceAndBest:
    def test_chance_is_the_logarithm_of_how_many_are_to_be_told_apart(self):
        _, targets, roles = case(5)
        chance, _ = chance_and_best(targets, roles, GRID)
        expected = 0.0
        for span in GRID.slices.values():
            counts = [c for c in (roles[:, span] == Role.DECODER).sum(1).tolist() if c]
            expected += sum(0.2 * math.log(c) for c in counts) / len(counts) if counts else 0
        assert float(chance) == pytest.approx(expected, abs=1e-6)

    def test_with_masked_negatives_chance_counts_those_that_are_left(self):
        a, b = np.eye(2, WIDTH)
        _, targets, roles, grid = one_map([a, a, b])
        chance, _ = chance_and_best(targets, roles, grid, masked_negatives=True)
        assert float(chance) == pytest.approx(0.2 * (2 * math.log(2) + math.log(3)) / 3, abs=1e-6)

    @pytest.mark.parametrize("masked_negatives", [False, True])
    def test_best_is_the_loss_of_the_targets_themselves(self, masked_negatives):
        _, targets, roles = case(6)
        chance, best = chance_and_best(targets, roles, GRID, masked_negatives)
        loops = discrimination_by_loops(targets, targets, roles, GRID, masked_negatives)
        assert float(best) == pytest.approx(loops, abs=1e-6)
        assert 0 < float(best) < float(chance)

    def test_best_is_almost_0_for_targets_at_right_angles_and_chance_for_equal_ones(self):
        _, targets, roles, grid = one_map(np.eye(8, WIDTH))
        _, best = chance_and_best(targets, roles, grid)
        assert float(best) == pytest.approx(0.2 * math.log(1 + 7 * math.exp(-10)), abs=1e-7)
        chance, best = chance_and_best(torch.ones_like(targets), roles, grid)
        assert float(best) == pytest.approx(float(chance), abs=1e-6)
