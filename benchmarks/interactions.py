"""What bands do together, validated and measured: python benchmarks/interactions.py validate|measure [--out FOLDER]

    python benchmarks/interactions.py validate
    python benchmarks/interactions.py measure v1=A,B,C naive=D,E,F v1.1=G,H,I --data EUROSAT_OR_WORLD --name chips

`validate` plants tasks whose truth is known (`olmoearth_nb.insight.planted`) and writes validation.csv: one row a task.
`measure` takes models as `olmoearth-nb evaluate` does, seeds of one arm as NAME=A,B,C, and writes, beside random twins,
NAME-stages.csv (interaction across and within resolutions at every stage, of 3 groups and of 12 bands, with intervals
over seeds and samples), NAME-differences.csv (every arm minus every other, and the same of what training added),
NAME-pairs.csv (pairs of bands in the embedding), NAME-pattern.csv (is the pattern of these pairs that of random
weights, and does it follow the tokens?), NAME-signs.csv (synergy and redundancy for the right class),
NAME-accuracy.csv (a row a seed and task) and NAME-accuracy-correlation.csv. `attend`, with the same arguments, writes
NAME-attention.csv: what band groups attend to relative to uniform attention, block by block, among the tokens of their
own patch and date, and among all. `publish` puts together what comes with the package (data/published) from the tables
of OUT. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.cli.models import asked, opened
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.arms import of_encoders
from olmoearth_nb.evaluation.evaluate import evaluate
from olmoearth_nb.evaluation.folds import divide
from olmoearth_nb.evaluation.intervals import accuracy, contrast
from olmoearth_nb.evaluation.probes import Split, fitted_logistic
from olmoearth_nb.evaluation.tasks import Task, encoded
from olmoearth_nb.insight import outputs
from olmoearth_nb.insight.attention import record_attention
from olmoearth_nb.insight.interactions import pair_interaction, shapley
from olmoearth_nb.insight.measured import SOLVED
from olmoearth_nb.insight.planted import (
    answers_apart,
    answers_together,
    band_means,
    features,
    fitted_reader,
    levels,
    mixed,
    rows_of,
    shipped_patches,
)
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import by_draws, by_mean, by_zero
from olmoearth_nb.io.durable import read_csv, write_csv
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.load import open_encoder, random_encoder

ROOT = Path(__file__).parents[1]
OUT, PUBLISHED = ROOT / "docs" / "results" / "attention", ROOT / "data" / "published"
NAME = SENTINEL2.name
PATCH = 4
READERS = ("raw bands", "mini-v1-long", "mini-naive-long", "mini-v1.1-long")
GROUPS = Players.of(
    {
        "visible": "B02 B03 B04",
        "near infrared": "B08 B8A",
        "red edge": "B05 B06 B07",
        "short-wave": "B11 B12",
        "B01": "B01",
        "B09": "B09",
    }
)
PLANTED = (
    "players",
    "reader",
    "kind",
    "first",
    "second",
    "accuracy",
    "named first",
    "named second",
    "fraction",
    "relative",
    "fraction random weights",
    "right random weights",
    "fraction refitted random weights",
    "right refitted random weights",
    "accuracy refitted random weights",
    "without named",
    "without random",
    "incomplete",
)


def validate(given: argparse.Namespace) -> None:
    """Plants tasks, reads them, explains them; all readers a task at a time, so that a run cut short compares them."""
    source, rows, known = shipped_patches(), [], {}
    for title, players in (("6 groups", GROUPS), ("12 bands", Players.each_band())):
        batch = mixed(source, players, given.rows, seed=1)
        order = np.random.default_rng(2).permutation(len(players.pairs))[: given.tasks]
        for name in READERS:
            output = band_means(NAME) if name == READERS[0] else outputs.embedding(open_encoder(name), PATCH)
            known[title, name] = players, [players.pairs[one] for one in order], output, batch, features(output, batch)
    for number in range(given.tasks):
        for (title, name), (players, pairs, output, batch, x) in known.items():
            found, pair = levels(batch, players), pairs[number]
            tasks = {"together": answers_together(found, pair)}
            if number < given.nulls:
                tasks["apart"] = answers_apart(found, pair, number)
                tasks["shuffled"] = np.random.default_rng(number).permutation(tasks["together"])
            for kind, answers in tasks.items():
                rows.append(planted(title, name, kind, players, pair, output, batch, answers, x, number))
        write_csv(given.out / "validation.csv", PLANTED, rows)
        print(f"{number + 1} of {given.tasks} tasks", flush=True)
    summary(rows)


def planted(title, name, kind, players, pair, output, batch, answers, x, number) -> dict[str, object]:
    """A row of validation.csv; the number of the task seeds the random weights, and the random pairs."""
    reader = fitted_reader(output, batch, answers, x)
    found = reader.explain(players)
    named = found.strongest
    row = {"players": title, "reader": name, "kind": kind, "first": players.names[pair[0]]}
    row |= {"second": players.names[pair[1]], "accuracy": round(reader.accuracy, 4)}
    row |= {"named first": players.names[named[0]], "named second": players.names[named[1]]}
    row |= {"fraction": fraction(found, pair), "incomplete": f"{found.incomplete:.1e}"}
    row["relative"] = round(found.strength[pair] / abs(found.single).sum(1).mean(), 4)
    if kind != "together":
        return row
    if name != READERS[0]:
        row |= behind_random_weights(reader, name, players, pair, batch, answers, number)
    others = pairs_apart(players, pair, number)
    row["without named"] = round(reader.accuracy_without(players, named), 4)
    row["without random"] = round(float(np.mean([reader.accuracy_without(players, one) for one in others])), 4)
    return row


def behind_random_weights(reader, name, players, pair, batch, answers, number) -> dict[str, float]:
    """What is named behind random weights: by the trained encoder's probe, and by one that was fitted to them."""
    output = outputs.embedding(random_encoder(name, 1 + number), PATCH)
    refitted = fitted_reader(output, batch, answers)
    row = {"accuracy refitted random weights": round(refitted.accuracy, 4)}
    explained = {"": reader.explain(players, output=output), "refitted ": refitted.explain(players)}
    for title, found in explained.items():
        row[f"fraction {title}random weights"] = fraction(found, pair)
        row[f"right {title}random weights"] = float(found.strongest == pair)
    return row


