"""The ruler against brute force and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from olmoearth_nb.evaluation.probes import STRENGTHS, Split, by_scene, knn, linear_probe, majority


def split(rows, seed, classes=4, width=7):
    generator = np.random.default_rng(seed)
    y = generator.integers(0, classes, rows)
    x = generator.normal(size=(rows, width)) + 0.6 * np.eye(classes, width)[y]
    return Split(x, y, generator.integers(0, 30, rows))


@pytest.mark.parametrize("k", [1, 5, 20])
def test_weighted_votes_equal_brute_force(k):
    train, test = split(300, 0), split(1500, 1)
    expected = []
    for query in test.x:
        cosine = [float(query @ row / np.linalg.norm(query) / np.linalg.norm(row)) for row in train.x]
        votes = np.zeros(4)
        for number in sorted(range(300), key=lambda i: -cosine[i])[:k]:
            votes[train.y[number]] += np.exp(cosine[number] / 0.07)
        expected.append(int(votes.argmax()))
    assert knn(train, test.x, k).tolist() == expected


def test_equal_votes_equal_scikit_learn():
    train, test = split(400, 2), split(500, 3)
    theirs = KNeighborsClassifier(5, metric="cosine", algorithm="brute").fit(train.x, train.y)
    assert (knn(train, test.x, 5, temperature=None) == theirs.predict(test.x)).all()


def test_the_probe_is_the_strength_that_validation_prefers():
    train, valid, test = split(300, 4), split(200, 5), split(250, 6)
    scaler = StandardScaler().fit(train.x)
    fits = [LogisticRegression(C=c, max_iter=300).fit(scaler.transform(train.x), train.y) for c in STRENGTHS]
    scores = [fit.score(scaler.transform(valid.x), valid.y) for fit in fits]
    best = fits[int(np.argmax(scores))]
    assert (linear_probe(train, valid, test.x) == best.predict(scaler.transform(test.x))).all()


def test_majority_and_scenes():
    train, test = split(300, 7), split(100, 8)
    answers = majority(train, test.x)
    assert set(answers) == {np.bincount(train.y).argmax()}
    right, rows = by_scene(answers, test)
    assert rows.sum() == 100
    assert right.sum() == (answers == test.y).sum()
    first = np.unique(test.scene)[0]
    assert right[0] == (answers == test.y)[test.scene == first].sum()


def test_what_cannot_be_scored():
    good = split(10, 9)
    with pytest.raises(ValueError, match="k must be from 1 to the 10 rows"):
        knn(good, good.x, 20)
    with pytest.raises(ValueError, match="without rows"):
        Split(good.x[:0], good.y[:0], good.scene[:0])
    with pytest.raises(ValueError, match="1 of 10 rows hold NaN"):
        Split(np.where(np.arange(70).reshape(10, 7) == 3, np.nan, good.x), good.y, good.scene)
    with pytest.raises(ValueError, match="leave out what has no answer"):
        Split(good.x, good.y - 1, good.scene)
