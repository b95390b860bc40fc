"""Notebook 05 as a cell of a sweep: it is the record of the same result."""

from pathlib import Path

import nbformat
import pytest

from olmoearth_nb.ablation.folder import result
from olmoearth_nb.ablation.jobs import run_job, run_notebook
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.ablation.sweep import ablate
from olmoearth_nb.io.durable import write_json

pytestmark = pytest.mark.xdist_group("kernels")

NOTEBOOK = next((Path(__file__).parents[2] / "notebooks").glob("05_*.ipynb"))
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
    for name in ("plain", "noted"):
        write_json(tmp_path / name / "study.json", tiny_study(small_world).to_dict())
    run_job(tmp_path / "plain", f"cell {ARM} 4")
    copy = run_notebook(NOTEBOOK, tmp_path / "noted", f"cell {ARM} 4")
    assert copy == tmp_path / "noted" / "notebooks" / f"{ARM} 4.ipynb"
    assert told(tmp_path / "noted") == told(tmp_path / "plain")
    assert [one["budget"] for one in told(tmp_path / "noted")["budgets"]] == ["untrained", "8 samples", "16 samples"]
    said = "".join(
        output.get("text", "") for cell in nbformat.read(copy, 4).cells for output in cell.get("outputs", [])
    )
    assert f"{ARM}, seed 4: untrained, 8 samples, 16 samples" in said
    assert "band_dropout: 0.0 -> 0.5" in said
    jobs = [path.name for path in (tmp_path / "noted" / "jobs").glob("*.json")]
    assert jobs == [f"cell {ARM} 4.json"], "no other job is run"


def test_a_sweep_runs_its_cells_as_notebooks(small_world, tmp_path):
    """In Dask's workers, where the main thread is not the one that runs a job."""
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    given = nbformat.v4.new_code_cell('sweep, arm, seed = "", "", 0', metadata={"tags": ["parameters"]})
    code = "from pathlib import Path\nfrom olmoearth_nb.ablation.jobs import run_job\n"
    runs = nbformat.v4.new_code_cell(code + 'print(run_job(Path(sweep), f"cell {arm} {seed}")["seed"])')
    nbformat.write(nbformat.v4.new_notebook(cells=[given, runs], metadata=about), tmp_path / "cell.ipynb")
    folder = ablate(tiny_study(small_world), tmp_path / "sweep", notebook=tmp_path / "cell.ipynb", quiet=True)
    kept = sorted(path.name for path in (folder / "notebooks").iterdir())
    assert kept == sorted(f"{arm} {seed}.ipynb" for arm in ("naive", ARM) for seed in (3, 4))
    assert read_scores(folder).budgets == ("8 samples", "16 samples")


def test_a_notebook_that_does_not_run_the_job_is_an_error(small_world, tmp_path):
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    idle = nbformat.v4.new_notebook(metadata=about)
    nbformat.write(idle, tmp_path / "idle.ipynb")
    write_json(tmp_path / "study.json", tiny_study(small_world).to_dict())
    with pytest.raises(ValueError, match=r"idle.ipynb ended without a result: it must call run_job"):
        run_notebook(tmp_path / "idle.ipynb", tmp_path, f"cell {ARM} 4")
