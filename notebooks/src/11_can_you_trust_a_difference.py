# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/11_can_you_trust_a_difference.ipynb)
#
# # Can you trust a difference between two recipes?
#
# Train one recipe twice with different seeds, and the two models differ in accuracy. Train two recipes, and their
# models differ, too. **How do you tell a better recipe from a lucky seed?**
#
# The short answer: compare in pairs, over several seeds and many test tiles; give an interval; and correct for the
# number of comparisons. The first figure shows what happens without the correction: in a study whose arms are *equal by
# construction* one of them seems to differ. Of a hundred such studies about a quarter report a difference; with Holm's
# rule none does. And with two seeds a table of twelve comparisons can detect no difference at all, however many tiles
# it tests.
#
# This is the companion of notebook 05: the instrument behind its numbers, tested on studies whose truth we know, and
# how to run a study of your own.
#
# After this notebook you can
#
# * compute an interval over seeds and places, and correct for many comparisons;
# * say how many seeds a study needs for a difference that matters to you;
# * write a study as data, with an arm of your own, run it, and read its report.
#
# | you need | why |
# |---|---|
# | notebooks 02, 04 and 05 | tokenizations, recipes, and what is compared |
# | mean, standard deviation, confidence interval | comparisons are made of them |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 60 min | 50 s, 10 s more the first time |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. It takes the extras that read
# tiles (`data`) and that train and spread work over processes (`scale`). Elsewhere the cell says what is missing and
# how to install it.

# %% tags=["setup", "nbval-ignore-output"]
import importlib.util

if importlib.util.find_spec("olmoearth_nb") is None:
    from IPython import get_ipython

    package = "olmoearth_nb[data,scale] @ git+https://github.com/olmoearth-nb/olmoearth_nb"
    run = get_ipython().run_line_magic
    run("sx", "pip list --format freeze > here.txt")  # what is installed stays as it is
    run("pip", f'install -q "{package}" --constraint here.txt')

from olmoearth_nb.notebook.start import start

device = start(seed=0, extras=("data", "scale"))

# %% [markdown]
# `samples` is the length of each live training. `most` is the number of scenes of a split that are embedded (0 for
# all). `repetitions` says how often we draw a study without a difference. `data` takes your own sample, and `options`
# how to open it (see notebook 01), to count its tokens. The bench sets `sweep`, `arm` and `seed` when it runs this
# notebook as its record: see *This run*.

# %% tags=["parameters"]
data = ""
options = {}
samples = 256
most = 64
repetitions = 100
sweep = ""
arm = "naive"
seed = 0

# %%
import math
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from olmoearth_nb import Tokenization, encoder_cost
from olmoearth_nb.ablation import figures as plots_bench
from olmoearth_nb.ablation.planted import BUDGET, Design, behaviour, draw
from olmoearth_nb.ablation.report import findings
from olmoearth_nb.evaluation.intervals import difference, holm
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.pretrain.recipes import differences, two_cores

v1_1 = two_cores("v1.1")

# %% [markdown]
# ## A study without any difference
# A `Design` is a study that is drawn, not trained. By default: a baseline and two arms, six tasks, five seeds, 120 test
# tiles. Seeds and tiles shift the accuracies; the arms are equal by construction.

# %%
truth = Design()
print("arms:", ", ".join(truth.arms), "| planted differences:", truth.differences)
print(f"spread of an arm's accuracy: {truth.own_seed_spread} by its seeds, {truth.own_tile_spread} by its tiles")

# %% [markdown]
# We draw such a study a hundred times and look at the most misleading one, the one with the smallest p. Anybody who
# tries many things and reports the best one reports this table.

# %% tags=["headline"]
tables = [findings(draw(truth, np.random.default_rng([0, n])), BUDGET) for n in range(repetitions)]
misleading = min(tables, key=lambda table: min(row.comparison.p for row in table))
plots_bench.plot_differences(misleading)

# %% [markdown]
# *Two arms in six tasks, compared with the baseline that they are equal to. Lines are 95 % intervals; a line that
# leaves out 0 has p < 0.05. Points are hollow where the difference is not significant after Holm's rule (below). In
# grey: differences too small for this design.*

