# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/05_from_naive_merge_to_v1_1.ipynb)
#
# # From naive merge to v1.1
#
# Merging all bands of Sentinel-2 into one token made OlmoEarth cheaper and, by the release's account, worse; a changed
# recipe won the accuracy back. **Which ingredient of the recipe does it, and how would we know?** Before any answer we
# test the instrument itself: the bench that compares recipes.
#
# | you need | why |
# |---|---|
# | notebooks 02 and 04 | tokenizations, recipes, and what a pretraining run is |
# | mean, standard deviation, confidence interval | comparisons are made of them |
#
# | | two CPU cores | Colab T4 |
# |---|---|---|
# | time | 60 s, 10 s more the first time | not measured |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. It takes the extras that read
# tiles (`data`) and that train and spread work over processes (`scale`).

# %% tags=["setup", "nbval-ignore-output"]
import importlib.util

if importlib.util.find_spec("olmoearth_nb") is None:
    from IPython import get_ipython

    package = "olmoearth_nb[data,scale] @ git+https://github.com/olmoearth-nb/olmoearth_nb"
    get_ipython().run_line_magic("pip", f'install -q "{package}"')

from olmoearth_nb.notebook.start import start

device = start(seed=0)

# %% [markdown]
# `samples` is the length of each live training, `most` the number of scenes of a split that are read out (0 for all),
# `repetitions` how often we draw a study without a difference. `data` takes your own sample (see notebook 01), to count
# its tokens. `sweep`, `arm` and `seed` are set by the bench when it runs this notebook as its record: see *This run*.

# %% tags=["parameters"]
data = ""
samples = 256
most = 64
repetitions = 100
sweep = ""
arm = "naive"
seed = 0

# %%
import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml
from IPython.display import Markdown, display
from scipy.special import stdtrit

from olmoearth_nb import Tokenization, encoder_cost
from olmoearth_nb.ablation import figures as plots_bench
from olmoearth_nb.ablation.folder import Job, run_of
from olmoearth_nb.ablation.kinds import read_study, run_job, world_of
from olmoearth_nb.ablation.planted import BUDGET, Design, behaviour, draw
from olmoearth_nb.ablation.report import accuracies, findings, report
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.ablation.sweep import ablate
from olmoearth_nb.data import load_place
from olmoearth_nb.data.simulate.world import open_world
from olmoearth_nb.evaluation.intervals import difference, holm
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots import training as plots_training
from olmoearth_nb.pretrain.recipes import differences, two_cores

# %% [markdown]
# ## What differs
# `naive` is v1 with merged tokens and nothing else changed. v1.1 has the same tokens. What lies between them is all
# there is to be explained:

# %%
naive, v1_1 = two_cores("naive"), two_cores("v1.1")
steps = differences(naive, v1_1)
for name, (old, new) in steps.items():
    print(f"{name:17} {old!s:22} -> {new}")

# %% [markdown]
# | ingredient | what it does | why it might help |
# |---|---|---|
# | pixel layer | pixels pass a small layer before the patch is projected | twelve bands share one projection |
# | band dropout | the encoder loses whole bands, up to one in five | one band must do for another |
# | masking | a sensor that is shown is never asked; whole dates are hidden | merged bands cannot ask each other (04) |
# | masked negatives | equal targets of maps do not compete | a map of one class asks the impossible |
# | contrast | the second loss weighs half | less pull towards telling samples apart |
#
# The right column is what one *might* think. An ablation asks each of them: **one factor at a time**. Each ingredient
# alone, added to `naive`:

# %%
one_each = {name: replace(naive, name=f"with {name}", **{name: new}) for name, (_, new) in steps.items()}
for recipe in one_each.values():
    print(f"{recipe.name:22} differs from naive in", ", ".join(differences(naive, recipe)))

# %% [markdown]
# All of them together must be v1.1, or the list is not complete:

# %%
together = replace(naive, **{name: new for name, (_, new) in steps.items()})
assert differences(together, v1_1) == {}
print(len(steps), "ingredients, and nothing else between naive and v1.1")

# %% [markdown]
# Adding one to `naive` is one question; taking one from v1.1 is another, and the official ablations ask that one
# (`no pixel layer`, `v1 masking`, ... in `recipes.RECIPES`). The answers need not agree: an ingredient may do nothing
# alone and be needed beside another.
#
# ## The ruler first
# Every comparison of two trained models finds *some* difference. Train the same recipe with another seed, and the
# accuracy moves; ask other test tiles, and it moves again. So we first look at the ruler, with studies whose truth we
# know.

