"""What does a model lose that reads fewer bands: one sensor of three, or a resolution less?

    python benchmarks/lost.py v1=A,B,C naive=D,E,F --data WORLD

The same models, trained as they are with three sensors, read the same scenes of a simulated world under five
conditions; costs are differences from the first one:

* Sentinel-2 alone: all of its bands, as they are;
* three sensors: with Sentinel-1 and Landsat; its "cost" is below 0 where they help;
* no 10 m, no 20 m, no 60 m: the bands of that resolution are replaced by their means over the set.

Models are given as to `olmoearth-nb evaluate`; the first one is what others are compared with. Writes intervals.csv,
differences.csv and report.md as `labels.py` does.
"""

from __future__ import annotations

from labels import Sets, answer, asked_for

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.labelled.changed import Changed, by_means
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.arms import Arm, of_encoders
from olmoearth_nb.evaluation.contenders import Contender
from olmoearth_nb.tokenization import TOKENIZATIONS

ALONE = (SENTINEL2.name,)
SENSORS = (*ALONE, "sentinel1", "landsat")


def conditions(whole: LabelledSet) -> Sets:
    """The set under each condition."""
    groups = dict(zip(("10 m", "20 m", "60 m"), TOKENIZATIONS["v1"].groups_of(SENTINEL2.name), strict=True))
    found: dict[str, tuple[LabelledSet, tuple[str, ...]]] = {
        "Sentinel-2 alone": (whole, ALONE),
        "three sensors": (whole, SENSORS),
    }
    for resolution, bands in groups.items():
        found[f"no {resolution}"] = (
            Changed(whole, by_means(whole, bands), f"means stand in for all bands of {resolution}"),
            ALONE,
        )
    return found


def arms_of(model: Contender, labelled: LabelledSet, sensors: tuple[str, ...]) -> list[Arm]:
    """A model, read as the mean of all of its tokens."""
    name, encoders, kind, of = model
    return [of_encoders(name, encoders, labelled, sensors, kind=kind, of=of)]


def main() -> None:
    """Reads the command."""
    given = asked_for(__doc__, "a simulated world (folder)")
    answer(given, conditions(open_set(given.data, **({"part": given.part} if given.part else {}))), arms_of)


if __name__ == "__main__":
    main()