def fraction(found, pair) -> float:
    """Of all interaction, that of a pair."""
    return round(2 * found.strength[pair] / found.strength.sum(), 4)


def pairs_apart(players, pair, seed, count=8) -> list[tuple[int, int]]:
    """Some pairs, drawn anew for each task, that have no player in common with the planted one."""
    apart = [one for one in players.pairs if not set(one) & set(pair)]
    return [apart[place] for place in np.random.default_rng([3, seed]).permutation(len(apart))[:count]]


def summary(rows: list[dict[str, object]]) -> None:
    """Prints the table of the four checks."""
    from scipy.stats import binomtest

    print(f"| {' | '.join(CHECKS)} |\n|{'---|' * len(CHECKS)}")
    for title in dict.fromkeys(row["players"] for row in rows):
        for name in READERS:
            mine = [row for row in rows if (row["players"], row["reader"]) == (title, name)]
            tasks = [row for row in mine if row["kind"] == "together"]
            solved = [row for row in tasks if row["accuracy"] >= SOLVED]
            right, whole = sum(map(is_right, solved)), sum(map(is_right, tasks))
            bounds = binomtest(right, max(len(solved), 1)).proportion_ci(method="wilson")
            apart = [row for row in mine if row["kind"] == "apart"]
            shuffled = [row for row in mine if row["kind"] == "shuffled"]
            cells = [title, name, f"{len(solved)} of {len(tasks)}", f"{mean(solved, 'accuracy'):.2f}"]
            cells += [f"{right} of {len(solved)} [{bounds.low:.2f}, {bounds.high:.2f}]", f"{whole} of {len(tasks)}"]
            cells += [f"{mean(part, 'fraction'):.2f}" for part in (solved, shuffled)]
            cells += [f"{mean(solved, key):.2f}" for key in AT_RANDOM]
            cells += [f"{mean(part, 'relative'):.2f}" for part in (solved, apart)]
            cells += [f"{mean(solved, key):.2f}" for key in ("without named", "without random")]
            cells.append(f"{max(float(row['incomplete']) for row in mine):.0e}")
            print(f"| {' | '.join(cells)} |")


