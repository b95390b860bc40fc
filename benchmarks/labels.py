"""What do m-eurosat's wrong names of bands cost, and which tokens pay?

    python benchmarks/labels.py v1=A,B,C naive=D,E,F --data EUROSAT_OR_WORLD

The same models, trained as they are, read the same places under several conditions:

* right: every band is what its name says;
* published: as m-eurosat's files name the pixels. B8A holds B09, B09 holds B10, B11 holds B12, B12 holds B8A;
* 60 m exchanged: B01 and B09 stand in each other's place, all others are right;
* means: the bands that m-eurosat names wrongly are replaced by their means over the set.

Of a model with several tokens a patch, each token is also read alone, and those together that hold no wrongly named
band ("untouched tokens"); the costs of the others are compared with theirs. In a simulated world, which has no B10, B09
gets what a cirrus band shows of the ground.

Models are given as to `olmoearth-nb evaluate`; the first one is what others are compared with. Writes intervals.csv,
differences.csv and report.md; costs are differences from the first condition, paired over places, seeds and folds.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.cli.models import asked, bar, opened
from olmoearth_nb.data.labelled.changed import NAME, TOUCHED, Changed, as_published, by_means, exchanged
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.arms import BATCH, Arm, baselines
from olmoearth_nb.evaluation.contenders import Contender
from olmoearth_nb.evaluation.evaluate import Evaluation, evaluate
from olmoearth_nb.evaluation.folds import divide
from olmoearth_nb.evaluation.sources import content
from olmoearth_nb.evaluation.summary import (
    DIFFERENCES,
    INTERVALS,
    Difference,
    answered,
    difference_rows,
    differences,
    interval_rows,
    markdown,
)
from olmoearth_nb.io.durable import read_array, write, write_array, write_csv
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.weights.trained import weights_hash


def conditions(given: argparse.Namespace) -> dict[str, LabelledSet]:
    """The set under each condition, the right names first."""
    options = {"part": given.part} if given.part else {}
    right = open_set(given.data, **options)
    if right.classes and hasattr(getattr(right, "whole", right), "world"):
        wrong: LabelledSet = Changed(right, as_published, "bands are permuted as m-eurosat's names permute them")
    else:
        wrong = open_set(given.data, names="published", **options)
    swapped = Changed(right, exchanged, "B01 and B09 are exchanged")
    filled = Changed(right, by_means(right), f"{', '.join(TOUCHED)} are replaced by their means")
    return {"right": right, "published": wrong, "60 m exchanged": swapped, "means": filled}


def arms_of(model: Contender, labelled: LabelledSet, cache: Path) -> list[Arm]:
    """A model read as a whole, by each of its tokens, and by those that hold no wrongly named band."""
    name, encoders, kind, of = model
    groups = encoders[0].config.tokenization.groups_of(NAME)
    untouched = [number for number, group in enumerate(groups) if not set(group) & set(TOUCHED)]
    read = [kept(encoder, labelled, cache) for encoder in encoders]  # of each seed (n, G, D)
    found = [Arm(name, tuple(x.mean(1) for x in read), kind, of)]
    if len(groups) == 1 or kind != "model":
        return found
    for number, group in enumerate(groups):
        found.append(Arm(f"{name}: {' '.join(group)}", tuple(x[:, number] for x in read)))
    if len(untouched) > 1:
        found.append(Arm(f"{name}: {UNTOUCHED}", tuple(x[:, untouched].mean(1) for x in read)))
    return found


def kept(encoder: Encoder, labelled: LabelledSet, cache: Path) -> np.ndarray:
    """`means_of_groups`, from the cache if they were made before: a call that was cut off goes on."""
    about = repr((weights_hash(encoder), encoder.config)).encode() + content_of(labelled)
    path = cache / f"{hashlib.sha256(about).hexdigest()[:32]}.npy"
    found = read_array(path) if path.is_file() else None
    if found is None:
        found = means_of_groups(encoder, labelled)
        write_array(path, found)
    return found


@lru_cache(maxsize=1)
def content_of(labelled: LabelledSet) -> bytes:
    """What the cache knows a condition by: all of its values, read once for all models."""
    return content(labelled, pieces_of(labelled), (NAME,))


def pieces_of(labelled: LabelledSet) -> list[np.ndarray]:
    """Numbers of the places that are read at once."""
    return np.array_split(np.arange(len(labelled)), -(-len(labelled) // BATCH))


def means_of_groups(encoder: Encoder, labelled: LabelledSet) -> np.ndarray:
    """(n, G, D) mean over patches and dates of the observed tokens of each band group; NaN where there is none."""
    encoder.eval()
    parts = []
    for piece in pieces_of(labelled):
        with torch.inference_mode():
            encoded = encoder(labelled.batch(piece, (NAME,)), 4)
        shape, span = encoded.grid.shapes[NAME], encoded.grid.slices[NAME]
        seen = encoded.online[:, span].unflatten(1, shape).unsqueeze(-1)  # (b, rows, columns, T, G, 1)
        total = (encoded.of(NAME) * seen).sum((1, 2, 3))  # (b, G, D)
        parts.append((total / seen.sum((1, 2, 3))).float().cpu().numpy())
    return np.concatenate(parts)


UNTOUCHED = "untouched tokens"


def tokens_apart(found: Mapping[str, Evaluation]) -> Iterator[Difference]:
    """Does a condition cost the tokens that hold wrongly named bands more than those that hold none?"""
    (_, right), *others = found.items()
    pairs = list(touched_and_not([arm.name for arm in right.arms]))
    for names, wrong in others if pairs else ():
        asked = []
        for probe, (held, still) in product(wrong.probes, pairs):
            one, other = ((arm, probe, wrong.metrics[0]) for arm in (held, still))
            apart = (right.scores[one] - wrong.scores[one]) - (right.scores[other] - wrong.scores[other])
            asked.append((probe, f"{held} - {still.rpartition(': ')[2]}", apart))
        yield from answered("Does it cost the tokens that hold these bands more?", names, asked)


def touched_and_not(arms: list[str]) -> Iterator[tuple[str, str]]:
    """Each token that holds a wrongly named band, and what of the same model holds none."""
    for model in arms:
        tokens = [arm for arm in arms if arm.startswith(f"{model}: ")]
        held = [arm for arm in tokens if set(arm.rpartition(": ")[2].split()) & set(TOUCHED)]
        still = [arm for arm in tokens if arm not in held]  # "untouched tokens" stands last, if there are several
        yield from ((arm, still[-1]) for arm in held if still)


Sets = Mapping[str, tuple[LabelledSet, tuple[str, ...]]]
"""Condition -> the set under it, and the sensors that are read; costs are differences from the first one."""


def asked_for(doc: str | None, data: str) -> argparse.Namespace:
    """Reads the command of a script that asks the same models under several conditions."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names or folders; NAME=A,B,C are seeds of one arm")
    parser.add_argument("--data", type=Path, required=True, help=data)
    parser.add_argument("--part", default="", help="of the set, such as 2-5/5")
    parser.add_argument("--probes", default="", help="kNN-5,kNN-20,linear; all by default")
    parser.add_argument("--repeats", type=int, default=3, help="how often folds are drawn")
    parser.add_argument("--conditions", default="", help="some of them, as right,published; all by default")
    parser.add_argument("--twins", action=argparse.BooleanOptionalAction, default=True, help="random weights as well")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("labels"))
    return parser.parse_args()