# %% [markdown]
# ### A study without any difference
# A `Design` is a study that is drawn, not trained. By default: a baseline and two arms, six tasks, five seeds, 120 test
# tiles. Seeds and tiles shift the accuracies; the arms are equal by construction.

# %%
truth = Design()
print("arms:", ", ".join(truth.arms), "| planted differences:", truth.differences)
print(f"spread of an arm's accuracy: {truth.own_seed_spread} by its seeds, {truth.own_tile_spread} by its tiles")

# %% [markdown]
# We draw such a study a hundred times, and look at the most misleading of all: the one with the smallest p. Anybody who
# tries many things and shows the best one shows this table.

# %%
tables = [findings(draw(truth, np.random.default_rng([0, n])), BUDGET) for n in range(repetitions)]
misleading = min(tables, key=lambda found: min(one.comparison.p for one in found))
plots_bench.plot_differences(misleading)

# %% [markdown]
# *Two arms in six tasks, compared with the baseline they are equal to. Lines are 95 % intervals; a line that leaves out
# 0 has p < 0.05. Points are hollow where nothing is found after Holm's rule (below). In grey: differences too small for
# this design.*

# %% [markdown]
# ### One comparison by hand
# An arm and its baseline are compared *in pairs*: the same seeds, the same tiles, so that what a hard tile does to both
# falls out. Three seeds, four tiles; numbers are right answers.

# %%
asked = np.array([10, 20, 10, 20])
of_naive = np.array([[6, 11, 5, 12], [5, 12, 6, 11], [6, 13, 5, 12]])
of_mine = np.array([[7, 14, 6, 13], [6, 13, 7, 15], [8, 15, 5, 14]])
gain = of_mine - of_naive
by_seed = gain.sum(1) / asked.sum()
print("gain with each seed:", by_seed.round(3), "mean", by_seed.mean().round(3))

# %% [markdown]
# Two things make this mean uncertain. Other seeds: the variance of the three gains, over three. Other tiles: we draw
# four of the four tiles with replacement, a thousand times, and look how the mean varies (*bootstrap*). Both variances
# are themselves estimated from few numbers, and Student's quantile pays for that: with three seeds a factor of 4.3
# where infinitely many have 1.96.

# %%
times = np.random.default_rng(0).multinomial(4, [1 / 4] * 4, size=1000)  # how often each tile is drawn
drawn = times @ gain.mean(0) / (times @ asked)
variance = np.array([by_seed.var(ddof=1) / 3, drawn.var(ddof=1) * 4 / 3])  # seeds, tiles
quantiles = stdtrit([3 - 1, 4 - 1], 0.975)
reach = math.sqrt(quantiles**2 @ variance)

# %% [markdown]
# The package must say the same:

# %%
found = difference(of_mine, of_naive, asked)
assert math.isclose(found.value, by_seed.mean())
assert math.isclose(found.low, by_seed.mean() - reach)
assert math.isclose(found.high, by_seed.mean() + reach)
print("mine minus naive:", found)

# %% [markdown]
# ### Many comparisons
# Six tasks times two arms are twelve comparisons, and each has its own chance to be wrong. Holm's rule keeps the chance
# of *any* false finding in a table below 5 %: the smallest p is multiplied by the number of comparisons, the next by
# one less, and so on; none may fall below the one before.

# %%
p_values = [0.010, 0.040, 0.020, 0.300]
adjusted, highest = {}, 0.0
for place, p in enumerate(sorted(p_values)):
    highest = max(highest, p * (len(p_values) - place))
    adjusted[p] = min(1.0, highest)
print([round(adjusted[p], 3) for p in p_values])

# %%
assert np.allclose(holm(p_values), [adjusted[p] for p in p_values])
print("below 0.05 alone:", sum(p < 0.05 for p in p_values), "| after Holm:", sum(p < 0.05 for p in holm(p_values)))

# %% [markdown]
# Now back to the tables without any difference. How often is something "found"?

# %% tags=["headline"]
before = sum(any(one.comparison.p < 0.05 for one in found) for found in tables)
after = sum(any(one.p_holm < 0.05 for one in found) for found in tables)
print(f"{len(tables)} tables without any difference: p < 0.05 somewhere in {before}, after Holm's rule in {after}")

