# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/10_should_you_switch.ipynb)
#
# # Should you switch from v1 to v1.1?
#
# You use OlmoEarth v1. Version 1.1 makes one token of a patch where v1 makes three, and is cheaper. **What would you
# lose, and how do you find out on your own data?**
#
# The short answer: on average you would lose nothing that can be seen, and save a lot. On five data sets with right
# band names, nearest neighbours gain half a point, and the interval over the data sets includes 0. The official Base
# model takes a quarter of the compute and a third of the time. But single data sets go both ways by two points and
# more. So look at *your* labels, class by class, before you switch; this notebook does it. And when you switch, train
# your heads again.
#
# | you need | why |
# |---|---|
# | notebooks 01 and 02 | bands, dates, and what a token is |
# | mean, confidence interval | every score comes with one |
#
# | | two CPU cores | Colab T4 |
# |---|---|---|
# | time | 60 s | not measured |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. Elsewhere it says what is missing
# and how to install it.

# %% tags=["setup", "nbval-ignore-output"]
import importlib.util

if importlib.util.find_spec("olmoearth_nb") is None:
    from IPython import get_ipython

    package = "olmoearth_nb[data] @ git+https://github.com/olmoearth-nb/olmoearth_nb"
    get_ipython().run_line_magic("pip", f'install -q "{package}"')

from olmoearth_nb.notebook.start import start

device = start(seed=0, extras=("data",))

# %% [markdown]
# `data` takes your own labelled data: a folder with a folder of chips for each class, or a scene (GeoTIFF, .SAFE) with
# `labels`, a GeoJSON or CSV of points or polygons whose column `label` is the answer. `options` says how to open the
# data (see notebook 01). `models` names yours first, then those that might take its place. Here they are small models
# that come with the package. Where you are online, "OlmoEarth-v1-Base, OlmoEarth-v1_1-Base, OlmoEarth-v1_2-Base"
# takes the official ones; folders that hold them do as well. `margin` is the loss of accuracy that you would ignore for
# the sake of cost, `repeats` how often folds are drawn. Without data, `points` of a simulated scene stand in.

# %% tags=["parameters"]
data = ""
options = {}
labels = ""
label = "label"
models = "mini-v1-long, mini-v1.1-long"
margin = 0.05
repeats = 5
points = 400
seed = 0

# %%
import numpy as np

from olmoearth_nb.comparison import independent
from olmoearth_nb.comparison.compare import DIFFER, Way, compare
from olmoearth_nb.comparison.example import open_yours
from olmoearth_nb.evaluation.contenders import open_contenders
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots import comparison as plots

# %% [markdown]
# ## What others measured
# An independent benchmark (torchgeo-bench, August and September 2026) ran the official models with frozen weights. It
# is the best there is to read before you have looked at your own data.

# %% tags=["headline"]
measured = independent.independent("v1.1")
plots.plot_independent(measured, independent.speed())

# %% [markdown]
# *Left: v1.1 minus v1 in points of accuracy, one mark for each model size; lines are intervals over the three sizes.
# Green: the mean over rightly labelled data sets with its interval over them. Right: what v1.1 saves on one GPU.*

# %% tags=["headline"]
mean, saved = independent.over_sets(measured), independent.speed()
print(f"v1.1 - v1, five rightly labelled sets, kNN: {mean.value:+.1f} points [{mean.low:+.1f}, {mean.high:+.1f}]")
print(f"official Base: {saved['compute']['base']:.1f}x less compute, {saved['time']['base']:.1f}x faster on a GPU")

# %% [markdown]
# How to read the table:
#
# * The grey rows are m-eurosat. Five of its bands have wrong names, and a token that merges all bands suffers more from
#   that than three separate ones. Its loss of two to four points says little about data whose bands are named rightly.
# * Some rows share their images (benv2 and m-bigearthnet, so2sat and m-so2sat), so that five rows are less than five
#   independent data sets.
# * No interval is published for a single row. On m-eurosat those of single scores reach 1.2 to 2 points to each side;
#   differences of a point between two rows are nothing to act on.
#
# v1.2 was run on fewer of them:

# %%
for one in independent.independent("v1.2"):
    sizes = ", ".join(f"{size} {value:+.1f}" for size, value in one.by_size.items())
    print(f"v1.2 - v1, {one.dataset}, {one.probe}{' (wrong band names)' if one.mislabelled else ''}: {sizes}")

# %% [markdown]
# ## Your data
# What do the labelled places say of themselves? Read the notes: a wrong scale or offset, a date that was made up, or a
# band that was filled changes what both models see.

# %%
from olmoearth_nb.points.labelled import Labels

places = open_yours(data, labels, Labels(label=label, edge=4), points, seed, **options)
counts = np.bincount(places.answers, minlength=len(places.classes))
print(f"{places.name}: {len(places)} places, {len(set(places.groups.tolist()))} groups")
print(", ".join(f"{name} {count}" for name, count in zip(places.classes, counts, strict=True)))
for note in places.notes:
    print("*", note)

# %% [markdown]
# Each model embeds every place. Two readers then tell its class from the embedding: the five nearest neighbours, and a
# logistic regression (*linear*), which is what a head usually is. Places of one group are never on both sides: they
# lie near each other, and one would give the other away.

# %%
current, *candidates = [name.strip() for name in models.split(",")]
found = {}
for name in candidates:
    pair = open_contenders({current: [current], name: [name]}, seeds=1)
    for contender in pair:
        for encoder in contender.encoders:
            encoder.to(device)
    found[name] = compare(pair, places, Way(margin=margin, repeats=repeats))
compared = found[candidates[0]]
plots.plot_comparison(compared)

# %% [markdown]
# *Accuracy with intervals of 95 % over groups and drawn folds. Hollow: the same architectures with random weights.
# Lines: what can be read without any model. A model that is not to the right of image statistics is of no use here,
# whatever its version. Blue: your model. Orange: the one that might take its place.*
#
# One rule turns this into advice. Its order: a model that loses is not taken. A class that loses is looked at first. A
# gain is taken if it costs nothing. Where no difference is seen, the question is which loss could have hidden: if it is
# larger than your `margin`, more labels are needed; if it is smaller, the cheaper model wins.

# %% tags=["nbval-ignore-output"]
for name, one in found.items():
    print(f"{current} -> {name}. {one.advice}")

# %% [markdown]
# (The advice has measured times in it, which differ from run to run.) The numbers behind it, by both readers. In the
# scene that stands in, the interval of the linear reader ends close to the margin: a few labels more or less, and the
# advice is another.

# %%
for difference in (one for name in found for one in found[name].differences if one.question == DIFFER):
    apart = difference.comparison.difference
    print(f"{difference.what}, {difference.probe}: {apart.value:+.2f} [{apart.low:+.2f}, {apart.high:+.2f}]")
    print(f"   {difference.finding}")

# %% [markdown]
# ## Class by class
# A model can be as good as another on the whole and fail in the class that you need. Of each class we compare the
# fraction of its places that is told. Every error is a miss of some class, so nothing is overlooked. The more classes
# are looked at, the more differ by chance; the findings allow for that (Holm's rule).

# %%
plots.plot_classes(compared.deciding)

# %% [markdown]
# *The candidate minus your model, the largest loss at the top; in brackets the number of places. Hollow: the class lies
# in fewer than five groups, too few to say anything.*

# %%
for one in compared.deciding:
    print(f"{one.name:16} {one.current:.2f} -> {one.candidate:.2f}  {one.finding}")

# %% [markdown]
# ## Where do they differ?
# Two models with equal accuracy may err in different places. On a map you can see whether those places have something
# in common: a cloud, an edge, a region.

# %%
plots.plot_agreement(compared.agreement, {"current": current, "candidate": candidates[0]})

# %% [markdown]
# *Each dot is a labelled place. Where places do not say where they lie, a matrix stands here: what one model tells
# against what the other tells.*

# %%
total = len(compared.agreement.answers)
print(f"both tell the same of {compared.agreement.agree:.0%} of {total} places")
print(", ".join(f"{kind}: {count}" for kind, count in compared.agreement.counts.items()))

# %% [markdown]
# ## Why not a random split?
# If neighbours of a tested place train, accuracy answers another question: how well are places *between* the labelled
# ones told? For a map of another region that is too optimistic. How much too optimistic?

