"""What pretraining is worth at each number of labels: python benchmarks/label_efficiency.py run|publish [--out FOLDER]

    python benchmarks/label_efficiency.py run EUROSAT --name EuroSAT-MS --seeds 1
    python benchmarks/label_efficiency.py run WORLD --name "world 2" --seeds 5
    python benchmarks/label_efficiency.py publish

`run` takes a folder of EuroSAT or a simulated world and adds one row for each fit to OUT/fits.csv as it is done; a run
that was killed goes on behind its last row. The places that each fit tests, and their groups, are in OUT/places.csv.
`publish` makes the tables of docs/results/finetune.md from the two, and what comes with the package
(data/published/finetune.csv).

A division (EuroSAT: five folds that divide no group; world: its own split) and a draw of labels belong to each seed.
Draws are nested, with as many labels of each class as can be, and the same for all models and ways. Every fit by an
optimiser has the same number of steps, whatever the labels; its last weights are tested, since validation would need
labels of its own. `frozen` and the baselines are logistic regressions on standardised features. `pilot` compared
learning rates and strengths on the validation split of the world; what it chose stands below. One thread.
"""

from __future__ import annotations

import argparse
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
from olmoearth_nb.evaluation.intervals import TRAINED, Interval, accuracy, compare_all, holm, not_seen
from olmoearth_nb.finetune.draws import nested
from olmoearth_nb.finetune.engine import Engine
from olmoearth_nb.finetune.places import Places, pieces
from olmoearth_nb.finetune.ways import Settings
from olmoearth_nb.io.durable import alone, append, read_csv, write_csv
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.load import open_encoder, random_encoder

ROOT = Path(__file__).parents[1]
OUT, PUBLISHED = ROOT / "docs" / "results" / "finetune", ROOT / "data" / "published" / "finetune.csv"
PAGE, MARK = ROOT / "docs" / "results" / "finetune.md", "<!-- what follows is written by the script -->\n"
ROWS, PLACES = "fits.csv", "places.csv"
COLUMNS = ("data", "model", "way", "count", "seed", "fold", "right", "tested", "seconds", "learnt", "epochs", "answers")
PLACE = ("data", "seed", "fold", "place", "group")

MODELS = ("mini-v1-long", "mini-naive-long", "mini-v1.1-long")
COUNTS = (10, 30, 100, 300, 1000)
FOLDS, EDGE, PATCH = 5, 32, 4
TESTED, POOL = 480, 2000
"""Scenes of a world that are tested, and that labels are drawn from; both are spread over the tiles."""

STEPS, BATCH = 250, 8
"""Steps of each fit by an optimiser, and labels a step; whole epochs, as few as reach the steps."""

OF_TRAINED = {"full": 1e-2, "layer decay": 1e-3, "lora": 3e-3}
OF_RANDOM = {"layer decay": 1e-3, "one rate": 1e-3}
"""Ways beside a probe, with the learning rates that the pilot chose, of trained encoders and of random initialisations.

`one rate` is layer decay without the decay: what one would do with weights that nobody trained.
"""

STRENGTH = 1.0
"""Inverse regularisation of all logistic regressions, which the pilot chose too."""

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
    """What a row of fits.csv is of."""

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

    @property
    def number(self) -> int:
        """Seed of all that is random in it."""
        return seed_of(self.seed, self.fold)


def seed_of(seed: int, fold: int) -> int:
    """One number of both."""
    return 1000 * seed + fold


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
            Turn(seed, fold, train[nested(labelled.answers[train], seed_of(seed, fold))], test)
            for fold, (train, test) in enumerate(rounds)
        ]
    return found


def encoders(seed: int):
    """Name -> encoder; a random twin is another one for each seed."""
    for name in MODELS:
        yield name, lambda name=name: open_encoder(name)
        yield f"random {name}", lambda name=name: random_encoder(name, 1 + seed)


def run(given: argparse.Namespace) -> None:
    """Fits everything that fits.csv does not have yet, the seeds one behind the other."""
    with alone(given.out), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what loaders warn of is in the notes of the set
        labelled = opened(given.data)
        places, known = Places(labelled, (SENTINEL2.name,)), done(given.out / ROWS)
        features = {arm.name: arm.features[0] for arm in baselines(labelled, (SENTINEL2.name,)) if arm.features}
        everything = turns(labelled, given.seeds)
        note_places(given.out / PLACES, given.name, labelled, everything)
        for turn in everything:  # outermost, so that a run cut short has all models with the same folds
            for name, read in BASELINES.items():
                probe(given, labelled, features[read], name, turn, known)
            for name, opener in encoders(turn.seed):
                encoder = opener()
                found = embed(encoder, labelled, None, PATCH, "scene", (SENTINEL2.name,), cache=given.cache)
                probe(given, labelled, found, name, turn, known)
                for way, rate in (OF_TRAINED if name in MODELS else OF_RANDOM).items():
                    learn(given, encoder, places, name, way, rate, turn, known)
            print(f"{given.name}: seed {turn.seed}, fold {turn.fold} done", flush=True)


