"""A study as data: arms that are compared, on which seeds, data, budgets and tasks. One small YAML holds all of it.

    size: mini
    arms:
      naive: {recipe: naive}
      mine: {recipe: naive, tokenization: {sentinel2_l2a: [B02 B03 B04 B08, B05 B06 B07 B8A B11 B12 B01 B09]}}
    seeds: [0, 1, 2]
    data: {scenes: 2000, seed: 0}
    samples: [4096]
    minutes: [2]
    rates: {choose: [0.002, 0.004], samples: 1024, seed: 1000}
    tasks: ["scene, scene, kNN", "one band, patches, probe"]

The first arm is the baseline of all comparisons. `data` may also name a `corpus` of real places, and labelled sets to
`evaluate` on (see `sets`):

    data:
      corpus: l2a_chips
      evaluate: [{path: eurosat_ms, names: [content, published]}]
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, ValidationError, create_model

from olmoearth_nb.ablation.sets import Listed, ScoredSet, Whole, beside, split_options
from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.data.simulate.tile import LEVELS, checked
from olmoearth_nb.data.simulate.version import version_of
from olmoearth_nb.evaluation.tasks import Task
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
from olmoearth_nb.pretrain.recipes import RECIPES, Optimisation, Recipe, two_cores
from olmoearth_nb.tokenization import Tokenization, tokenization

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")

NAME = re.compile(r"([\w.-]+ )*[\w.-]*[\w-]")
"""What an arm may be called; it names a folder."""


@dataclass(frozen=True)
class Arm:
    """What is compared: a recipe under a name."""

    name: str
    recipe: Recipe

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"an arm is named by letters, digits, '.', '_', '-' and single spaces, no '.' last, got {self.name!r}"
            )


@dataclass(frozen=True)
class Rates:
    """The rule that chooses each arm's learning rate, fixed before anything is trained.

    Each rate is tried with a short run of its own; the one whose embeddings answer most right is taken, the lower of
    equals: of the study's tasks on *validation* tiles, and of the labelled sets under `choose`, which are no sets that
    the study is scored on.

    Attributes:
        choose: the rates.
        samples: of each trial.
        seed: of all trials; none of the study's seeds.
    """

    choose: Listed[float]
    samples: Whole = 1024
    seed: Whole = 1000


@dataclass(frozen=True)
class Study:
    """What is run.

    Attributes:
        arms: the first is the baseline.
        seeds: of training; the same for all arms, so that arms are compared in pairs.
        data: `scenes`, `size`, `dates`, `seed`, `version` and `level` of a simulated world, or the `folder` of one, or
            a `corpus`, which is anything that `open_corpus` opens.
        tasks: of the world, that embeddings are tested on.
        samples: budgets equal in samples.
        minutes: budgets equal in time, of one thread on one machine.
        rates: how each arm's learning rate is chosen; None takes that of its recipe.
        size: of all models.
        crops: what a micro-batch sees.
        sets: labelled ones that embeddings are tested on; `evaluate` under `data` in a file.
        choose: those that learning rates are chosen by.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    data: Mapping[str, Any]
    tasks: tuple[Task, ...]
    samples: tuple[int, ...] = ()
    minutes: tuple[float, ...] = ()
    rates: Rates | None = None
    size: str = "mini"
    crops: Crops = field(default_factory=lambda: TWO_CORES)
    sets: tuple[ScoredSet, ...] = ()
    choose: tuple[ScoredSet, ...] = ()

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(names) < 2 or len({name.lower() for name in names}) < len(names):
            raise ValueError(f"a study has at least two arms of different names, got {', '.join(names) or 'none'}")
        if len(self.seeds) < 2 or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"a study has at least two different seeds, else nothing says how much of a difference is "
                             f"chance; got {list(self.seeds)}")  # fmt: skip
        if not self.samples and not self.minutes:
            raise ValueError("give budgets: samples, minutes, or both")
        if not (self.tasks or self.sets) or len(set(self.tasks)) < len(self.tasks):
            raise ValueError("give at least one task or one set under data: evaluate, and none twice")
        if len({(task.patch, task.fraction, task.most) for task in self.tasks}) > 1:
            raise ValueError("all tasks of a study have the same patch, share and most")
        for arm in self.arms:
            arm.recipe.config(self.size)
        self._check_budgets()
        self._check_rates()
        self._check_data()

    def _check_budgets(self) -> None:
        """Every arm makes at least one step."""
        whole = (*self.samples, *self.seeds)
        if any(isinstance(value, bool) or not isinstance(value, int) for value in whole):
            raise ValueError(f"samples and seeds are whole numbers, got {[*self.samples]} and {[*self.seeds]}")
        counts = [*self.samples, *([self.rates.samples] if self.rates else [])]
        most = max(arm.recipe.optimisation.batch for arm in self.arms)
        if min(counts, default=most) < most or min(self.minutes, default=1) <= 0:
            raise ValueError(
                f"budgets hold at least one step of {most} samples, or minutes above 0, got {counts} samples and "
                f"{[*self.minutes]} minutes"
            )
        if self.crops.counted != Crops().counted:
            raise ValueError("a study's crops count their budget with v1's band sets, as the official scripts do")

    def _check_rates(self) -> None:
        """The rule can choose, and not on what is tested."""
        if self.rates and (not self.rates.choose or min(self.rates.choose) <= 0):
            raise ValueError(f"rates to choose from must be above 0, got {list(self.rates.choose)}")
        if self.rates and self.rates.seed in self.seeds:
            raise ValueError(f"the trials of rates need a seed of their own, {self.rates.seed} is one of the study's")

    def _check_data(self) -> None:
        """Data are a folder, a corpus, or the parameters of a world; what is chosen by is not tested on."""
        given = set(self.data)
        if given not in ({"folder"}, {"corpus"}):
            if not {"scenes"} <= given <= {item.name for item in fields(_World)}:
                raise ValueError(
                    "data are a folder of simulated scenes, a corpus, or scenes, size, dates, seed, version and level "
                    f"of a world; beside them evaluate and choose; got {sorted(given)}"
                )
            _checked("data", _World, dict(self.data))
        if self.tasks and "corpus" in given:
            raise ValueError(
                f"tasks ask about simulated scenes and a corpus has no answers, got {self.tasks[0].name!r}; give sets "
                "under data: evaluate, or scenes"
            )
        if both := {one.path for one in self.sets for other in self.choose if one.meets(other)}:
            raise ValueError(
                f"what rates are chosen by is not tested on, {', '.join(sorted(both))} is in both; give two sets, or "
                "parts of one that share nothing, with the same options, such as part: 1/5 under choose and part: "
                "2-5/5 under evaluate"
            )
        if self.rates and not (self.tasks or self.choose):
            raise ValueError("rates are chosen by tasks or by sets under data: choose, and there are none")
        if self.choose and not self.rates:
            raise ValueError("data: choose names sets to choose learning rates by, and no rates are given")

    def arm(self, name: str) -> Arm:
        """The arm of that name.

        Raises:
            ValueError: for an unknown name, listing the valid ones.
        """
        found = {arm.name: arm for arm in self.arms}
        if name not in found:
            raise ValueError(f"no arm {name!r}; there are {', '.join(found)}")
        return found[name]

    def with_arm(self, name: str, given: Recipe | Tokenization) -> Study:
        """The same study with another arm: a recipe as it is, or the first arm's recipe with another tokenization."""
        recipe = given if isinstance(given, Recipe) else replace(self.arms[0].recipe, tokenization=given)
        return replace(self, arms=(*self.arms, Arm(name, replace(recipe, name=name))))

    def to_dict(self) -> dict[str, Any]:
        """All that decides the result as plain data, every default written out; `from_dict` reads it."""
        crops = self.crops
        found: dict[str, Any] = {"size": self.size, "arms": {arm.name: _as_dict(arm.recipe) for arm in self.arms}}
        sets = {"evaluate": self.sets, "choose": self.choose}
        data = dict(self.data) | {key: [one.to_dict() for one in given] for key, given in sets.items() if given}
        found |= {"seeds": [*self.seeds], "data": data, "samples": [*self.samples], "minutes": [*self.minutes]}
        found["tasks"] = [task.name for task in self.tasks]
        for first in self.tasks[:1]:
            found |= {"patch": first.patch, "share": first.fraction, "most": first.most}
        found["rates"] = None if self.rates is None else asdict(self.rates) | {"choose": [*self.rates.choose]}
        found["crops"] = {"patch_sizes": [*crops.patch_sizes], "edges": [*crops.edges], "budget": crops.budget}
        return found

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Study:
        """A study from plain data, such as a YAML holds.

        Raises:
            ValueError: for a key that there is not, one that is missing, or a value that makes no sense.
        """
        plain = _checked("a study", _Plain, given)
        options = {"patch": plain.patch, "fraction": plain.share, "most": plain.most}
        data = {key: value for key, value in plain.data.items() if key not in ("evaluate", "choose")}
        return cls(
            arms=tuple(Arm(name, _recipe(name, spec, plain.size)) for name, spec in plain.arms.items()),
            seeds=plain.seeds,
            data=data,
            tasks=tuple(_task(text, options) for text in plain.tasks),
            samples=plain.samples,
            minutes=plain.minutes,
            rates=_checked("rates", Rates, plain.rates) if plain.rates else None,
            size=plain.size,
            crops=_checked("crops", Crops, plain.crops) if plain.crops else TWO_CORES,
            sets=_sets(plain.data.get("evaluate", ())),
            choose=_sets(plain.data.get("choose", ())),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Study:
        """A study from a YAML file; folders of data are relative to it.

        Raises:
            ValueError: if it is none, saying why.
        """
        import yaml

        try:
            given = yaml.safe_load(Path(path).read_text(encoding="utf8"))
            if not isinstance(given, dict):
                raise ValueError("it holds no mapping")
            if isinstance(given.get("data"), dict):
                given["data"] = beside(given["data"], Path(path).parent)
            return cls.from_dict(given)
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise ValueError(f"{path} is no study: {error}") from error


@dataclass(frozen=True)
class _World:
    """The parameters of a simulated world; `open_world` has the same defaults."""

    scenes: Whole
    size: Whole = 32
    dates: Whole = 6
    seed: Whole = 0
    version: Whole = 1
    level: str = LEVELS[0]

    def __post_init__(self) -> None:
        version_of(self.version)
        checked(self.level)


@dataclass(frozen=True)
class _Plain:
    """A study as a file holds it; what is one alone need not be in a list."""

    arms: dict[Annotated[str, BeforeValidator(str)], str | dict[str, Any]]
    seeds: Listed[Whole]
    data: dict[str, Any]
    tasks: Listed[str] = ()
    samples: Listed[Whole] = ()
    minutes: Listed[float] = ()
    rates: dict[str, Any] | None = None
    size: str = "mini"
    crops: dict[str, Any] | None = None
    patch: int = 4
    share: float = 0.2
    most: int = 0


def _checked(what: str, kind: type[T], given: Any) -> T:
    """Plain data as a dataclass, every value of the type that its field has.

    Raises:
        ValueError: naming every key and value that does not fit, and what would.
    """
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    try:
        return dict(create_model(what, __config__=config, plain=(kind, ...))(plain=given))["plain"]
    except ValidationError as error:
        mistakes = [_mistake(what, kind, one) for one in error.errors()]
        raise ValueError("; ".join(dict.fromkeys(mistakes))) from error


def _mistake(what: str, kind: type, one: ErrorDetails) -> str:
    """One of pydantic's findings in words."""
    where = [str(part) for part in one["loc"][1:]]
    if one["type"] == "unexpected_keyword_argument":
        return f"{what} has no {where[-1]}; there are {', '.join(sorted(item.name for item in fields(kind)))}"
    if one["type"] == "missing":
        return f"{what} needs {where[-1]}"
    if one["type"] == "value_error":  # of the dataclass itself, which says all
        return str(one["ctx"]["error"])
    message = "whole numbers are meant" if one["type"].startswith("int_") else one["msg"]
    return f"{' of '.join([*where[:1], what])}: {message}, got {one['input']!r}"


def _sets(given: Any) -> tuple[ScoredSet, ...]:
    """Labelled sets, of which a file may hold one alone."""
    listed = given if isinstance(given, list | tuple) else [given]
    return tuple(_checked("a set to evaluate on", ScoredSet, split_options(one)) for one in listed)


def _task(text: str, options: Mapping[str, Any]) -> Task:
    """A task from its name."""
    parts = [part.strip() for part in str(text).split(",")]
    if len(parts) != 3:
        raise ValueError(f"a task is 'target, readout, probe', such as 'one band, patches, probe', got {text!r}")
    target, readout, probe = parts
    return Task(target, readout, probe, **options)


def _recipe(name: str, spec: Mapping[str, Any] | str, size: str) -> Recipe:
    """A recipe from the built-in one that it begins from, and what it changes."""
    changes: dict[str, Any] = {"recipe": spec} if isinstance(spec, str) else dict(spec)
    if "recipe" not in changes:
        raise ValueError(f"arm {name} needs recipe, the built-in one that it begins from: {', '.join(RECIPES)}")
    base = two_cores(changes.pop("recipe"), size)
    if "tokenization" in changes:
        groups = changes["tokenization"]
        if not isinstance(groups, str):
            groups = _checked(f"tokenization of arm {name}", dict[str, list[str | list[str]]], groups)
        changes["tokenization"] = tokenization(groups) if isinstance(groups, str) else Tokenization(name, groups)
    if "optimisation" in changes:
        what = f"optimisation of arm {name}"
        merged = asdict(base.optimisation) | _checked(what, dict[str, Any], changes["optimisation"])
        changes["optimisation"] = _checked(what, Optimisation, merged)
    return _checked(f"arm {name}", Recipe, vars(base) | changes | {"name": name})


def _as_dict(recipe: Recipe) -> dict[str, Any]:
    """Every field of a recipe as plain data."""
    found: dict[str, Any] = {item.name: getattr(recipe, item.name) for item in fields(recipe) if item.name != "name"}
    if recipe.pixel_mixer is None:
        del found["pixel_mixer"]  # studies from before there were mixers lack it, and stay the same study
    groups = {name: recipe.tokenization.groups_of(name) for name in MODALITIES}
    plain = {name: [" ".join(group) for group in own] for name, own in groups.items()}
    found["tokenization"] = {name: own for name, own in plain.items() if own != [" ".join(MODALITIES[name].band_names)]}
    return {"recipe": "v1"} | found | {"optimisation": asdict(recipe.optimisation)}
