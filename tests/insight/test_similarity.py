"""Similarity of tokens, against pairs one by one."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from olmoearth_nb import Batch, Encoder, published_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_sample
from olmoearth_nb.insight.similarity import token_similarity


@pytest.fixture
def sample():
    return load_sample().select_times([0, 1]).window(0, 0, 16)


def test_a_value_for_the_input_and_for_each_block(sample):
    torch.manual_seed(0)
    encoder, batch = Encoder(published_config("v1.1", "nano")).eval(), Batch.from_samples([sample, sample])
    found = token_similarity(encoder, batch, 8)
    with torch.no_grad():
        grid = batch.grid(encoder.config.tokenization, 8)
        state = encoder.patch_embeddings(batch.images, grid) + encoder.composite_encodings(grid, batch.timestamps)
        states = [state]
        for block in encoder.blocks:
            states.append(block(states[-1]))
    for state, value in zip(states, found, strict=True):
        x = F.normalize(state[0], dim=-1)
        rows, columns = np.triu_indices(len(x), 1)
        assert value == pytest.approx(float((x @ x.T)[rows, columns].mean()), abs=1e-5)


def test_gaps_are_refused(sample):
    sample.images["sentinel2_l2a"][:8, :8, 0] = MISSING
    with pytest.raises(ValueError, match="not observed"):
        token_similarity(Encoder(published_config("v1", "nano")), Batch.from_samples([sample]), 8)