# %% [markdown]
# ## One comparison by hand
# An arm and its baseline are compared *in pairs*, with the same seeds on the same tiles. What makes a tile hard for
# both then cancels. Here are three seeds and four tiles; the numbers count right answers.

# %%
patches = np.array([10, 20, 10, 20])  # of each tile
of_naive = np.array([[6, 11, 5, 12], [5, 12, 6, 11], [6, 13, 5, 12]])
of_mine = np.array([[7, 14, 6, 13], [6, 13, 7, 15], [8, 15, 5, 14]])
gain = of_mine - of_naive
by_seed = gain.sum(1) / patches.sum()
print("gain with each seed:", by_seed.round(3), "mean", by_seed.mean().round(3))

# %% [markdown]
# Two things make this mean uncertain. The first is the choice of seeds: its variance is that of the three gains,
# divided by three. The second is the choice of tiles: we draw four of the four tiles with replacement, a thousand
# times, and see how the mean varies (*bootstrap*). Both variances are estimated from few numbers. Student's quantile
# makes up for that: it is 4.3 with three seeds, and 1.96 with infinitely many.

# %%
times = np.random.default_rng(0).multinomial(4, [1 / 4] * 4, size=1000)  # how often each tile is drawn
drawn = times @ gain.mean(0) / (times @ patches)
variance = np.array([by_seed.var(ddof=1) / 3, drawn.var(ddof=1) * 4 / 3])  # seeds, tiles
quantiles = stdtrit([3 - 1, 4 - 1], 0.975)
reach = math.sqrt(quantiles**2 @ variance)

# %% [markdown]
# The package must give the same interval:

# %%
packaged = difference(of_mine, of_naive, patches)
assert math.isclose(packaged.value, by_seed.mean())
assert math.isclose(packaged.low, by_seed.mean() - reach)
assert math.isclose(packaged.high, by_seed.mean() + reach)
print("mine minus naive:", packaged)

# %% [markdown]
# ## Many comparisons
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
# Now back to the tables without any difference. How many of them report one?

# %% tags=["headline"]
before = sum(any(row.comparison.p < 0.05 for row in table) for table in tables)
after = sum(any(row.p_holm < 0.05 for row in table) for table in tables)
print(f"{len(tables)} tables without any difference: p < 0.05 somewhere in {before}, after Holm's rule in {after}")

# %% [markdown]
# Without the rule, a good part of all honest studies of *nothing* would report something. A single comparison is wrong
# less often than the allowed 5 %, because the intervals add the uncertainty of seeds and tiles with some margin:

# %%
alone = [row.comparison.p < 0.05 for table in tables for row in table]
print(f"{sum(alone)} of {len(alone)} comparisons without a difference have p < 0.05")

# %% [markdown]
# And when there is a difference? We plant 0.06 in one of the two arms. *Power* is the fraction of such differences that
# the study detects. Holm's rule costs some of it.

