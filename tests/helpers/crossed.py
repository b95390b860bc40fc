"""Right answers of crossed seeds and scenes, drawn where the truth is known."""

import numpy as np


def scores(generator, seeds, scenes, rows=4, seed_spread=0.3, scene_spread=0.8, lift=0.0):
    """Right answers of crossed random seeds and scenes, (seeds, scenes): a logistic model of both."""
    ability = 0.5 + seed_spread * generator.normal(size=(seeds, 1)) + lift
    ease = scene_spread * generator.normal(size=(1, scenes))
    own = 0.3 * generator.normal(size=(seeds, scenes))
    return generator.binomial(rows, 1 / (1 + np.exp(-(ability + ease + own)))).astype(float)
