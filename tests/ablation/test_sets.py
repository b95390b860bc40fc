"""Studies of real places: trained on a corpus of chips, scored on labelled sets in folds."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from labelled_twins import write_eurosat, write_m_eurosat

from olmoearth_nb.ablation import scoring
from olmoearth_nb.ablation.findings import findings, gate
from olmoearth_nb.ablation.folder import result
from olmoearth_nb.ablation.jobs import corpus_of, run_job
from olmoearth_nb.ablation.opened import check_sets
from olmoearth_nb.ablation.report import report
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.scoring import _floors_of_set as floors_of
from olmoearth_nb.ablation.sets import ScoredSet
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.ablation.sweep import _choose
from olmoearth_nb.ablation.tables import write_scores
from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.chips import Shards
from olmoearth_nb.evaluation.evaluate import right_by_group
from olmoearth_nb.io.durable import write_json

TEXT = """
arms: {naive: naive, v1.1: v1.1}
seeds: [0, 1]
data:
  corpus: corpus.h5
  evaluate:
    - {path: chips, names: [content, published], probes: kNN-5, folds: 3, apart: 1}
    - {path: dry.csv, name: dry, label: dry, pixel: id, unit: "%", repeats: 2, folds: 3}
    - {path: season.csv, name: season, label: dry, pixel: id, unit: "%", repeats: 2, folds: 3}
