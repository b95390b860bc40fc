"""What pretraining is worth at each number of labels: python benchmarks/label_efficiency.py run|publish [--out FOLDER]

    python benchmarks/label_efficiency.py run EUROSAT --name EuroSAT-MS --seeds 1
    python benchmarks/label_efficiency.py run WORLD --name "world 2" --seeds 5
    python benchmarks/label_efficiency.py publish

`run` takes a folder of EuroSAT or a simulated world and adds one row for each fit to finetune.csv as it is done; a run
that was killed goes on behind its last row. The places that each fit tests, and their groups, are in
finetune_places.csv. `publish` makes the tables of docs/results/finetune.md from the two.

A division (EuroSAT: five folds that divide no group; world: its own split) and a draw of labels belong to each seed.
Draws are nested, with as many labels of each class as can be, and the same for all models and ways. Every fit by an
optimiser has the same number of steps, whatever the labels; its last weights are tested, since validation would need
labels of its own. `frozen` and the baselines are logistic regressions on standardised features. `pilot` compared
learning rates and strengths on the validation split of the world; what it chose stands below. One thread.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.arms import baselines
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.evaluation.folds import stratified
from olmoearth_nb.finetune.draws import nested
from olmoearth_nb.finetune.engine import Engine
from olmoearth_nb.finetune.places import Places, pieces
from olmoearth_nb.finetune.ways import Settings
from olmoearth_nb.io.durable import alone, append, write_csv
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.load import open_encoder, random_encoder

ROOT = Path(__file__).parents[1]
OUT = ROOT / "data" / "published"
ROWS, PLACES = "finetune.csv", "finetune_places.csv"
COLUMNS = ("data", "model", "way", "count", "seed", "fold", "right", "tested", "seconds", "learnt", "epochs", "answers")
PLACE = ("data", "seed", "fold", "place", "group")

MODELS = ("mini-v1-long", "mini-naive-long", "mini-v1.1-long")
COUNTS = (10, 30, 100, 300, 1000)
FOLDS, EDGE, PATCH = 5, 32, 4
TESTED, POOL = 480, 2000
"""Scenes of a world that are tested, and that labels are drawn from; both are spread over the tiles."""

STEPS, BATCH = 250, 8
"""Steps of each fit by an optimiser, and labels a step; whole epochs, as few as reach the steps."""

RATES = {"full": 3e-3, "layer decay": 3e-3, "lora": 3e-3}
STRENGTH = 0.1
"""What the pilot chose."""

OF_RANDOM = ("full", "layer decay")
"""Ways that random initialisations learn by, beside a probe; low-rank deltas of random weights would say little."""

BASELINES = {"raw bands": "band means", "image statistics": "image statistics"}


class Cropped:
    """The middle of each place of a labelled set, and some of the places alone.

    Args:
        labelled: the set.
        edge: of the middle in pixels; smaller places stay as they are.
        numbers: of the places that stay.
    """

    def __init__(self, labelled: LabelledSet, edge: int, numbers: np.ndarray) -> None:
        self.whole, self.edge, self.numbers = labelled, edge, numbers
        self.name, self.classes, self.unit, self.notes = labelled.name, labelled.classes, labelled.unit, labelled.notes
        self.answers, self.groups = np.asarray(labelled.answers)[numbers], np.asarray(labelled.groups)[numbers]
        self.split = None if labelled.split is None else np.asarray(labelled.split)[numbers]
        self.ids = [labelled.ids[number] for number in numbers.tolist()]

    def __len__(self) -> int:
        return len(self.numbers)

    def samples(self, numbers, modalities=(SENTINEL2.name,)):
        return [self._middle(sample) for sample in self.whole.samples(self.numbers[np.asarray(numbers)], modalities)]

    def batch(self, numbers, modalities, /):
        return Batch.from_samples(self.samples(numbers, modalities))

    def _middle(self, sample):
        if max(sample.shape) <= self.edge:
            return sample
        row, column = ((size - self.edge) // 2 for size in sample.shape)
        return sample.window(row, column, self.edge)


@dataclass(frozen=True)
class Cell:
    """What a row of finetune.csv is of."""

    data: str
    model: str
    way: str
    count: int
    seed: int
    fold: int


@dataclass(frozen=True, eq=False)
class Turn:
    """One fold of one seed: places by number, those that train in the order in which labels are drawn."""

    seed: int
    fold: int
    train: np.ndarray
    test: np.ndarray


def opened(path: Path) -> LabelledSet:
    """The set as it is used here: EuroSAT's middles, or some scenes of a world, spread over its tiles."""
    labelled = open_set(path)
    if labelled.split is None:
        return Cropped(labelled, EDGE, np.arange(len(labelled)))
    parts = []
    for name, most in (("train", POOL), ("valid", TESTED), ("test", TESTED)):
        there = np.flatnonzero(np.asarray(labelled.split) == name)
        parts.append(there[np.linspace(0, len(there) - 1, min(most, len(there))).astype(int)])
    return Cropped(labelled, EDGE, np.concatenate(parts))