def probe(given, labelled, features, name, turn, known) -> None:
    """Logistic regressions of one set of features."""
    for count in counts(given, turn):
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


def learn(given, encoder, places, name, way, rate, turn, known) -> None:
    """Fits of one encoder by one way."""
    for count in counts(given, turn):
        cell = Cell(given.name, name, way, count, turn.seed, turn.fold)
        if cell not in known:
            started = time.process_time()
            fit, told = fitted(encoder, places, way, turn, count, rate)
            right = told.argmax(1) == places.answers[turn.test]
            note(given.out, cell, right, time.process_time() - started, fit.learnt, len(fit.log))


def fitted(encoder, places, way, turn, count, rate):
    """A fit to the first labels of a turn, and what it tells of the places that are tested."""
    train = turn.train[:count]
    epochs = -(-STEPS // len(pieces(train, BATCH)))
    decay = {"way": "layer decay", "decay": 1.0} if way == "one rate" else {"way": way}
    settings = Settings(**decay, epochs=epochs, batch=BATCH, rate=rate, patch_size=PATCH, seed=turn.number)
    engine = Engine(encoder, places, train, np.array([], int), settings)
    return engine.run(), engine.predict(turn.test)


def counts(given, turn):
    """Numbers of labels that there are enough places for; where a few are lacking, as in folds of groups, it is all."""
    return [count for count in given.counts if count <= 1.1 * len(turn.train)]


def done(path: Path) -> set[Cell]:
    """What has a row; a last line that was cut off is taken away."""
    if not path.is_file():
        append(path, ",".join(COLUMNS))
    text = path.read_text(encoding="utf8")
    if not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf8")
    return {cell_of(row) for row in read_csv(path)}


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
    others = [row for row in read_csv(path) if row["data"] != name] if path.is_file() else []
    mine = [
        dict(zip(PLACE, (name, turn.seed, turn.fold, place, labelled.groups[place]), strict=True))
        for turn in everything
        if labelled.split is None or not turn.seed  # a world tests the same scenes for every seed
        for place in turn.test.tolist()
    ]
    write_csv(path, PLACE, others + mine)


@dataclass(frozen=True, eq=False)
class Scores:
    """The rows of one data set: (model, way, count) -> (seeds, groups) right answers, for seeds that are complete.

    Attributes:
        right: see above; a model may be a mean over several.
        tested: (groups,) answers of each group.
        stretch: of the variance over groups, `intervals.TRAINED` where what is tested also trains.
    """

    data: str
    right: dict[tuple[str, str, int], np.ndarray]
    tested: np.ndarray
    stretch: float

    def of(self, models: tuple[str, ...], way: str, count: int) -> np.ndarray | None:
        """(seeds, groups) mean over models; None where one of them is lacking."""
        found = [self.right.get((model, way, count)) for model in models]
        if any(one is None for one in found):
            return None
        seeds = min(len(one) for one in found)
        return np.mean([one[:seeds] for one in found], 0)


def scores_of(out: Path) -> list[Scores]:
    """What was right in every group, of each data set."""
    places: dict[tuple[str, int, int], list[dict[str, str]]] = {}
    for row in read_csv(out / PLACES):
        places.setdefault((row["data"], int(row["seed"]), int(row["fold"])), []).append(row)
    everything = [(cell_of(row), row) for row in read_csv(out / ROWS)]
    found = []
    for data in dict.fromkeys(cell.data for cell, _ in everything):
        folds = 1 + max(fold for name, _, fold in places if name == data)
        groups = sorted({int(row["group"]) for key, rows in places.items() if key[0] == data for row in rows})
        position = {group: number for number, group in enumerate(groups)}
        sums: dict[tuple[str, str, int], dict[int, list[np.ndarray]]] = {}
        tested = np.zeros(len(groups))
        for cell, row in everything:
            if cell.data == data:
                there = places[data, cell.seed if (data, cell.seed, cell.fold) in places else 0, cell.fold]
                of = np.array([position[int(place["group"])] for place in there])
                bits = np.unpackbits(np.frombuffer(bytes.fromhex(row["answers"]), np.uint8))[: len(of)]
                one = np.bincount(of, bits, minlength=len(groups))
                sums.setdefault((cell.model, cell.way, cell.count), {}).setdefault(cell.seed, []).append(one)
        for fold in range(folds):
            tested += np.bincount([position[int(row["group"])] for row in places[data, 0, fold]], minlength=len(groups))
        right = {key: whole_seeds(seeds, folds) for key, seeds in sums.items()}
        kept = {key: one for key, one in right.items() if len(one)}
        found.append(Scores(data, kept, tested, TRAINED if folds > 1 else 1.0))
    return found


def whole_seeds(seeds: dict[int, list[np.ndarray]], folds: int) -> np.ndarray:
    """(seeds, groups) of the first seeds, as long as all of their folds are there."""
    whole = list(itertools.takewhile(lambda seed: len(seeds.get(seed, [])) == folds, range(len(seeds))))
    return np.array([np.sum(seeds[seed], 0) for seed in whole])


RANDOM = tuple(f"random {name}" for name in MODELS)
CURVES = {
    "raw bands": (("raw bands",), "frozen"),
    "image statistics": (("image statistics",), "frozen"),
    "random, frozen": (RANDOM, "frozen"),
    "random, layer decay": (RANDOM, "layer decay"),
    "random, one rate": (RANDOM, "one rate"),
    "pretrained, frozen": (MODELS, "frozen"),
    "pretrained, full": (MODELS, "full"),
    "pretrained, layer decay": (MODELS, "layer decay"),
    "pretrained, LoRA": (MODELS, "lora"),
    **{f"{name}, {way}": ((name,), way) for name in MODELS for way in ("frozen", *OF_TRAINED)},
    **{f"{name}, {way}": ((name,), way) for name in RANDOM for way in ("frozen", *OF_RANDOM)},
}
"""Curves: models whose mean it is, and way."""

ASKED = {
    "pretraining, by layer decay (primary)": ("pretrained, layer decay", "random, layer decay"),
    "frozen, beyond image statistics": ("pretrained, frozen", "image statistics"),
    "layer decay, beyond one rate from random weights": ("pretrained, layer decay", "random, one rate"),
    "pretraining, frozen (exploratory)": ("pretrained, frozen", "random, frozen"),
    "pretraining of v1.1 alone, by layer decay (exploratory)": (
        "mini-v1.1-long, layer decay",
        "random mini-v1.1-long, layer decay",
    ),
    "layer decay, beyond image statistics (exploratory)": ("pretrained, layer decay", "image statistics"),
    "layer decay, beyond frozen (exploratory)": ("pretrained, layer decay", "pretrained, frozen"),
    "full, beyond frozen (exploratory)": ("pretrained, full", "pretrained, frozen"),
    "LoRA, beyond frozen (exploratory)": ("pretrained, LoRA", "pretrained, frozen"),
    "random weights, layer decay beyond frozen (exploratory)": ("random, layer decay", "random, frozen"),
}
"""Families of comparisons: a curve minus another at each number of labels of each data set.

Those called exploratory were not in the plan; they were looked at after the others.
"""

SUMMARY = ("kind", "data", "curve", "count", "value", "low", "high", "p", "p_holm", "detectable", "seeds", "seconds")
SUMMARY += ("learnt",)


def publish(given: argparse.Namespace) -> None:
    """Writes the curves, the differences, and the tables of the page."""
    found, rows = scores_of(given.out), read_csv(given.out / ROWS)
    curves = [one for scores in found for one in curves_of(scores, rows)]
    differences = [one for name, pair in ASKED.items() for one in compared(found, name, *pair)]
    write_csv(PUBLISHED, SUMMARY, curves + differences)
    text = PAGE.read_text(encoding="utf8").partition(MARK)[0]
    PAGE.write_text(text + MARK + "\n".join(tables(curves, differences)), encoding="utf8")


def curves_of(scores: Scores, rows: list[dict[str, str]]):
    """A row for each point of each curve."""
    for name, (models, way) in CURVES.items():
        for count in COUNTS:
            right = scores.of(models, way, count)
            if right is not None:
                one = accuracy(right, scores.tested, stretch=scores.stretch)
                mine = [row for row in rows if row["data"] == scores.data and row["model"] in models]
                mine = [row for row in mine if (row["way"], int(row["count"])) == (way, count)]
                cost = {key: np.mean([float(row[key]) for row in mine]) for key in ("seconds", "learnt")}
                about = {"kind": "accuracy", "data": scores.data, "curve": name, "count": count, "seeds": len(right)}
                about |= {"value": one.value, "low": one.low, "high": one.high}
                yield shown(about | {"seconds": f"{cost['seconds']:.2f}", "learnt": round(cost["learnt"])})


def compared(found: list[Scores], name: str, more: str, less: str):
    """A row for each comparison of a family, with Holm's rule over all data sets of it."""
    where, results = [], []
    for scores in found:
        pairs = []
        for count in COUNTS:
            both = [scores.of(*CURVES[curve], count) for curve in (more, less)]
            if all(one is not None for one in both):
                seeds = min(map(len, both))
                pairs.append((both[0][:seeds], both[1][:seeds], scores.tested))
                where.append((scores.data, count, seeds))
        # data set by data set: what could be seen pools the spread of seeds, of which they may have different numbers
        results += compare_all(pairs, stretch=[scores.stretch] * len(pairs)) if pairs else []
    for (data, count, seeds), one, p in zip(where, results, holm([one.p for one in results]), strict=True):
        by = one.difference
        about = {"kind": "difference", "data": data, "curve": name, "count": count, "seeds": seeds}
        about |= {"value": by.value, "low": by.low, "high": by.high, "p": one.p, "p_holm": p}
        yield shown(about | {"detectable": one.detectable})


def shown(row: dict[str, object]) -> dict[str, object]:
    """A row whose real numbers have four decimals."""
    return {name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()}


def tables(curves, differences) -> list[str]:
    """Lines of the page: sentences, differences, curves, cost."""
    lines = ["", "## What pretraining is worth", ""]
    lines += [f"* {sentence(row)}" for row in differences if row["curve"].endswith("(primary)")]
    for name in ASKED:
        lines += [
            "",
            f"### {name[0].upper()}{name[1:]}",
            "",
            "| data | labels | difference | p, Holm | could be seen |",
        ]
        lines += ["|---" * 5 + "|"]
        lines += [
            f"| {row['data']} | {row['count']} | {interval(row).signed()} | {small(row['p_holm'])} | "
            f"{float(row['detectable']):.3f} |"
            for row in differences
            if row["curve"] == name
        ]
    for data in dict.fromkeys(row["data"] for row in curves):
        mine = {(row["curve"], row["count"]): row for row in curves if row["data"] == data}
        there = [count for count in COUNTS if any(key[1] == count for key in mine)]
        lines += [
            "",
            f"## Accuracy, {data}",
            "",
            f"| curve | {' | '.join(map(str, there))} | seeds | s a fit | learnt |",
        ]
        lines += ["|---" * (len(there) + 4) + "|"]
        for name in CURVES:
            cells = [mine.get((name, count)) for count in there]
            known = [one for one in cells if one is not None]
            if known:
                points = ["" if one is None else str(interval(one)) for one in cells]
                seconds = np.mean([float(one["seconds"]) for one in known])
                about = [str(known[0]["seeds"]), f"{seconds:.1f}", f"{known[0]['learnt']:,}"]
                lines.append(f"| {name} | {' | '.join(points + about)} |")
    return [*lines, ""]


def interval(row) -> Interval:
    """A value, or a difference, with its interval."""
    return Interval(*(float(row[name]) for name in ("value", "low", "high")))


def small(p: str) -> str:
    """A p of four decimals."""
    return "below 0.0001" if float(p) < 1e-4 else p


def sentence(row) -> str:
    """What pretraining is worth at a number of labels."""
    seeds = f"{row['seeds']} seed{'s' * (int(row['seeds']) > 1)}"
    where = f"{row['data']}, {row['count']} labels, {seeds}"
    if float(row["p_holm"]) < 0.05:
        verb = "gives" if float(row["value"]) > 0 else "costs"
        return f"{where}: pretraining {verb} {abs(float(row['value'])):.3f} of accuracy ({interval(row).signed()})."
    return f"{where}: a gain by pretraining is {not_seen(float(row['detectable']))} ({interval(row).signed()})."


def pilot(given: argparse.Namespace) -> None:
    """Learning rates and strengths on the validation scenes of a world; prints a table."""
    labelled = opened(given.data)
    places = Places(labelled, (SENTINEL2.name,))
    (turn,) = turns(labelled, 1, "valid")
    features = {arm.name: arm.features[0] for arm in baselines(labelled, (SENTINEL2.name,)) if arm.features}
    for name, opener in itertools.islice(encoders(0), 2):
        encoder = opener()
        features[name] = embed(encoder, labelled, None, PATCH, "scene", (SENTINEL2.name,))
        for way, rate in itertools.product(OF_TRAINED if name in MODELS else OF_RANDOM, (1e-3, 3e-3, 1e-2)):
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
    parser.add_argument("--cache", type=Path, help="folder in which embeddings are kept")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    {"run": run, "pilot": pilot, "publish": publish}[given.what](given)


if __name__ == "__main__":
    main()