samples: [8]
crops: {patch_sizes: [4], edges: [2], budget: 72}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A corpus, chips of three classes, a table of pixels whose answer is in their bands, and a study of all."""
    folder = tmp_path_factory.mktemp("real")
    write_eurosat(folder / "chips", 4, step=12_000)  # farther apart than places that belong together
    chance, n = np.random.default_rng(0), 36
    dry = chance.uniform(0, 100, n)
    rows = {band: (2000 + 20 * dry + chance.normal(0, 50, n)).round().astype(int) for band in SENTINEL2.band_names}
    pd.DataFrame({"id": range(n), "date": "2020-07-01", "dry": dry.round(2)} | rows).to_csv(
        folder / "dry.csv", index=False
    )
    months = np.arange(n) % 12
    season = {"id": range(n), "date": [f"2020-{month + 1:02d}-01" for month in months]}
    season |= {"dry": (50 + 40 * np.cos(2 * np.pi * months / 12)).round(2)}
    season |= {band: chance.integers(1500, 3000, n) for band in SENTINEL2.band_names}
    pd.DataFrame(season).to_csv(folder / "season.csv", index=False)
    with h5py.File(folder / "corpus.h5", "w") as file:
        file["dn"] = chance.integers(1500, 3000, (8, 12, 16, 16)).astype(np.uint16)
        file.attrs["bands"] = " ".join(SENTINEL2.band_names)
    (folder / "study.yaml").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def swept(here):
    """The study, run job by job as workers do."""
    study, folder = Study.load(here / "study.yaml"), here / "sweep"
    write_json(folder / "study.json", study.to_dict())
    for key in ("floors", *(f"cell {arm} {seed}" for arm in ("naive", "v1.1") for seed in (0, 1))):
        run_job(folder, key)
    return write_scores(folder)


def changed(here, **data):
    given = yaml.safe_load(TEXT)
    given["data"] |= data
    (here / "changed.yaml").write_text(yaml.safe_dump({key: value for key, value in given.items()}))
    return here / "changed.yaml"


def test_paths_are_relative_to_the_file_and_all_comes_back(here):
    study = Study.load(here / "study.yaml")
    assert study.data == {"corpus": str(here / "corpus.h5")}
    eurosat, dry, _ = study.sets
    assert (eurosat.path, eurosat.names, eurosat.probes, eurosat.options) == (
        str(here / "chips"),
        ("content", "published"),
        ("kNN-5",),
        {"apart": 1},
    )
    assert dry.options == {"label": "dry", "pixel": "id", "unit": "%"}
    plain = study.to_dict()
    assert Study.from_dict(plain) == study
    assert Study.from_dict(plain).to_dict() == plain
    for one in plain["data"]["evaluate"]:  # what studies of before wrote down, whose sweeps go on
        del one["part"], one["ignore_split"], one["knn_in_folds"]
    assert Study.from_dict(plain).to_dict() == study.to_dict()
    assert isinstance(corpus_of(study, here), Shards)


def test_a_sweep_scores_each_set_name_and_probe(swept):
    table = read_scores(swept)
    names = ("EuroSAT, kNN-5", "EuroSAT (published names), kNN-5", "dry, ridge", "season, ridge")
    assert table.tasks == names
    assert table.right["naive", "8 samples", names[0]].shape == (2, 1, len(table.rows[names[0]]))
    assert table.right["naive", "8 samples", "dry, ridge"].shape == (2, 2, 36)
    assert table.rows[names[0]].sum() == 12
    assert {table.stretch(task) for task in names} == {2.0}
    value = {key: right.mean((0, 1)).sum() / table.rows[key[2]].sum() for key, right in table.right.items()}
    assert value["raw bands", "floor", "dry, ridge"] > 0.9
    assert abs(value["majority", "floor", "dry, ridge"]) < 0.2
    assert value["raw bands", "floor", names[0]] > value["majority", "floor", names[0]] == pytest.approx(1 / 3, abs=0.1)
    assert len(findings(table, "8 samples")) == 4
    dated = {task: value[name, "floor", task] for name, _, task in value if name == "month alone"}
    assert list(dated) == ["season, ridge"], "the other sets have one date"
    assert dated["season, ridge"] > 0.9 > value["raw bands", "floor", "season, ridge"]
    assert value["raw bands and month", "floor", "season, ridge"] > 0.5
    assert gate(table, "8 samples")["naive", "dry, ridge"].low < 1


def test_the_report_says_what_is_measured_and_on_what(swept):
    text = report(swept).read_text()
    assert "| arm | EuroSAT, kNN-5 | EuroSAT (published names), kNN-5 | dry, ridge (R2) | season, ridge (R2) |" in text
    assert "| month alone | - | - | - | " in text
    assert "* EuroSAT (published names): 12 places are tested, in " in text
    assert "3 stratified folds, drawn 2 times" in text
    assert "| naive | 8 samples | dry, ridge | RMSE | " in text
    assert "mean average precision" in text
    with (swept / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    asked = ("dry, ridge", "RMSE")
    mean, raw = (
        [float(row["value"]) for row in rows if [row[key] for key in ("arm", "task", "metric")] == [arm, *asked]]
        for arm in ("majority", "raw bands")
    )
    assert max(raw) < 0.3 * min(mean)


def test_untrained_encoders_are_those_of_evaluate(here, swept):
    """The sweep's scores of an encoder are what `evaluate` finds for it."""
    from olmoearth_nb.data.labelled.open import open_set
    from olmoearth_nb.evaluation.arms import baselines, of_encoders
    from olmoearth_nb.evaluation.evaluate import evaluate
    from olmoearth_nb.evaluation.folds import divide
    from olmoearth_nb.weights.trained import load_trained

    made = next(Path(swept / "runs" / "cell v1.1 1").glob("budget-*"))
    labelled = open_set(here / "dry.csv", label="dry", pixel="id", unit="%")
    arm = of_encoders("one", [load_trained(made).encoder], labelled, ("sentinel2_l2a",), 1)
    found = evaluate([arm, *baselines(labelled, ("sentinel2_l2a",))], labelled, *divide(labelled, 3, 2), draws=2)
    right = read_scores(swept).right["v1.1", "8 samples", "dry, ridge"][1]
    assert np.allclose(right_by_group(found, "one", "ridge")[0], right)


def test_rates_are_chosen_by_sets_of_their_own(here):
    dry = {"path": "dry.csv", "label": "dry", "pixel": "id", "unit": "%"}
    chips = {"path": "chips", "folds": 3, "probes": "kNN-5"}
    path = changed(here, evaluate=dry | {"part": "2/2", "folds": 3}, choose=[chips, dry | {"part": "1/2", "folds": 3}])
    given = yaml.safe_load(path.read_text()) | {"rates": {"choose": [0.001, 0.004], "samples": 8}}
    path.write_text(yaml.safe_dump(given))
    study, folder = Study.load(path), here / "chosen"
    write_json(folder / "study.json", study.to_dict())
    for rate in (0.001, 0.004):
        for arm in ("naive", "v1.1"):
            run_job(folder, f"rate {arm} {rate}")
    found = result(folder, "rate naive 0.001")["scores"]
    assert list(found) == ["EuroSAT, kNN-5", "dry: dry (part 1/2), ridge"]
    tested, notes = run_job(folder, "floors")["floors"][0]["scores"], run_job(folder, "floors")["notes"]
    (places,) = [one["groups"] for one in tested.values()]
    chosen = found["dry: dry (part 1/2), ridge"]["groups"]
    assert sorted(places + chosen) == list(range(36))
    assert len(chosen) == 18
    assert "rates are chosen by dry: dry (part 1/2), which has no group in common with" in str(notes)
    assert "part 2/2 of the set, divided by groups and classes: 18 of 36 places" in str(notes)
    _choose(study, folder)
    assert result(folder, "chosen naive")["rate"] in (0.001, 0.004)