def turns(labelled: LabelledSet, seeds: int, tested: str = "test") -> list[Turn]:
    """The folds of each seed: folds of its own, or the same split with other labels."""
    found = []
    for seed in range(seeds):
        if labelled.split is not None:
            split = np.asarray(labelled.split)
            rounds = [(np.flatnonzero(split == "train"), np.flatnonzero(split == tested))]
        else:
            division = stratified(labelled, FOLDS, 1, seed)
            rounds = [(turn.train, turn.test) for turn in division.rounds(0)]
        found += [
            Turn(seed, fold, train[nested(labelled.answers[train], 1000 * seed + fold)], test)
            for fold, (train, test) in enumerate(rounds)
        ]
    return found


def encoders(seed: int):
    """Name -> encoder; a random twin is another one for each seed."""
    for name in MODELS:
        yield name, lambda name=name: open_encoder(name)
        yield f"random {name}", lambda name=name: random_encoder(name, 1 + seed)


def run(given: argparse.Namespace) -> None:
    """Fits everything that finetune.csv does not have yet, the seeds one behind the other."""
    with alone(given.out), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what loaders warn of is in the notes of the set
        labelled = opened(given.data)
        places, known = Places(labelled, (SENTINEL2.name,)), done(given.out / ROWS)
        features = {arm.name: arm.features[0] for arm in baselines(labelled, (SENTINEL2.name,)) if arm.features}
        everything = turns(labelled, given.seeds)
        note_places(given.out / PLACES, given.name, labelled, everything)
        for seed, of_seed in itertools.groupby(everything, lambda turn: turn.seed):
            mine = list(of_seed)
            for name, read in BASELINES.items():
                probe(given, labelled, features[read], name, mine, known)
            for name, opener in encoders(seed):
                encoder = opener()
                found = embed(encoder, labelled, None, PATCH, "scene", (SENTINEL2.name,))
                probe(given, labelled, found, name, mine, known)
                for way in RATES if name in MODELS else OF_RANDOM:
                    learn(given, encoder, places, name, way, mine, known)


def probe(given, labelled, features, name, mine, known) -> None:
    """Logistic regressions of one set of features."""
    for turn, count in cells(mine, given.counts):
        cell = Cell(given.name, name, "frozen", count, turn.seed, turn.fold)
        if cell not in known:
            started, train = time.process_time(), turn.train[:count]
            told = logistic(features[train], labelled.answers[train], features[turn.test], STRENGTH)
            learnt = (features.shape[1] + 1) * len(labelled.classes)
            note(given.out, cell, told == labelled.answers[turn.test], time.process_time() - started, learnt, 0)