AT_RANDOM = ("fraction random weights", "right random weights", "fraction refitted random weights")
AT_RANDOM += ("right refitted random weights", "accuracy refitted random weights")
CHECKS = (
    "players",
    "reader",
    "solved",
    "accuracy",
    "named rightly",
    "of all tasks",
    "fraction of the pair",
    "answers shuffled",
    "weights random",
    "named by random weights",
    "weights random, probe refitted",
    "named by those",
    "accuracy of those",
    "relative to single players",
    "where they act apart",
    "accuracy without the named pair",
    "without random pairs",
    "incomplete",
)


def is_right(row: dict[str, object]) -> bool:
    """Whether the named pair is the planted one."""
    return (row["first"], row["second"]) == (row["named first"], row["named second"])


def mean(rows, key) -> float:
    """Mean of a column, NaN of none."""
    values = [row[key] for row in rows if key in row]
    return float(np.mean(values)) if values else float("nan")


STAGES = (
    "data",
    "players",
    "removal",
    "pairs",
    "arm",
    "kind",
    "stage",
    "value",
    "low",
    "high",
    "minus twin",
    "twin low",
    "twin high",
    "seeds",
    "samples",
)
PAIRS = ("data", "arm", "kind", "first", "second", "relative", "standard deviation between seeds")
SIGNS = (
    "data",
    "arm",
    "kind",
    "first",
    "second",
    "synergy",
    "synergy low",
    "synergy high",
    "redundancy",
    "redundancy low",
    "redundancy high",
)
ACCURACY = ("data", "arm", "kind", "seed", "task", "accuracy", "cross-resolution interaction")


def measure(given: argparse.Namespace) -> None:
    """Measures models beside their random twins."""
    labelled = open_set(given.data)
    chosen, groups, others = apart(labelled, given.samples)
    explained, background = (one_date(labelled, numbers, given.edge) for numbers in (chosen, others))
    arms = opened(asked(given.models, False))
    print(f"{given.name}: {len(chosen)} samples explained, {len(background)} in the background", flush=True)
    resolutions, bands, few = Players.by_resolution(), Players.each_band(), rows_of(explained, slice(given.few))
    asked_of = [(resolutions, explained, one) for one in (by_draws(background, 2), by_mean(background), by_zero())]
    asked_of += [(bands, few, one) for one in (by_draws(background, 1), by_mean(background))]
    found = {
        (len(players), removal.name, name): [
            pair_interaction(outputs.stages(encoder, PATCH), samples, players, removal) for encoder in encoders
        ]
        for players, samples, removal in asked_of
        for name, encoders, *_ in arms
    }
    write_csv(given.out / f"{given.name}-stages.csv", STAGES, stage_rows(given.name, arms, found, groups))
    gaps = difference_rows(given.name, arms, found, groups)
    write_csv(given.out / f"{given.name}-differences.csv", DIFFERENCES, gaps)
    write_csv(given.out / f"{given.name}-pairs.csv", PAIRS, pair_rows(given.name, arms, found))
    write_csv(given.out / f"{given.name}-pattern.csv", PATTERN, pattern_rows(given.name, arms, found, groups))
    print("stages done", flush=True)
    answers = np.asarray(labelled.answers)
    signs = sign_rows(given.name, arms, explained, background, answers[chosen], answers[others], groups)
    write_csv(given.out / f"{given.name}-signs.csv", SIGNS, signs)
    print("signs done", flush=True)
    end = {
        name: [one.index(one.players.across)[:, -1].mean() for one in found[len(resolutions), "draws", name]]
        for name, *_ in arms
    }
    rows = list(accuracy_rows(given, labelled, arms, end))
    write_csv(given.out / f"{given.name}-accuracy.csv", ACCURACY, rows)
    together = list(correlation_rows(given.name, rows))
    write_csv(given.out / f"{given.name}-accuracy-correlation.csv", CORRELATION, together)
    for row in together:
        print(" | ".join(str(value) for value in row.values()))


