"""The script of `docs/ablations.md`, saved and run as a reader would."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from documented import ROOT, blocks

from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.data.simulate.generate import simulate
from olmoearth_nb.evaluation.tasks import Task
from olmoearth_nb.pretrain.crops import Crops

pytestmark = pytest.mark.xdist_group("sweeps")


def test_documented_study(tmp_path):
    """A script without a `__main__` guard adds an arm to a study; all twelve bands are in it, and it is reported."""
    (script,) = blocks(ROOT / "docs" / "ablations.md", "python")
    (tmp_path / "my_arm.py").write_text(script)
    world = simulate(tmp_path / "world", 10 * 16, size=32, dates=1, quiet=True)
    study = Study.load(ROOT / "data" / "studies" / "three_arms.yaml")
    task = Task("scene", "scene", "kNN", most=32)
    small = {"samples": (8,), "minutes": (), "tasks": (task,), "crops": Crops((8,), (2,), 72)}
    arms = tuple(
        replace(arm, recipe=replace(arm.recipe, optimisation=replace(arm.recipe.optimisation, batch=8, micro_batch=8)))
        for arm in study.arms[::2]
    )
    (tmp_path / "data" / "studies").mkdir(parents=True)
    written = replace(study, arms=arms, data={"folder": str(world)}, **small).to_dict()
    (tmp_path / "data" / "studies" / "three_arms.yaml").write_text(json.dumps(written))  # JSON is YAML
    command = [sys.executable, "my_arm.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "| mine, untrained |" in done.stdout
    assert read_scores(tmp_path / "sweep").arms == ("naive", "v1.1", "mine")
    mine = json.loads((tmp_path / "sweep" / "study.json").read_text())["arms"]["mine"]["tokenization"]
    assert sum(len(group.split()) for group in mine["sentinel2_l2a"]) == 12
