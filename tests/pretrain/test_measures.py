"""What a run's log says of learning and collapse: rank of embeddings, likeness of targets."""

import math

import pytest
import torch

from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.pretrain.batches import MicroBatch
from olmoearth_nb.pretrain.log import effective_rank, target_likeness
from olmoearth_nb.tokenization import TOKENIZATIONS


class TestEffectiveRank:
    """exp of the entropy of the shares of the singular values, of centred embeddings."""

    @pytest.mark.parametrize("rank", [1, 2, 7])
    def test_even_directions_are_counted(self, rank):
        points = torch.zeros(2 * rank, 16)
        points[range(rank), range(rank)], points[range(rank, 2 * rank), range(rank)] = 5.0, -5.0
        assert effective_rank(points + torch.randn(16)) == pytest.approx(rank, abs=1e-4)

    def test_uneven_directions_count_less(self):
        points = torch.diag(torch.tensor([3.0, 1.0]))
        shares = (0.75, 0.25)
        expected = math.exp(-sum(share * math.log(share) for share in shares))
        assert effective_rank(torch.cat([points, -points])) == pytest.approx(expected, abs=1e-6)

    def test_collapse_is_1_and_noise_nearly_all(self):
        assert effective_rank(torch.ones(30, 8)) == pytest.approx(1)
        assert effective_rank(torch.randn(1000, 8)) == pytest.approx(8, abs=0.1)

    def test_scale_and_precision_do_not_matter(self):
        points = torch.randn(50, 8)
        assert effective_rank(1e-3 * points) == pytest.approx(effective_rank(points), rel=1e-5)
        assert effective_rank(points.bfloat16()) == pytest.approx(effective_rank(points), rel=1e-2)


class TestTargetLikeness:
    """Median over samples of the median cosine between hidden Sentinel-2 targets, first view."""

    @staticmethod
    def likeness(targets, roles, names=("sentinel2_l2a", "worldcover"), **options):
        grid = TokenGrid.build({name: (2, 2, 1) for name in names}, TOKENIZATIONS["v1.1"], 1)
        return target_likeness(
            targets, MicroBatch({}, torch.zeros(0), grid, torch.stack([roles, 0 * roles]), 0), **options
        )

    def test_equal_targets(self):
        roles = torch.full((2, 8), int(Role.DECODER))
        assert self.likeness(torch.ones(2, 8, 5), roles) == pytest.approx(1)

    def test_only_hidden_tokens_of_sentinel_2_are_read(self):
        targets, roles = torch.ones(1, 8, 5), torch.full((1, 8), int(Role.DECODER))
        targets[0, :2, :2] = torch.eye(2)
        targets[0, :2, 2:] = 0
        roles[0, 2:4] = Role.ONLINE
        assert self.likeness(targets, roles) == pytest.approx(0, abs=1e-6)

    def test_median_of_samples(self):
        targets, roles = torch.ones(3, 8, 5), torch.full((3, 8), int(Role.DECODER))
        targets[0, 0] = -1
        assert self.likeness(targets, roles) == pytest.approx(1)

    def test_nothing_to_compare(self):
        roles = torch.full((1, 8), int(Role.ONLINE))
        roles[0, 0] = Role.DECODER
        assert math.isnan(self.likeness(torch.ones(1, 8, 5), roles))
