"""Notebook 05 as a cell of a sweep: it is the record of the same result."""

import shutil
from pathlib import Path

import nbformat
import pytest

from olmoearth_nb.ablation.folder import done, result
from olmoearth_nb.ablation.jobs import run_job, run_notebook
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.ablation.sweep import ablate
from olmoearth_nb.io.durable import write_json

pytestmark = pytest.mark.xdist_group("kernels")

NOTEBOOK = next((Path(__file__).parents[2] / "notebooks").glob("11_*.ipynb"))
ARM = "band dropout 0.5"


def tiny_study(world):
    return Study.from_dict(
        {
            "arms": {"naive": "naive", ARM: {"recipe": "naive", "band_dropout": 0.5}},
            "seeds": [3, 4],
            "data": {"folder": str(world)},
            "samples": [8, 16],
            "tasks": ["cover, patches, probe"],
            "patch": 8,
            "most": 12,
            "crops": {"patch_sizes": [8], "edges": [2], "budget": 72},
        }
    )


def told(folder):
    """What a cell found, its time left out."""
    found = result(folder, f"cell {ARM} 4")
    budgets = [{key: value for key, value in one.items() if key != "seconds"} for one in found["budgets"]]
    return {"arm": found["arm"], "seed": found["seed"], "budgets": budgets}


def test_a_notebook_gives_the_result_of_its_job(small_world, tmp_path):
    """In Dask's workers, where the main thread is not the one that runs a job."""
    write_json(tmp_path / "plain" / "study.json", tiny_study(small_world).to_dict())
    cells = [f"cell {arm} {seed}" for arm in ("naive", ARM) for seed in (3, 4)]
    for key in ("floors", *cells):
        run_job(tmp_path / "plain", key)
    noted = shutil.copytree(tmp_path / "plain", tmp_path / "noted")
    done(noted, f"cell {ARM} 4").unlink()
    shutil.rmtree(noted / "runs" / f"cell {ARM} 4")
    ablate(tiny_study(small_world), noted, notebook=NOTEBOOK, quiet=True)
    assert [path.name for path in (noted / "notebooks").iterdir()] == [f"{ARM} 4.ipynb"], "the others were done"
    assert told(noted) == told(tmp_path / "plain")
    assert [one["budget"] for one in told(noted)["budgets"]] == ["untrained", "8 samples", "16 samples"]
    copy = nbformat.read(noted / "notebooks" / f"{ARM} 4.ipynb", 4)
    said = "".join(output.get("text", "") for cell in copy.cells for output in cell.get("outputs", []))
    assert f"{ARM}, seed 4: untrained, 8 samples, 16 samples" in said
    assert "band_dropout: 0.0 -> 0.5" in said
    assert read_scores(noted).budgets == ("8 samples", "16 samples")


def test_a_notebook_that_does_not_run_the_job_is_an_error(small_world, tmp_path):
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    idle = nbformat.v4.new_notebook(metadata=about)
    nbformat.write(idle, tmp_path / "idle.ipynb")
    write_json(tmp_path / "study.json", tiny_study(small_world).to_dict())
    with pytest.raises(ValueError, match=r"idle.ipynb ended without a result: it must call run_job"):
        run_notebook(tmp_path / "idle.ipynb", tmp_path, f"cell {ARM} 4")
