"""The ruler against brute force and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from olmoearth_nb.evaluation.network import network_probe
from olmoearth_nb.evaluation.probes import STRENGTHS, Split, by_scene, knn, linear_probe, majority
from olmoearth_nb.evaluation.regression import ridge_probe
from olmoearth_nb.evaluation.tasks import PROBES


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


HOLES = [np.nan, np.inf, -np.inf]
ANSWERED = {
    "kNN": lambda train, valid, queries: knn(train, queries, 5),
    "linear": linear_probe,
    "network": network_probe,
    "ridge": ridge_probe,
    "majority": lambda train, valid, queries: majority(train, queries),
}


def splits(name):
    """Training and validation rows as a probe wants them."""
    found = split(40, 0), split(30, 1)
    return [Split(s.x, s.y.astype(float), s.scene) if name == "ridge" else s for s in found]


@pytest.mark.case("15")
@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("name", ANSWERED)
def test_no_probe_answers_what_was_not_observed(name, hole):
    train, valid = splits(name)
    queries = valid.x.copy()
    queries[[3, 7], 2] = hole
    with pytest.raises(ValueError, match=r"2 of 30 queries hold NaN or infinity.*Leave them out .* np.isfinite\(x\)"):
        ANSWERED[name](train, valid, queries)
    kept = queries[np.isfinite(queries).all(1)]
    assert len(ANSWERED[name](train, valid, kept)) == 28, "the advice works"


@pytest.mark.case("15")
@pytest.mark.parametrize("hole", HOLES)
def test_no_split_takes_what_was_not_observed(hole):
    good = split(10, 9)
    x, y = good.x.copy(), good.y.astype(float)
    x[[1, 4, 5]] = hole
    with pytest.raises(ValueError, match="3 of 10 rows hold NaN or infinity"):
        Split(x, good.y, good.scene)
    y[2] = hole
    with pytest.raises(ValueError, match="1 of 10 answers hold NaN or infinity"):
        Split(good.x, y, good.scene)


@pytest.mark.case("15")
def test_no_score_is_made_of_nan():
    test = split(10, 9)
    with pytest.raises(ValueError, match="1 of 10 answers hold NaN"):
        by_scene(np.where(np.arange(10) == 2, np.nan, test.y), test)
    with pytest.raises(ValueError, match=r"10 rows, but answers of shape \(9,\)"):
        by_scene(test.y[:9], test)


@pytest.mark.case("15")
def test_queries_of_another_width_or_kind():
    train, valid = splits("kNN")
    for wrong in (valid.x[:, :5], valid.x[0], valid.x[:0]):
        with pytest.raises(ValueError, match=r"queries must be \(m, 7\) like the training rows"):
            knn(train, wrong, 5)
    with pytest.raises(ValueError, match="queries must hold numbers, got <U"):
        knn(train, valid.x.astype(str), 5)
    with pytest.raises(ValueError, match=r"whole numbers .* or real values, got <U"):
        Split(train.x, train.y.astype(str), train.scene)


@pytest.mark.parametrize("name", ["kNN", "probe", "network"])
def test_a_classifier_refuses_real_values(name):
    train, valid = (Split(s.x, s.y + 0.5, s.scene) for s in splits(name))
    with pytest.raises(ValueError, match=r"real values \(0.5 to 3.5\), but this probe tells classes: use ridge_probe"):
        PROBES[name](train, valid, valid.x)