def test_dates_and_mappings_of_a_file(here):
    """YAML reads a date without quotes as a date; `to_samples` takes columns by band."""
    columns = {band: band for band in SENTINEL2.band_names}
    given = yaml.safe_load("{path: dry.csv, label: dry, dates: [2020-07-01], pixel: id}") | {"columns": columns}
    study = Study.load(changed(here, evaluate=given))
    assert study.sets[0].options == {"label": "dry", "dates": ["2020-07-01"], "pixel": "id", "columns": columns}
    assert json.loads(json.dumps(study.to_dict())) == study.to_dict()


MISTAKES = {
    "a task of a world": ({"tasks": ["scene, scene, kNN"]}, {}, "a corpus has no answers, got 'scene, scene, kNN'"),
    "nothing to score": ({}, {"evaluate": []}, "at least one task or one set"),
    "a set without a path": ({}, {"evaluate": [{"label": "x"}]}, "mapping with a path"),
    "a set that is a word": ({}, {"evaluate": ["eurosat"]}, "mapping with a path"),
    "names twice": ({}, {"evaluate": {"path": "a", "names": ["content", "content"]}}, "names of the set .* none twice"),
    "two folds": ({}, {"evaluate": {"path": "a", "folds": 2}}, "at least 3 folds"),
    "half a fold": ({}, {"evaluate": {"path": "a", "folds": 5.5}}, "folds of a set to evaluate on: whole numbers"),
    "rates by nothing": ({"rates": {"choose": [0.1]}}, {}, "sets under data: choose"),
    "to choose nothing": ({}, {"choose": {"path": "b"}}, "no rates are given"),
    "chosen by what is tested": (
        {"rates": {"choose": [0.1]}},
        {"evaluate": {"path": "a"}, "choose": {"path": "a"}},
        "is not tested on",
    ),
    "chosen by a part of what is tested": (
        {"rates": {"choose": [0.1]}},
        {"evaluate": {"path": "a", "part": "1-2/5"}, "choose": {"path": "a", "part": "2-3/5"}},
        "parts of one that share nothing",
    ),
    "parts of two divisions": (
        {"rates": {"choose": [0.1]}},
        {"evaluate": {"path": "a", "part": "2-5/5", "apart": 1}, "choose": {"path": "a", "part": "1/5"}},
        "with the same options",
    ),
    "a part that is all": ({}, {"evaluate": {"path": "a", "part": "1-5/5"}}, "there is no part 1-5/5"),
    "a part that is a fraction": ({}, {"evaluate": {"path": "a", "part": "0.2"}}, "a part is written '1/5'"),
    "two corpora": ({}, {"folder": "x"}, "a folder of simulated scenes, a corpus, or scenes"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake, tmp_path):
    study, data, said = MISTAKES[mistake]
    given = yaml.safe_load(TEXT) | study
    given["data"] |= data
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(given))
    with pytest.raises(ValueError, match=said):
        Study.load(tmp_path / "study.yaml")