# %%
planted = behaviour(replace(truth, differences=(0.06, 0.0)), max(5, repetitions // 5))
print(f"planted 0.06: {planted.power:.0%} detected with p < 0.05, {planted.power_holm:.0%} after Holm's rule")
print(f"stated as detectable, with a power of 80 %: {planted.detectable:.2f}")

# %% [markdown]
# Every table of the *bench*, the part of the package that runs such studies, states this number about itself. "No
# difference seen" means nothing without it.
#
# ## Seeds or tiles?
# Test tiles are cheap, while each seed is a whole training. Tiles cannot replace seeds, and this is why. The table
# shows Student's factor for the spread of the seeds, for one comparison and in the strictest step of Holm's rule for
# twelve:

# %%
print("seeds  alone  among 12")
for seeds in (2, 3, 5, 10, 30):
    single, strictest = stdtrit(seeds - 1, [1 - 0.05 / 2, 1 - 0.05 / 12 / 2])
    print(f"{seeds:5}  {single:5.1f}  {strictest:8.1f}")

# %% [markdown]
# With two seeds the spread is estimated from a single difference, so the factor is above a hundred. No number of tiles
# helps:

# %%
counts = (2, 3, 4, 5, 7, 10, 15)
detectable = {
    tiles: {seeds: behaviour(Design(seeds=seeds, tiles=tiles), 4).detectable for seeds in counts}
    for tiles in (30, 120, 480)
}
plots_bench.plot_detectable(detectable)

# %% [markdown]
# *The smallest difference that is detected with a power of 80 %, in a table of twelve comparisons. Above the dashed
# line no difference can be detected at all: two accuracies are never further apart than 1.*
#
# With two seeds a table of twelve comparisons detects nothing. Five seeds with few tiles detect more than three seeds
# with very many. Once there are enough seeds, more tiles help again. How far *real* seeds lie apart is not known
# beforehand: here it was planted. The report estimates it from the seeds of the study.

# %%
print("2 seeds can detect some possible difference:", any(by_seeds[2] < 1 for by_seeds in detectable.values()))
print("5 seeds, 30 tiles detect more than 3 seeds, 480 tiles:", detectable[30][5] < detectable[480][3])
print("15 seeds: half of what 30 tiles detect suffices for 480 tiles:", detectable[480][15] < detectable[30][15] / 2)

# %% [markdown]
# ## A study is data
# A small YAML file says what is compared, and on which seeds, data, budgets and tasks. The first arm is the baseline;
# an arm is a built-in recipe and what it changes. Here is a small study:

# %%
import yaml

from olmoearth_nb.ablation.study import Study

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
# `Study.load` reads such a file. A task names what is predicted, whether from scenes or from patches, and by which
# classifier: here the class of a scene by its nearest neighbours, and the ground of a patch by a linear probe. Budgets
# may be equal in `samples`, in `minutes`, or both: one long run has a decay branch for each (notebook 04). `rates` lets
# a fixed rule choose each arm's learning rate on validation tiles. Without that, an arm may lose only because the
# common rate suits the other arm better.
#
# A study that cannot give a result is refused when it is defined, not after a night of training:

# %%
for wrong in ({"seeds": (0,)}, {"samples": ()}, {"arms": study.arms[:1]}):
    try:
        replace(study, **wrong)
    except ValueError as error:
        print(error)

# %% [markdown]
# ### An arm of your own
# An arm takes five lines: the baseline's recipe with your tokenization, here the one from notebook 02. It keeps all
# twelve bands, so that the grouping alone changes. An arm that also dropped bands would change two factors at once.

# %%
mine = Tokenization(
    "mine",
    {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07 B08 B8A", "B11 B12", "B01 B09"]},
)
assert not mine.left_out()
study = study.with_arm("mine", mine)

# %%
for name, (old, new) in differences(study.arms[0].recipe, study.arm("mine").recipe).items():
    print(f"{name}\n   {old}\n-> {new}")

# %% [markdown]
# The same tokens with v1.1's recipe are one line more. Such an arm is compared with v1.1, not with `naive`:

# %%
wider = study.with_arm("mine with v1.1", replace(v1_1, tokenization=mine))
print("differs from v1.1 in", ", ".join(differences(v1_1, wider.arms[-1].recipe)))
print("differs from mine in", ", ".join(differences(study.arm("mine").recipe, wider.arms[-1].recipe)))

# %% [markdown]
# When a study is saved, every default is written out. Read back, it is the same study:

# %%
kept = study.to_dict()
assert Study.from_dict(kept).to_dict() == kept
print(yaml.safe_dump({"mine": kept["arms"]["mine"]}, sort_keys=False, default_flow_style=None, width=110))

# %% [markdown]
# Accuracy is half of the answer. The other half is what an arm costs, here for our place (or your own sample) in the
# `mini` encoder:

# %%
from olmoearth_nb.data import load_place

place = load_place(data, **options)
shape = place.images["sentinel2_l2a"].shape
patch = math.gcd(*shape[:2], 8)
print(f"{place.title}, (H, W, T, C) = {shape}, P = {patch}")
for one in study.arms:
    cost = encoder_cost(one.recipe.config(study.size), shape[:3], patch)
    print(f"   {one.name:14} {cost.tokens:6,} tokens, {cost.macs / 1e9:.2f} GMACs")

# %% [markdown]
# ## A small sweep
# Each training is a process that needs seconds before its first step, so here we run the first arm and yours. The world
# is that of notebook 04. Intervals are over test *tiles*, because scenes of one tile have the same weather.

# %% tags=["nbval-ignore-output"]
from pathlib import Path
from tempfile import TemporaryDirectory

from olmoearth_nb.ablation.jobs import read_study
from olmoearth_nb.ablation.scoring import world_of
from olmoearth_nb.data.simulate.world import open_world

aside = TemporaryDirectory()
folder = Path(sweep) if sweep else Path(aside.name) / "sweep"
kept = {} if sweep else {"folder": str(open_world(**study.data).folder)}
small = replace(study, arms=(study.arms[0], study.arms[-1]), data=kept or study.data)
here = read_study(folder) if sweep else small
world = world_of(here, folder) if here.tasks else None  # a study of real places has labelled sets instead

# %% [markdown]
# (If the bench runs this notebook, study, world and folder are those of its sweep from here on.)

# %%
splits = ("train", "valid", "test") if world else ()
tiles = {split: len(set(world.tile[world.of(split)].tolist())) for split in splits}
print("tiles:", tiles)
print("trainings:", len(here.arms) * len(here.seeds))

# %% [markdown]
# One call runs everything. Each arm with each seed is a *cell*, and each cell is a separate process with one thread.
# Dask keeps two of them busy (or as many machines as a scheduler has). It takes about half a minute. Training is the
# smaller part of it: every process starts from nothing, and embeds the scenes before and after.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.ablation.sweep import ablate

if not sweep:
    ablate(small, folder, workers=2, quiet=True)

# %%
for path in sorted((folder / "jobs").glob("*.json")):
    print(path.name)

# %% [markdown]
# A job leaves its file whole or not at all. So a sweep may be killed at any moment. The same call goes on with what is
# missing, and never trains again what is done. *Baselines* do without a model: the commonest answer, and the same
# classifiers on the means of the bands.
#
# `scores.csv` holds a row for each arm, seed, budget, task and tile. We count the rows before we look:

# %%
if not sweep:
    models = len(small.arms) * 2 + 2  # untrained and trained; two baselines
    expected = models * len(small.seeds) * len(small.tasks) * tiles["test"]
    rows = (folder / "scores.csv").read_text(encoding="utf8").splitlines()[1:]
    assert len(rows) == expected
    print(expected, "rows")

# %% [markdown]
# ### The report
# `report` makes tables and figures from `scores.csv` alone. On the command line that is `olmoearth-nb report DIR`.

# %% tags=["nbval-ignore-output"]
from IPython.display import Markdown, display

from olmoearth_nb.ablation.report import accuracies, report
from olmoearth_nb.ablation.scores import read_scores

if not sweep:
    table = read_scores(folder)
    shown = {budget: accuracies(table, budget) for budget in (*table.budgets, "untrained", "floor")}
    display(plots_bench.plot_accuracies(shown))

# %% [markdown]
# *Accuracy on test tiles with 95 % intervals over seeds and tiles. Hollow: the same arms before their first step.
# Lines: the baselines, without a model.*

# %% tags=["nbval-ignore-output"]
if not sweep:
    _, lines = report(folder).read_text(encoding="utf8").split("\n\n", 1)  # without its title
    display(Markdown("\n".join(line for line in lines.splitlines() if not line.startswith("!["))))

# %% [markdown]
# Read it from right to left. *Finding* says which difference could have been detected. With two seeds and six tiles it
# is larger than any recipe could make. So a null result here is a statement about the design and not about the recipes.
# The last lines say in how many tasks an arm is above the means of the raw bands. After so few steps a model has hardly
# left its first weights. Such a table could compare how fast arms learn, never how good they become.
#
# The study that would answer the question is this one with five or more seeds, hundreds of tiles, and runs long enough
# to pass the baseline of raw bands. That takes hours, on one machine or many. The commands are:
#
# * `olmoearth-nb ablate study.yaml --out DIR`, again after an interruption;
# * `--scheduler tcp://host:8786` for a Dask cluster;
# * `--notebook` with the path of this notebook, to keep a copy of it for every cell. That is the next section.
#
# ### On real places
# A study need not ask a simulated world. `corpus` names real places to train on, and `evaluate` labelled sets to score
# on, with groups that no fold divides. This file is made for a T4 in Colab: nine trainings of five minutes each, 45
# minutes without scoring, and not yet timed there:

# %%
from olmoearth_nb.io.shipped import data_dir

print((data_dir() / "studies" / "colab.yaml").read_text(encoding="utf8"))

# %% [markdown]
# The names that m-eurosat *publishes* for its last five bands are wrong (see notebook 05). They are a factor in this
# study: what wrong names cost is measured on the same pixels. On 375 chips of EuroSAT this cost is a finding after
# Holm's rule for none of our models. Models trained in the simulated world all point to a higher cost for merged
# tokens, those trained on real chips point both ways
# ([results](https://github.com/olmoearth-nb/olmoearth_nb/blob/main/docs/results/real.md)).
#
# ## This run
# With `--notebook` the bench runs this notebook once for each arm and seed, and sets `sweep`, `arm` and `seed`. The
# cell below then trains, and this page is its record. Otherwise the cell reads what the small sweep above has done.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.ablation.folder import Job, run_of
from olmoearth_nb.ablation.jobs import run_job
from olmoearth_nb.ablation.scoring import mean_score
from olmoearth_nb.plots import training as plots_training

job = Job("cell", arm, str(seed))
cell = run_job(folder, str(job))

# %%
print(f"{arm}, seed {seed}:", ", ".join(budget["budget"] for budget in cell["budgets"]))
changed = differences(here.arms[0].recipe, here.arm(arm).recipe)
for name, (old, new) in changed.items():
    print(f"   {name}: {old} -> {new}")
if not changed:
    print("   the baseline")

# %% tags=["nbval-ignore-output"]
_ = plots_training.plot_run(run_of(folder, job))

# %% [markdown]
# *Left: loss of the run, its trunk and the branches in which the learning rate falls, next to chance and the perfect
# predictor. Right: the effective rank, that is, how many directions the embeddings of different places use. Losses of
# arms with and without a pixel layer cannot be compared, because that layer is part of the targets.*

# %% tags=["nbval-ignore-output"]
for budget in cell["budgets"]:
    print(f"{budget['budget']}, rate {budget['rate']:g}")
    for task, answers in budget["scores"].items():
        print(f"   {task:26} {mean_score({task: answers}):.3f} of {sum(answers['rows']):6,}")

# %% [markdown]
# ## What we learned
# * A method of comparison must be tested before it is used. It must report nothing in studies without a difference, and
#   detect a planted one.
# * Arms are compared in pairs, with the same seeds on the same tiles. Two things make the mean uncertain: which seeds,
#   and which tiles.
# * Whoever makes many comparisons must correct for it. Holm's rule keeps the chance of any false finding below 5 %.
# * Seeds are the scarce part. Two seeds detect next to nothing, and no number of test tiles makes up for it.
# * A null result means something only together with the difference that would have been detected.
#
# ## Where this stops being true
# * The live sweep answers nothing: two arms, two seeds, a few dozen steps, a simulated world.
# * In a planted study the effects of seeds are normally distributed, with the same spread in all arms. Real trainings
#   may fail with one seed in ten, and five seeds may not show that.
# * Intervals hold for other seeds and other tiles *of this world*. Another world, sensor or size needs another study.
# * One factor at a time does not show what two ingredients do together.
#
# ## Exercises
# Predict first, then run.

# %% [markdown]
# **1.** Twelve comparisons, none with a difference, each independent of the others and wrong with a chance of exactly 5
# %. How likely is at least one false finding? (Why was ours rarer?)

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
# **3.** A table has four comparisons, with p of .013, .020, .030 and .200. How many are findings after Holm's rule?

# %% tags=["exercise"]
left = None  # a whole number
#: solution
left = sum(p < 0.05 for p in holm([0.013, 0.020, 0.030, 0.200]))
#: end

_ = check(3, left, exercises.left_by_holm)

# %% [markdown]
# ## Next
# Write a study of your own, with an arm of your own, and run it by `olmoearth-nb ablate`
# ([ablations](https://github.com/olmoearth-nb/olmoearth_nb/blob/main/docs/ablations.md)). The last notebook looks at
# what such trainings leave in an embedding.
#
# previous: [10 Should you switch?](10_should_you_switch.ipynb) | next: [12 What is learnt, what is
# forgotten?](12_what_is_learnt_and_forgotten.ipynb) | [all notebooks](../README.md#notebooks)