def apart(labelled, samples):
    """Places that are explained, their groups, and the places of all other groups, which is where probes train.

    They are drawn once for all: one place of each of so many groups, at most half of all groups; more of each of them
    where that is too few.
    """
    order = np.random.default_rng(0).permutation(len(labelled))
    groups = np.asarray(labelled.groups)
    names, first = np.unique(groups[order], return_index=True)
    explained = names[np.argsort(first)][: min(samples, len(names) // 2)]
    chosen = order[np.sort(first)][: len(explained)]
    rest = [place for place in order if groups[place] in explained and place not in chosen]
    chosen = np.concatenate([chosen, rest]).astype(int)[:samples]
    return chosen, groups[chosen], np.flatnonzero(~np.isin(groups, explained))


def one_date(labelled, numbers, edge):
    """The middles of some places at their first date that was observed everywhere."""
    images, dates = [], []
    for piece in np.array_split(numbers, -(-len(numbers) // 64)):
        batch = labelled.batch(piece, (NAME,))
        for image, stamps in zip(batch.images[NAME], batch.timestamps, strict=True):
            row, column = ((size - min(edge, size)) // 2 for size in image.shape[:2])
            image = image[row : row + edge, column : column + edge]
            whole = (~(image == MISSING).permute(2, 0, 1, 3).flatten(1).any(1)).nonzero().flatten()
            if not len(whole):
                raise ValueError(
                    f"a place of {labelled.name} has no date without gaps; choose other data or a smaller --edge"
                )
            images.append(image[:, :, whole[:1]])
            dates.append(stamps[whole[:1]])
    return Batch({NAME: torch.stack(images)}, torch.stack(dates))


def by_group(values, groups):
    """(seeds, groups) sums of (seeds, samples), and (groups,) how many each has."""
    _, number = np.unique(groups, return_inverse=True)
    return np.array([np.bincount(number, one) for one in values]), np.bincount(number).astype(float)


def twin_of(arms, name):
    """Name of an arm's random twin."""
    return next(twin for twin, _, kind, of in arms if kind == "random" and f", {name}, " in f", {of}, ")


KEYS = {"own patch and date": {"same_patch": True, "same_timestep": True}, "all": {}}
"""Which tokens of a group are asked."""

ATTENTION = ("data", "arm", "kind", "keys", "block", "query", "key", "ratio", "low", "high")
ATTENTION += ("times twin", "twin low", "twin high", "seeds", "samples")


def attend(given: argparse.Namespace) -> None:
    """Measures attention between band groups beside random twins; arms of one group have none."""
    labelled = open_set(given.data)
    chosen, groups, _ = apart(labelled, given.samples)
    explained = one_date(labelled, chosen, given.edge)
    arms = [arm for arm in opened(asked(given.models, False)) if len(arm[1][0].config.tokenization.groups_of(NAME)) > 1]
    found = {name: [attended(encoder, explained) for encoder in encoders] for name, encoders, *_ in arms}
    write_csv(given.out / f"{given.name}-attention.csv", ATTENTION, attention_rows(given.name, arms, found, groups))


def attended(encoder, explained):
    """For each choice of keys a summary, and (samples, L, Q, K) ratios, the mean of the heads."""
    encoder.eval()
    with torch.inference_mode(), record_attention(encoder) as recorded:
        encoder(explained, PATCH)
    found = {}
    for keys, which in KEYS.items():
        tables = [one.between_groups(**which).mean_of_heads() for one in recorded.by_sample()]
        found[keys] = tables[0], np.stack([table.ratio[:, 0] for table in tables])
    return found


def attention_rows(data, arms, found, groups):
    """How often band groups ask each other, relative to uniform attention; each arm's random twins behind it."""
    models = [name for name, _, kind, _ in arms if kind == "model"]
    for name, keys in itertools.product(models, KEYS):
        table = found[name][0][keys][0]
        values, twins = (np.stack([one[keys][1] for one in found[arm]]) for arm in (name, twin_of(arms, name)))
        several = {"model": (name, values), "random": (f"random, as {name}", twins)}
        for (kind, (arm, ratios)), at in itertools.product(several.items(), np.ndindex(table.ratio[:, 0].shape)):
            row = {"data": data, "arm": arm, "kind": kind, "keys": keys, "block": table.layers[at[0]]}
            row |= {"query": table.queries[at[1]], "key": table.keys[at[2]]}
            row |= {"seeds": len(ratios), "samples": ratios.shape[1]}
            # twice as much and half as much are as far from 1; so the interval is that of the logarithm
            own, rows = by_group(np.log(ratios[(..., *at)]), groups)
            less = {"ratio": [], "times twin": [by_group(np.log(twins[(..., *at)]), groups)[0]]}
            yield row | ratio_cells(own, less, rows, kind)


def ratio_cells(own, less, rows, kind):
    """Columns of logarithms, written as ratios: as they are, and for a model against its random twins."""
    row = {}
    for (title, several), ends in zip(less.items(), ("", "twin "), strict=True):
        if title == "ratio" or kind == "model":
            one = contrast([own], several, rows)
            cells = zip((title, f"{ends}low", f"{ends}high"), (one.value, one.low, one.high), strict=True)
            row |= {column: f"{np.exp(value):.4f}" for column, value in cells}
    return row


def publish(given: argparse.Namespace) -> None:
    """Copies the stages of all data, and the planted tasks, to where the package takes them from."""
    for end, name, columns in (("stages", "interactions", STAGES), ("attention", "interactions_attention", ATTENTION)):
        rows = [row for path in sorted(given.out.glob(f"*-{end}.csv")) for row in read_csv(path)]
        write_csv(PUBLISHED / f"{name}.csv", columns, rows)
    write_csv(PUBLISHED / "interactions_validation.csv", PLANTED, read_csv(given.out / "validation.csv"))


def stage_rows(data, arms, found, groups):
    """Interaction at every stage, and its difference from the random twin, paired."""
    for (size, removal, name), several in found.items():
        kind = next(kind for arm, _, kind, _ in arms if arm == name)
        twins = found[size, removal, twin_of(arms, name)] if kind == "model" else []
        players = several[0].players
        chosen = {"across resolutions": players.across, "within a resolution": ~players.across}
        for title, pairs in chosen.items():
            for at, stage in enumerate(several[0].stages if pairs.any() else ()):
                row = {"data": data, "players": size, "removal": removal, "pairs": title, "arm": name, "kind": kind}
                yield row | {"stage": stage} | stage_values(several, twins, pairs, at, groups)


def stage_values(several, twins, pairs, at, groups):
    """Columns of one stage: the mean over samples with its interval, and its difference from the random twins."""
    groups = groups[: len(several[0].together)]
    values, rows = by_group([one.index(pairs)[:, at] for one in several], groups)
    one = accuracy(values, rows, bounds=(0, np.inf))
    row = written(one, "value", "low", "high")
    if twins:
        gap = contrast([values], [by_group([twin.index(pairs)[:, at] for twin in twins], groups)[0]], rows)
        row |= written(gap, "minus twin", "twin low", "twin high")
    return row | {"seeds": len(several), "samples": int(rows.sum())}


STAGES_COMPARED = ("tokens", "attention 1", "norm")
DIFFERENCES = ("data", "players", "removal", "stage", "arm", "minus", "difference", "low", "high")
DIFFERENCES += ("difference of gains", "gain low", "gain high", "samples")


def difference_rows(data, arms, found, groups):
    """Every arm minus every other across resolutions, and the same of what each has more than its random twins."""
    models = [name for name, _, kind, _ in arms if kind == "model"]
    for size, removal in dict.fromkeys((size, removal) for size, removal, _ in found):
        for stage, (first, second) in itertools.product(STAGES_COMPARED, itertools.combinations(models, 2)):
            values = {}
            for name in {first, second, twin_of(arms, first), twin_of(arms, second)}:
                several = found[size, removal, name]
                at, across = several[0].stage(stage), several[0].players.across
                of_samples = groups[: len(several[0].together)]
                values[name], rows = by_group([one.index(across)[:, at] for one in several], of_samples)
            row = {"data": data, "players": size, "removal": removal, "stage": stage, "arm": first, "minus": second}
            one = contrast([values[first]], [values[second]], rows)
            row |= written(one, "difference", "low", "high")
            twins = [twin_of(arms, name) for name in (second, first)]
            if twins[0] != twins[1]:  # one twin of both takes nothing from their difference
                one = contrast([values[first], values[twins[0]]], [values[second], values[twins[1]]], rows)
            yield row | written(one, "difference of gains", "gain low", "gain high") | {"samples": int(rows.sum())}


def written(one, *columns):
    """An interval in three columns; what rounds to 0 has no sign."""
    ends = (one.value, one.low, one.high)
    return {column: f"{round(value, 4) + 0.0:.4f}" for column, value in zip(columns, ends, strict=True)}


PATTERN = ("data", "arm", "kind", "correlation with twin", "correlation between seeds")
PATTERN += tuple(f"{pairs}{end}" for pairs in ("within a token", "across tokens") for end in ("", " low", " high"))


def pattern_rows(data, arms, found, groups):
    """Do the pairs of bands interact as in random weights, and more within a token than across tokens?

    Correlations are Spearman's of the 66 pairs: of the means over seeds with those of the random twins, and of seeds
    with each other (mean over pairs of seeds), which is what the former can reach.
    """
    players = Players.each_band()
    above = np.array(players.pairs).T
    for name, encoders, kind, _ in arms:
        several = found[len(players), "draws", name]
        patterns = np.array([one.matrix(one.stages[-1])[tuple(above)] for one in several])  # (seeds, 66)
        row = {"data": data, "arm": name, "kind": kind}
        if kind == "model":
            twins = found[len(players), "draws", twin_of(arms, name)]
            random = np.mean([one.matrix(one.stages[-1])[tuple(above)] for one in twins], 0)
            row["correlation with twin"] = f"{spearman(patterns.mean(0), random):.3f}"
        if len(patterns) > 1:
            between = [spearman(*two) for two in itertools.combinations(patterns, 2)]
            row["correlation between seeds"] = f"{np.mean(between):.3f}"
        token = {band: at for at, group in enumerate(encoders[0].config.tokenization.groups_of(NAME)) for band in group}
        within = np.array([token[players.names[i]] == token[players.names[j]] for i, j in players.pairs])
        for title, pairs in (("within a token", within), ("across tokens", ~within)):
            if pairs.any():
                cells = stage_values(several, [], pairs, -1, groups)
                row |= {f"{title}{end}": cells[key] for end, key in (("", "value"), (" low", "low"), (" high", "high"))}
        yield row


def spearman(first, second) -> float:
    """Rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def accuracy_rows(given, labelled, arms, end):
    """A row for each seed and task: its accuracy, beside its interaction across resolutions."""
    scores = world_scores(given, arms) if hasattr(labelled, "world") else class_scores(labelled, arms)
    for (name, seed, task), value in scores.items():
        kind = next(kind for arm, _, kind, _ in arms if arm == name)
        row = {"data": given.name, "arm": name, "kind": kind, "seed": seed, "task": task}
        yield row | {"accuracy": f"{value:.4f}", "cross-resolution interaction": f"{end[name][seed]:.4f}"}


CORRELATION = ("data", "task", "models", "correlation", "low", "high", "n")


def correlation_rows(data, rows):
    """How interaction and accuracy go together over models: rank correlations, and within arms.

    The interval is Fisher's with the variance of Bonett and Wright (2000). It takes models for independent.
    """
    chosen = {"trained": ("model",), "trained and untrained": ("model", "random"), "within arms": ("model",)}
    for task, (title, kinds) in itertools.product(dict.fromkeys(row["task"] for row in rows), chosen.items()):
        mine = [row for row in rows if row["task"] == task and row["kind"] in kinds]
        values = np.array([[float(row["accuracy"]), float(row["cross-resolution interaction"])] for row in mine])
        freedom = len(mine) - 3
        if title == "within arms":
            names = np.array([row["arm"] for row in mine])
            values = values - np.stack([values[names == name].mean(0) for name in names])
            freedom -= len(set(names)) - 1  # the means of the arms were taken off
        found = spearman(*values.T)
        row = {"data": data, "task": task, "models": title, "correlation": f"{found:.3f}", "n": len(mine)}
        if freedom > 0 and abs(found) < 1:
            reach = 1.96 * np.sqrt((1 + found**2 / 2) / freedom)
            low, high = np.tanh(np.arctanh(found) + np.array([-reach, reach]))
            row |= {"low": f"{low:.3f}", "high": f"{high:.3f}"}
        yield row


def class_scores(labelled, arms):
    """(arm, seed, probe) -> accuracy on a labelled set."""
    folds, neighbours = divide(labelled, repeats=2)
    rows = [
        of_encoders(name, encoders, labelled, (NAME,), PATCH, kind=kind, of=of) for name, encoders, kind, of in arms
    ]
    found = evaluate(rows, labelled, folds, neighbours, ("kNN-5", "kNN-20"), draws=2)
    metric = found.metrics[0]
    return {
        (arm, seed, probe): float(value)
        for (arm, probe, which), score in found.scores.items()
        if which == metric
        for seed, value in enumerate(score.value.mean(1))
    }


def world_scores(given, arms):
    """(arm, seed, task) -> accuracy on the designed targets of a world."""
    world, scores = World(given.data), {}
    for name, encoders, *_ in arms:
        for seed, encoder in enumerate(encoders):
            with tempfile.TemporaryDirectory() as cache:  # the embeddings are the same for every target
                for target in given.targets.split(","):
                    task = Task(target, probe="network")
                    right, rows = task.right(world, encoded(encoder, task, cache), seed)
                    scores[name, seed, task.name] = right.sum() / rows.sum()
    return scores


def sign_rows(data, arms, explained, background, answers, known, groups):
    """Synergy and redundancy of the resolutions for the right class, by a linear probe fitted to the background."""
    players, check = Players.by_resolution(), np.arange(len(known)) % 4 == 0
    for name, encoders, kind, _ in arms:
        parts = []
        for encoder in encoders:
            output = outputs.embedding(encoder, PATCH)
            x = features(output, background)
            fit, valid = (Split(x[rows], known[rows], np.flatnonzero(rows)) for rows in (~check, check))
            score = outputs.linear_scores(fitted_logistic(fit, valid))
            # in units of what all bands together do, so that a probe of larger logits does not count for more
            exact = shapley(outputs.logit(output, score, answers), explained, players, by_draws(background, 4))
            parts.append(exact.toward / np.maximum(abs(exact.single).sum(1), 1e-9)[:, None, None])
        for i, j in players.pairs:
            row = {"data": data, "arm": name, "kind": kind, "first": players.names[i], "second": players.names[j]}
            for sign, title in ((1, "synergy"), (-1, "redundancy")):
                one = accuracy(
                    *by_group([np.maximum(sign * part[:, i, j], 0) for part in parts], groups), bounds=(0, np.inf)
                )
                row |= {title: f"{one.value:.4f}", f"{title} low": f"{one.low:.4f}", f"{title} high": f"{one.high:.4f}"}
            yield row


def pair_rows(data, arms, found):
    """The relative interaction of each pair of bands in the embedding."""
    players = Players.each_band()
    for name, _, kind, _ in arms:
        matrices = np.stack([one.matrix(one.stages[-1]) for one in found[len(players), "draws", name]])
        for i, j in players.pairs:
            row = {"data": data, "arm": name, "kind": kind, "first": players.names[i], "second": players.names[j]}
            yield row | {
                "relative": f"{matrices[:, i, j].mean():.4f}",
                "standard deviation between seeds": f"{matrices[:, i, j].std(ddof=1):.4f}" if len(matrices) > 1 else "",
            }


def main() -> None:
    """Reads the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("validate")
    one.add_argument("--rows", type=int, default=3000)
    one.add_argument("--tasks", type=int, default=12, help="planted pairs of each set of players")
    one.add_argument("--nulls", type=int, default=2, help="tasks that act apart, and with shuffled answers")
    one.set_defaults(work=validate)
    two, three = (commands.add_parser(name) for name in ("measure", "attend"))
    for command, work in ((two, measure), (three, attend)):
        command.add_argument("models", nargs="+", help="names or folders; NAME=A,B,C are seeds of one arm")
        command.add_argument("--data", type=Path, required=True, help="EuroSAT or a simulated world (folder)")
        command.add_argument("--name", required=True, help="of the data, in the names of the files")
        command.add_argument("--samples", type=int, default=96)
        command.add_argument("--edge", type=int, default=16, help="of the middle of each sample, in pixels")
        command.set_defaults(work=work)
    two.add_argument("--few", type=int, default=32, help="samples of which the twelve bands are players")
    two.add_argument("--targets", default="two resolutions,one resolution", help="of a world")
    four = commands.add_parser("publish")
    four.set_defaults(work=publish)
    for command in (one, two, three, four):
        command.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)  # what loaders note of the data is in their own pages
    given.work(given)


if __name__ == "__main__":
    main()