def logistic(x: np.ndarray, y: np.ndarray, asked: np.ndarray, strength: float) -> np.ndarray:
    """Answers of a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(x, y).predict(asked)


def learn(given, encoder, places, name, way, mine, known) -> None:
    """Fits of one encoder by one way."""
    for turn, count in cells(mine, given.counts):
        cell = Cell(given.name, name, way, count, turn.seed, turn.fold)
        if cell not in known:
            started = time.process_time()
            fit, told = fitted(encoder, places, way, turn, count, RATES[way])
            right = told.argmax(1) == places.answers[turn.test]
            note(given.out, cell, right, time.process_time() - started, fit.learnt, len(fit.log))


def fitted(encoder, places, way, turn, count, rate):
    """A fit to the first labels of a turn, and what it tells of the places that are tested."""
    train = turn.train[:count]
    epochs = -(-STEPS // len(pieces(train, BATCH)))
    settings = Settings(way, epochs, BATCH, rate, patch_size=PATCH, seed=1000 * turn.seed + turn.fold)
    engine = Engine(encoder, places, train, np.array([], int), settings)
    return engine.run(), engine.predict(turn.test)


def cells(mine, counts):
    """Folds and counts that there are enough places for."""
    return [(turn, count) for count in counts for turn in mine if count <= len(turn.train)]


def done(path: Path) -> set[Cell]:
    """What has a row; a last line that was cut off is taken away."""
    if not path.is_file():
        append(path, ",".join(COLUMNS))
    text = path.read_text(encoding="utf8")
    if not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf8")
    return {cell_of(row) for row in rows_of(path)}


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))


def cell_of(row: dict[str, str]) -> Cell:
    """What a row is of."""
    whole = (int(row[name]) for name in ("count", "seed", "fold"))
    return Cell(row["data"], row["model"], row["way"], *whole)


def note(out: Path, cell: Cell, right: np.ndarray, seconds: float, learnt: int, epochs: int) -> None:
    """Adds a row; `answers` has a bit for each tested place, in their order, as hexadecimal."""
    bits = np.packbits(right).tobytes().hex()
    about = (cell.data, cell.model, cell.way, cell.count, cell.seed, cell.fold)
    one = (*about, int(right.sum()), len(right), f"{seconds:.2f}", learnt, epochs, bits)
    append(out / ROWS, ",".join(map(str, one)))


def note_places(path: Path, name: str, labelled: LabelledSet, everything: list[Turn]) -> None:
    """Writes which places each fold tests, and their groups."""
    others = [row for row in rows_of(path) if row["data"] != name] if path.is_file() else []
    mine = [
        dict(zip(PLACE, (name, turn.seed, turn.fold, place, labelled.groups[place]), strict=True))
        for turn in everything
        if labelled.split is None or not turn.seed  # a world tests the same scenes for every seed
        for place in turn.test.tolist()
    ]
    write_csv(path, PLACE, others + mine)


def pilot(given: argparse.Namespace) -> None:
    """Learning rates and strengths on the validation scenes of a world; prints a table."""
    labelled = opened(given.data)
    places = Places(labelled, (SENTINEL2.name,))
    (turn,) = turns(labelled, 1, "valid")
    features = {arm.name: arm.features[0] for arm in baselines(labelled, (SENTINEL2.name,)) if arm.features}
    for name, opener in itertools.islice(encoders(0), 2):
        encoder = opener()
        features[name] = embed(encoder, labelled, None, PATCH, "scene", (SENTINEL2.name,))
        for way, rate in itertools.product(RATES, (1e-3, 3e-3, 1e-2)):
            if name in MODELS or way in OF_RANDOM:
                scores = []
                for count in (30, 300):
                    started = time.process_time()
                    _, told = fitted(encoder, places, way, turn, count, rate)
                    scores.append(f"{(told.argmax(1) == labelled.answers[turn.test]).mean():.3f}")
                print(name, way, rate, *scores, f"{time.process_time() - started:.1f} s", flush=True)
    for name, strength in itertools.product(features, (0.01, 0.1, 1.0, 10.0)):
        scores = []
        for count in (10, 30, 300):
            train = turn.train[:count]
            told = logistic(features[name][train], labelled.answers[train], features[name][turn.test], strength)
            scores.append(f"{(told == labelled.answers[turn.test]).mean():.3f}")
        print(name, strength, *scores, flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "pilot", "publish"))
    parser.add_argument("data", type=Path, nargs="?", help="folder of EuroSAT, or of a simulated world")
    parser.add_argument("--name", default="", help="of the data in the tables")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    {"run": run, "pilot": pilot}[given.what](given)


if __name__ == "__main__":
    main()