def answer(
    given: argparse.Namespace,
    sets: Sets,
    arms_of: Callable[[Contender, LabelledSet, tuple[str, ...]], list[Arm]],
    more: Callable[[Mapping[str, Evaluation]], Iterable[Difference]] = lambda _: (),
) -> None:
    """Scores all models under all conditions, and writes the three tables; `more` asks what they do not."""
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore", UserWarning)  # what loaders note stands in the report
    probes, models = given.probes.split(",") if given.probes else [], opened(asked(given.models, False))
    models = [model for model in models if given.twins or model.kind == "model"]
    found = {}
    chosen = given.conditions.split(",") if given.conditions else list(sets)
    if unknown := set(chosen) - set(sets):
        raise ValueError(f"no condition {', '.join(sorted(unknown))}; there are {', '.join(sets)}")
    for condition in chosen:
        labelled, sensors = sets[condition]
        folds, neighbours = divide(labelled, repeats=given.repeats)
        with bar(f"embeddings, {condition}", len(models)) as done:
            arms = []
            for model in models:
                arms += arms_of(model, labelled, sensors)
                done()
        arms += baselines(labelled, sensors)
        with bar(f"probes, {condition}", len(arms) * (len(probes) or 3)) as done:
            cache = given.out / "predictions"
            found[condition] = evaluate(arms, labelled, folds, neighbours, probes, cache=cache, done=done)
    compared = [*differences(found, models[0][0]), *more(found)]
    write_csv(given.out / "intervals.csv", INTERVALS, (row for item in found.items() for row in interval_rows(*item)))
    write_csv(given.out / "differences.csv", DIFFERENCES, difference_rows(compared))
    text = "\n".join(markdown(found, compared))
    write(given.out / "report.md", lambda part: part.write_text(text, encoding="utf8"))
    print(text)


def main() -> None:
    """Reads the command."""
    given = asked_for(__doc__, "EuroSAT or a simulated world (folder)")
    sets = {name: (labelled, (NAME,)) for name, labelled in conditions(given).items()}
    cache = given.out / "embeddings"
    answer(given, sets, lambda model, labelled, _: arms_of(model, labelled, cache), tokens_apart)


if __name__ == "__main__":
    main()