WRONG = {
    "an option that there is not": ({"path": "chips", "label": "x"}, "kind 'eurosat' has no label="),
    "a probe that does not fit": ({"path": "chips", "folds": 3, "probes": "ridge"}, "no probe for them is ridge"),
    "more folds than places": ({"path": "chips"}, "no class of EuroSAT has a place for each of 5 folds"),
    "no such place": ({"path": "nowhere"}, "no file or folder"),
    "one set twice": (None, "two sets are called EuroSAT"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_sets_are_asked_before_anything_is_trained(mistake, here, tmp_path):
    """`floors` is the first job of a sweep."""
    one, said = WRONG[mistake]
    sets = [one] if one else [{"path": "chips", "probes": "kNN-5", "folds": folds} for folds in (3, 4)]
    study = Study.load(changed(here, evaluate=sets))
    write_json(tmp_path / "study.json", study.to_dict())
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        run_job(tmp_path, "floors")


def test_what_rates_are_chosen_by_has_names_and_folds_of_its_own(here):
    dry = {"path": "dry.csv", "label": "dry", "pixel": "id", "unit": "%", "folds": 3}
    chips = {"path": "chips", "folds": 3, "probes": "kNN-5"}

    def checked(evaluate, choose):
        path = changed(here, evaluate=evaluate, choose=choose)
        given = yaml.safe_load(path.read_text()) | {"rates": {"choose": [0.001], "samples": 8}}
        path.write_text(yaml.safe_dump(given))
        return check_sets(Study.load(path))

    with pytest.raises(ValueError, match="two sets are called EuroSAT; give one of them a name"):
        checked(dry, [chips, chips | {"apart": 1}])
    write_eurosat(here / "again", 3, step=12_000)  # the first three chips of each class once more
    for names in ("content", "published"):
        with pytest.raises(ValueError, match=r"have 9 places in common \(Forest_1 is Forest_1, .*\.\.\.\); give other"):
            checked(chips, chips | {"path": "again", "names": names})
    split = write_m_eurosat(here / "split", train=21, test=2)
    with pytest.raises(ValueError, match=r"m-eurosat has a published split, .* folds, knn_in_folds would do nothing"):
        checked(dry, {"path": str(split), "folds": 3, "knn_in_folds": True})
    with pytest.raises(ValueError, match=r"m-eurosat and EuroSAT have 7 places in common \(id_1 is Forest_2, id_2 is "):
        checked([dry, chips], {"path": str(split), "folds": 3, "ignore_split": True})
    assert checked([dry | {"name": "a"}, dry | {"name": "b", "probes": "ridge"}], chips) == {
        name: [
            f"rates are chosen by EuroSAT, which has no place in common with {name} as far as pixels tell; places of "
            "one may still lie beside places of the other"
        ]
        for name in "ab"
    }


def test_folds_are_drawn_as_the_study_says(here):
    """A published split can be ignored, and nearest neighbours asked in folds."""
    split = write_m_eurosat(here / "divided", train=28, test=2)
    plain = ScoredSet(str(split), probes=("kNN-5",))
    drawn = replace(plain, folds=3, repeats=2, ignore_split=True, knn_in_folds=True)
    one, two = (floors_of(spec, "content", here / "predictions")[1]["m-eurosat"][0] for spec in (plain, drawn))
    assert one == "2 places are tested, in 2 groups. kNN-5: the published split."
    assert two == "30 places are tested, in 30 groups. kNN-5: 3 stratified folds, drawn 2 times."


SHIPPED = Path(__file__).parents[2] / "data" / "studies"


@pytest.mark.parametrize("path", sorted(SHIPPED.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_that_come_with_the_package_can_be_read(path):
    assert len(Study.load(path).arms) >= 3


def test_the_study_for_a_gpu_can_score_its_set(tmp_path):
    """What a set refuses is seen when it is opened, not when the file is read."""
    (tmp_path / "tiles").mkdir()
    write_m_eurosat(tmp_path / "m-eurosat", train=120, test=2)
    (tmp_path / "gpu.yaml").write_bytes((SHIPPED / "ladder" / "gpu.yaml").read_bytes())
    study = Study.load(tmp_path / "gpu.yaml")
    assert {names for spec in study.sets for names in spec.names} == {"content", "published"}
    assert {row["seed"] for row in scoring.floors(study, tmp_path)["floors"]} == set(study.seeds)


def test_the_study_for_colab_in_small(tmp_path, small_world):
    """Its own file, on twins of its data, with two arms of a smaller model and hardly any time."""
    (tmp_path / "subset_1k").symlink_to(small_world)
    write_m_eurosat(tmp_path / "m-eurosat", train=21, test=2)
    given = yaml.safe_load((SHIPPED / "colab.yaml").read_text())
    given |= {
        "size": "mini",
        "minutes": [0.003],
        "seeds": [0, 1],
        "crops": {"patch_sizes": [4], "edges": [2], "budget": 72},
    }
    del given["arms"]["v1"]
    (tmp_path / "colab.yaml").write_text(yaml.safe_dump(given))
    study, folder = Study.load(tmp_path / "colab.yaml"), tmp_path / "sweep"
    write_json(folder / "study.json", study.to_dict())
    arms = ("naive", "v1.1")
    for key in (
        "floors",
        *(f"timing {arm}" for arm in arms),
        *(f"cell {arm} {seed}" for arm in arms for seed in (0, 1)),
    ):
        run_job(folder, key)
    text = report(write_scores(folder)).read_text()
    assert "| arm | m-eurosat, kNN-5 | m-eurosat, kNN-20 | m-eurosat (published names), kNN-5 |" in text
    assert "* m-eurosat (published names): 2 places are tested, in 2 groups." in text
