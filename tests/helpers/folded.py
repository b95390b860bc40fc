"""Right answers of places in groups, told in folds that are drawn several times; the truth is known."""

import numpy as np


def answered(generator, arms=1, groups=40, size=3, folds=5, repeats=5, fold_spread=0.0, group_spread=1.0, lift=0.0):
    """(arms, repeats, places) right answers, and (places,) groups.

    The ease of a group is that of all arms; the luck of a fold, that of its training places, is that of one arm.
    """
    group = np.repeat(np.arange(groups), size)
    ease = 0.7 + group_spread * generator.normal(size=groups)[group] + 0.5 * generator.normal(size=len(group))
    right = np.empty((arms, repeats, len(group)))
    for repeat in range(repeats):
        fold = generator.permutation(np.arange(groups) % folds)[group]
        for arm in range(arms):
            luck = fold_spread * generator.normal(size=folds)[fold]
            chance = 1 / (1 + np.exp(-(ease + luck + lift * (arm == 0))))
            right[arm, repeat] = generator.uniform(size=len(group)) < chance
    return right, group