# %%
for one in compared.splits:
    apart = one.comparison.difference
    print(f"{one.model:15} {one.probe:7} spatial {one.spatial.value:.2f}, random {one.random.value:.2f}: "
          f"{apart.value:+.2f} [{apart.low:+.2f}, {apart.high:+.2f}]")  # fmt: skip

# %% [markdown]
# ## Retrain your heads
# Both models may give as many numbers for a place. The numbers do not mean the same. A head of the old model on
# embeddings of the new one:

# %%
print(compared.heads)

# %% [markdown]
# So every probe, classifier, threshold, index of neighbours and stored embedding has to be made again. Count that as a
# cost of switching.
#
# ## Cost
# Tokens and multiply-accumulates (MACs) follow from the architecture. Time and memory depend on your machine, so they
# are measured here, in turns.

# %%
for name, one in ((current, compared.costs.current), (candidates[0], compared.costs.candidate)):
    print(f"{name}: {one.tokens} tokens a place, {one.macs / 1e6:.1f} million MACs, {one.parameters:,} parameters")

# %% tags=["nbval-ignore-output"]
print(f"{candidates[0]} {compared.costs} of {current}")
for name, one in ((current, compared.costs.current), (candidates[0], compared.costs.candidate)):
    how = "measured" if one.measured else "estimated"
    print(f"{name}: {np.median(one.milliseconds):.2f} ms a place, {one.memory / 2**20:.1f} MiB of memory ({how})")

# %% [markdown]
# The places here are small, so attention costs little and v1.1 saves less than it does on larger windows (notebook 02).
#
# ## Checklist
# | check | why |
# |---|---|
# | scaling | both read digital numbers, reflectance times 10,000; radar is in dB |
# | offset | products since baseline 04.00 have 1,000 added, which must come off |
# | dates | v1 and v1.1 read months alone, v1.2 also the days between dates; chips without a date get July 2020 |
# | bands | a missing band is filled from its neighbour for v1 ("nearest") and is 0 for v1.1 ("zero") |
# | names of bands | v1.1 merges all bands, so that one wrong name spoils the only token |
# | patch size | the same for both; twice the patch is a quarter of the tokens, and needs a head of its own |
# | heads | train them again, and choose again what was chosen with them: thresholds, temperature, k |
# | labels | enough groups of each class that matters: read what could have been seen |
#
# On the command line the whole page is one command:
#
# ```
# olmoearth-nb compare --models OlmoEarth-v1-Base OlmoEarth-v1_1-Base --data scene.tif --labels points.geojson
# ```

# %% [markdown]
# ## What we learned
# * Where others measured it on rightly named bands, v1.1 is level with v1 on average, and takes a quarter to a fifth of
#   the compute.
# * An average says nothing about your class. Compare on your own labels, with groups that are not divided.
# * "No difference seen" is an answer only together with what could have been seen.
# * Embeddings of two versions cannot be mixed. Switching means training heads again.
#
# ## Where this stops being true
# * The small models of this page were trained for an hour in a simulated world, and the scene that stands in is
#   simulated as well. Nothing here says anything about official weights; give their names as `models`.
# * All is frozen: heads on embeddings. If you fine-tune, compare fine-tuned models (notebook 07).
# * Neighbouring blocks touch, so that a spatial split still leaves some neighbours. If your map is of another region,
#   keep a region apart.
#
# ## Exercises

# %% [markdown]
# **1.** Two models tell the same in all of 40 independent groups. Which loss of accuracy is still possible, with 95 %
# confidence?

# %% tags=["exercise"]
loss = None  # a fraction
#: solution
loss = 3 / 40
#: end

_ = check(1, loss, exercises.loss_left_open)

# %% [markdown]
# **2.** You switch to v1.1. Which of these do you keep?

# %% tags=["exercise"]
kept = None  # {"labels": True or False, "heads": ..., "stored embeddings": ..., "splits": ...}
#: solution
kept = {"labels": True, "heads": False, "stored embeddings": False, "splits": True}
#: end

_ = check(2, kept, exercises.kept_after_a_switch)

# %% [markdown]
# ## Next
# Compare on your own labels: set `data` and `labels` above. `docs/compare.md` has all options.