# %% [markdown]
# Without the rule, a good part of all honest studies of *nothing* would report something. A single comparison is wrong
# less often than the 5 % it may be, because intervals add the uncertainty of seeds and tiles with a margin:

# %%
alone = [one.comparison.p < 0.05 for found in tables for one in found]
print(f"{sum(alone)} of {len(alone)} comparisons without a difference have p < 0.05")

# %% [markdown]
# And when there is a difference? We plant 0.06 in one of the two arms. *Power* is the share of such differences that is
# found. Caution has its price: Holm's rule loses some.

# %%
seen = behaviour(replace(truth, differences=(0.06, 0.0)), max(5, repetitions // 5))
print(f"planted 0.06: {seen.power:.0%} found with p < 0.05, {seen.power_holm:.0%} after Holm's rule")
print(f"stated as detectable, four times in five: {seen.detectable:.2f}")

# %% [markdown]
# The last line is what every table of the bench says of itself. "No difference seen" means nothing without it.
#
# ### Seeds or tiles?
# Test tiles are cheap, seeds are whole trainings. Here is why one cannot stand in for the other. This is Student's
# factor for the spread of the seeds, for one comparison and in the strictest step of Holm's rule for twelve:

# %%
print("seeds  alone  among 12")
for seeds in (2, 3, 5, 10, 30):
    single, strictest = stdtrit(seeds - 1, [1 - 0.05 / 2, 1 - 0.05 / 12 / 2])
    print(f"{seeds:5}  {single:5.1f}  {strictest:8.1f}")

# %% [markdown]
# With two seeds the spread is known from a single difference, and a factor above a hundred makes up for that. No number
# of tiles helps:

# %% tags=["headline"]
counts = (2, 3, 4, 5, 7, 10, 15)
detectable = {
    tiles: {seeds: behaviour(Design(seeds=seeds, tiles=tiles), 4).detectable for seeds in counts}
    for tiles in (30, 120, 480)
}
plots_bench.plot_detectable(detectable)

# %% [markdown]
# *The smallest difference that is found four times in five, in a table of twelve comparisons. Above the dashed line no
# difference can be found at all: two accuracies are never further apart than 1.*
#
# With two seeds a table of twelve comparisons sees nothing, and five seeds with few tiles see more than three with very
# many. Once seeds are enough, tiles count again. How far *real* seeds lie apart is not known beforehand: here it was
# planted. The report takes it from the study's own seeds.

# %%
print("2 seeds can see some possible difference:", any(by_seeds[2] < 1 for by_seeds in detectable.values()))
print("5 seeds, 30 tiles see more than 3 seeds, 480 tiles:", detectable[30][5] < detectable[480][3])
print("15 seeds: 480 tiles see half of what 30 tiles can:", detectable[480][15] < detectable[30][15] / 2)

# %% [markdown]
# ## A study is data
# What is compared, on which seeds, data, budgets and tasks, is one small YAML. The first arm is the baseline; an arm is
# a built-in recipe and what it changes. A small one:

# %%
text = """
size: mini
arms:
  naive: {recipe: naive}
  v1.1 masking: {recipe: naive, masking: random_time_with_decode}
seeds: [0, 1]
data: {scenes: 320, seed: 4}
tasks: ["scene, scene, kNN", "one band, patches, probe"]
patch: 8
share: 0.5
crops: {patch_sizes: [8], edges: [2], budget: 400}
"""
study = Study.from_dict(yaml.safe_load(text) | {"samples": [samples], "most": most})
print([one.name for one in study.arms], "x seeds", study.seeds)

# %% [markdown]
# A file is read by `Study.load`. A task is a question, how embeddings are read out, and who reads them: here the class
# of a scene by its nearest neighbours, and the ground of a patch by a linear probe. Budgets may be equal in `samples`,
# in `minutes`, or both: one long run with a decay branch for each (notebook 04). `rates` lets a fixed rule choose each
# arm's learning rate on validation tiles; without that, an arm may lose because its rate was the other's.
#
# What cannot be answered is refused when it is written, not after a night of training:

# %%
for wrong in ({"seeds": (0,)}, {"samples": ()}, {"arms": study.arms[:1]}):
    try:
        replace(study, **wrong)
    except ValueError as error:
        print(error)

# %% [markdown]
# ### An arm of your own
# Five lines: the baseline's recipe with your tokenization. This is the one from notebook 02.

# %%
mine = Tokenization(
    "mine",
    {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07 B08 B8A", "B11 B12"]},
)
study = study.with_arm("mine", mine)

# %%
for name, (old, new) in differences(study.arms[0].recipe, study.arm("mine").recipe).items():
    print(f"{name}\n   {old}\n-> {new}")

# %% [markdown]
# Every default is written out when a study is kept, and read back it is the same study:

# %%
kept = study.to_dict()
assert Study.from_dict(kept).to_dict() == kept
print("an arm is", len(kept["arms"]["mine"]), "values; its optimisation another", end=" ")
print(len(kept["arms"]["mine"]["optimisation"]))

# %% [markdown]
# Accuracy is half of the answer; the other half is what an arm costs. For our place (or your own sample), in the `mini`
# encoder:

# %%
place = load_place(data)
shape = place.images["sentinel2_l2a"].shape
patch = math.gcd(*shape[:2], 8)
print(f"{place.title}, (H, W, T, C) = {shape}, P = {patch}")
for one in study.arms:
    cost = encoder_cost(one.recipe.config(study.size), shape[:3], patch)
    print(f"   {one.name:14} {cost.tokens:6,} tokens, {cost.macs / 1e9:.2f} GMACs")

# %% [markdown]
# ## A small sweep
# Each training is a process that needs seconds before its first step, so here we run the first arm and yours. The world
# is that of notebook 04. Intervals are over test *tiles*, because scenes of one tile share their weather.

# %% tags=["nbval-ignore-output"]
aside = TemporaryDirectory()
folder = Path(sweep) if sweep else Path(aside.name) / "sweep"
kept = {} if sweep else {"folder": str(open_world(**study.data).folder)}
small = replace(study, arms=(study.arms[0], study.arms[-1]), data=kept or study.data)
here = read_study(folder) if sweep else small
world = world_of(here, folder)

# %% [markdown]
# (If the bench runs this notebook, study, world and folder are those of its sweep from here on.)

# %%
tiles = {split: len(set(world.tile[world.of(split)].tolist())) for split in ("train", "valid", "test")}
print("tiles:", tiles)
print("trainings:", len(here.arms) * len(here.seeds))

# %% [markdown]
# One call runs everything: each arm with each seed is a *cell*, each cell a process of its own with one thread, and
# Dask keeps two of them busy (or as many machines as a scheduler has). It takes about half a minute, of which training
# is the smaller part: every process starts from nothing, and embeds the scenes before and after.

# %% tags=["nbval-ignore-output"]
if not sweep:
    ablate(small, folder, workers=2, quiet=True)

# %%
for path in sorted((folder / "jobs").glob("*.json")):
    print(path.name)

# %% [markdown]
# A job leaves its file whole or not at all. So a sweep may be killed at any moment, and the same call goes on with what
# is missing; what is done is never trained again. *Floors* are the same readers without a model: the commonest answer,
# and the means of the bands.
#
# `scores.csv` holds a row for each arm, seed, budget, task and tile. We count them before we look:

# %%
if not sweep:
    models = len(small.arms) * 2 + 2  # untrained and trained; two floors
    expected = models * len(small.seeds) * len(small.tasks) * tiles["test"]
    rows = (folder / "scores.csv").read_text(encoding="utf8").splitlines()[1:]
    assert len(rows) == expected
    print(expected, "rows")

# %% [markdown]
# ### The report
# `report` makes tables and figures from `scores.csv` and nothing else; on the command line that is
# `olmoearth-nb report DIR`.

# %% tags=["nbval-ignore-output"]
if not sweep:
    table = read_scores(folder)
    shown = {budget: accuracies(table, budget) for budget in (*table.budgets, "untrained", "floor")}
    display(plots_bench.plot_accuracies(shown))

# %% [markdown]
# *Accuracy on test tiles with 95 % intervals over seeds and tiles. Hollow: the same arms before their first step.
# Lines: what the readers do without a model.*

# %% tags=["nbval-ignore-output"]
if not sweep:
    _, lines = report(folder).read_text(encoding="utf8").split("\n\n", 1)  # without its title
    display(Markdown("\n".join(line for line in lines.splitlines() if not line.startswith("!["))))

# %% [markdown]
# Read it from right to left. *Finding* says what could have been seen, and with two seeds and six tiles that is more
# than any recipe will ever be worth: an empty result is the design's, not the recipes'. The last lines say in how many
# tasks an arm is above the means of the raw bands. After so few steps a model has hardly left its first
# weights; such a table could compare how fast arms learn, never what they are worth.
#
# What would answer the question is this same study with five or more seeds, hundreds of tiles and runs long enough to
# pass the floor. That is hours, on one machine or many:
#
# * `olmoearth-nb ablate study.yaml --out DIR`, again after an interruption;
# * `--scheduler tcp://host:8786` for a Dask cluster;
# * `--notebook` with the path of this notebook, to keep a copy of it for every cell. That is the next section.
#
# ## This run
# With `--notebook` the bench runs this notebook once for each arm and seed, and sets `sweep`, `arm` and `seed`. The
# cell below then trains, and this page is its record. Otherwise it reads what the small sweep above has done.

# %% tags=["nbval-ignore-output"]
job = Job("cell", arm, str(seed))
cell = run_job(folder, str(job))

# %%
print(f"{arm}, seed {seed}:", ", ".join(found["budget"] for found in cell["budgets"]))
changed = differences(here.arms[0].recipe, here.arm(arm).recipe)
for name, (old, new) in changed.items():
    print(f"   {name}: {old} -> {new}")
if not changed:
    print("   the baseline")

# %% tags=["nbval-ignore-output"]
_ = plots_training.plot_run(run_of(folder, job))

# %% [markdown]
# *Left: loss of the run, its trunk and the branches in which the learning rate falls, next to chance and the perfect
# predictor. Right: directions that embeddings of different places use. Losses of arms with and without a pixel layer
# are not on one scale, because that layer is part of the targets.*

# %% tags=["nbval-ignore-output"]
for found in cell["budgets"]:
    print(f"{found['budget']}, rate {found['rate']:g}")
    for task, answers in found["scores"].items():
        right, count = sum(answers["right"]), sum(answers["rows"])
        print(f"   {task:26} {right:6,} of {count:6,} right ({right / count:.3f})")

# %% [markdown]
# ## What we learned
# * Between the naive merge and v1.1 lie five ingredients, and each can be an arm of its own.
# * A ruler must be tested before it measures: on studies without a difference it must stay silent, on planted ones
#   speak.
# * Seeds are what one has too few of. Two see next to nothing, and no number of test tiles makes up for it.
# * A null result is a statement about the design until it says what would have been seen.
#
# ## Where this stops being true
# * The live sweep answers nothing: two arms, two seeds, a few dozen steps, a simulated world.
# * Planted seeds are normal and equally wide in all arms. Real trainings may fail in one seed of ten, and five seeds do
#   not show that.
# * Intervals speak of other seeds and other tiles *of this world*. Another world, sensor or size is another study.
# * One factor at a time does not show what two ingredients do together.
#
# ## Exercises
# Predict first, then run.

# %% [markdown]
# **1.** Twelve comparisons, none with a difference, each independent of the others and wrong with a chance of exactly
# 5 %. How likely is at least one false finding? (Why was ours rarer?)

# %% tags=["exercise"]
any_false = None  # a number from 0 to 1
#: solution
any_false = 1 - 0.95**12
#: end

_ = check(1, any_false, exercises.chance_of_a_false_finding)

# %% [markdown]
# **2.** How many seeds does the planted design with 120 tiles need at least to detect a difference of 0.05? Read it off
# the figure, then try `behaviour(Design(seeds=...), 4).detectable`.

# %% tags=["exercise"]
enough = None  # a whole number
#: solution
enough = next(seeds for seeds in range(2, 31) if behaviour(Design(seeds=seeds), 4).detectable <= 0.05)
#: end

_ = check(2, enough, exercises.seeds_to_see)

# %% [markdown]
# **3.** The next rung: a recipe that takes exactly one ingredient of v1.1, other than its masking. (Then
# `study.with_arm("next", ...)` puts it into the table.)

# %% tags=["exercise"]
next_rung = None  # a Recipe, made from `naive`
#: solution
next_rung = replace(naive, name="next", band_dropout=v1_1.band_dropout)
#: end

_ = check(3, next_rung, exercises.one_step)

# %% [markdown]
# ## Next
# *06 Where did the cross-band attention go?* (in preparation): what passes between bands in v1, and what replaces it in
# v1.1.
