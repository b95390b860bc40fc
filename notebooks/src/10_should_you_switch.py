# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/10_should_you_switch.ipynb)
#
# # Should you switch from v1 to v1.1?
#
# You use OlmoEarth v1. Version 1.1 makes one token of a patch where v1 makes three, and is cheaper. **What would you
# lose, and how do you find out on your own data?**
#
# The short answer: you save a lot of compute, and on average you lose little or no accuracy that can be seen; how much
# depends on the size of your model and on your data. This is what others measured, v1.1 against v1, as a mean over five
# data sets whose bands are named correctly:
#
# | official model | nearest neighbours, points | linear probe, points | compute | speed on a GPU |
# |---|---|---|---|---|
# | Nano | +0.6 [-2.0, +3.2] | -2.4 [-4.5, -0.4] | 5.7 times less | 1.5 times |
# | Tiny | +1.1 [+0.2, +2.1] | +1.6 [-0.1, +3.3] | 5.0 times less | 1.8 times |
# | Base | -0.3 [-2.4, +1.8] | -0.7 [-2.0, +0.5] | 3.8 times less | 3.1 times |
#
# Single data sets go both ways by two points and more. So look at *your* labels, class by class, before you switch;
# this notebook does it. And when you switch, train your heads again.
#
# After this notebook you can
#
# * compare two models on your own labels, class by class, with intervals;
# * say which loss is still possible when no difference was seen;
# * list what you keep and what you make anew when you switch.
#
# | you need | why |
# |---|---|
# | notebooks 01 and 02 | bands, dates, and what a token is |
# | mean, confidence interval | every score comes with one |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 50 min | 60 s |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. Elsewhere it says what is missing
# and how to install it.

# %% tags=["setup", "nbval-ignore-output"]
import importlib.util

if importlib.util.find_spec("olmoearth_nb") is None:
    from IPython import get_ipython

    package = "olmoearth_nb[data] @ git+https://github.com/olmoearth-nb/olmoearth_nb"
    run = get_ipython().run_line_magic
    run("sx", "pip list --format freeze > here.txt")  # what is installed stays as it is
    run("pip", f'install -q "{package}" --constraint here.txt')

from olmoearth_nb.notebook.start import start

device = start(seed=0, extras=("data",))

# %% [markdown]
# `data` takes your own labelled data: a folder with a folder of chips for each class, or a scene (GeoTIFF, .SAFE) with
# `labels`, a GeoJSON of points or polygons or a CSV of points. `label` names the column that holds the class. `options`
# says how to open the data (see notebook 01). `models` names yours first, then one or more that might take its place.
# Here they are small models that come with the package. If you are online, "OlmoEarth-v1-Base, OlmoEarth-v1_1-Base,
# OlmoEarth-v1_2-Base" takes the official ones; folders that hold them will do as well. `margin` is the loss of accuracy
# that you would accept for the sake of cost, `repeats` how often the folds of the cross-validation are drawn. Without
# data, `points` labelled points of a simulated scene stand in.

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
# An independent benchmark (torchgeo-bench, August and September 2026) ran the official models with frozen weights and
# read their embeddings by the five nearest neighbours (*kNN*) and by a linear probe. We know of no better table to read
# before you have looked at your own data.

# %% tags=["headline"]
measured = independent.independent("v1.1")
plots.plot_independent(measured, independent.speed())

# %% [markdown]
# *Left and middle: v1.1 minus v1 in points of the benchmark's score (accuracy; for benv2, m-bigearthnet and treesatai,
# where a chip has several classes, mean average precision). One mark for each model size; lines are 95 % intervals over
# the three sizes. Green: the mean over the data sets whose bands are named rightly, with its interval over them. Right:
# how many times less compute and time v1.1 needs on one GPU, for chips of 224 px and one date.*

# %% tags=["headline"]
saved = independent.speed()
for probe in ("kNN", "linear"):
    mean = independent.over_sets(measured, probe)
    print(f"v1.1 - v1, five rightly labelled sets, {probe}: {mean.value:+.1f} [{mean.low:+.1f}, {mean.high:+.1f}]")
print(f"official Base: {saved['compute']['base']:.1f}x less compute, {saved['time']['base']:.1f}x faster on a GPU")

# %% [markdown]
# The mean over sizes hides that they differ. Size by size, with intervals over the five data sets:

# %%
for size in independent.SIZES:
    for probe in ("kNN", "linear"):
        one = independent.over_sets(measured, probe, size)
        print(f"v1.1 - v1, {size}, {probe}: {one.value:+.1f} points [{one.low:+.1f}, {one.high:+.1f}]")

# %% [markdown]
# How to read the figure and the numbers:
#
# * **By linear probes it depends on the size.** Nano loses on all five data sets and Base gains on none, while Tiny
#   gains on four. If your head is linear, look at the middle panel, not at the left one. Neither panel shows fine-tuned
#   models.
# * **The grey rows are m-eurosat.** Five of its bands have wrong names, and a token that merges all bands may well
#   suffer more from that than three separate ones. Its loss of one to four points says little about data whose bands
#   are named rightly.
# * **Five rows are not five independent data sets.** benv2 and m-bigearthnet share images, and so2sat and m-so2sat are
#   the same images, the second time with radar. So the green interval is too narrow rather than too wide.
# * **Single scores are uncertain.** The benchmark's bootstrap intervals reach .7 points to each side for benv2, 1.2 to
#   2 for m-eurosat, and 3 for so2sat. They are not intervals of differences, but they show that a single point in one
#   row is no reason to act.
# * **Savings depend on the input.** The release itself says up to three times less compute (notebook 02 counts it).
#
# v1.2 was run as well. These are the rows of it that come with the package; the benchmark has more:

# %%
for one in independent.independent("v1.2"):
    sizes = ", ".join(f"{size} {value:+.1f}" for size, value in one.by_size.items())
    print(f"v1.2 - v1, {one.dataset}, {one.probe}{' (wrong band names)' if one.mislabelled else ''}: {sizes}")

# %% [markdown]
# ## Your data
# A *place* is what has one label: a chip, or a small square of a scene around a labelled point. A *group* holds places
# that lie near each other. Read the notes that follow the counts: a wrong scale or offset, a date that was made up, or
# a band that was filled in changes what both models see.

# %%
from olmoearth_nb.points.labelled import Labels

places = open_yours(data, labels, Labels(label=label, edge=4), points, seed, **options)
counts = np.bincount(places.answers, minlength=len(places.classes))
print(f"{places.name}: {len(places)} places, {len(set(places.groups.tolist()))} groups")
print(", ".join(f"{name} {count}" for name, count in zip(places.classes, counts, strict=True)))
for note in places.notes:
    print("*", note)

# %% [markdown]
# Each model embeds every place. Two probes then predict its class from the embedding: the five nearest neighbours
# (*kNN-5*), and a logistic regression (*linear*), which is what a head usually is. Places of one group are never in the
# training and the test part at once: they lie near each other, and one would give the other away.

# %%
current, *candidates = [name.strip() for name in models.split(",")]
assert candidates, "models names yours first, then a comma and the one that might take its place"
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
# *Accuracy with intervals of 95 % over groups and drawn folds. Blue: your model. Orange: the one that might take its
# place. Hollow: the same architectures with random weights. Vertical lines: what needs no model, namely the mean of
# each band, image statistics (mean and standard deviation of each band), and always answering with the commonest class
# ("majority").*
#
# Look at the line of image statistics first. If a model is not clearly to the right of it, you may need neither
# version. In our simulated scene, both models are above it by kNN, but by the linear probe both intervals contain it.
#
# One rule turns the comparison into advice. It rests on the linear probe and goes through five cases in this order:
#
# 1. The candidate loses accuracy: **stay**.
# 2. It loses in a class: **look first** at that class.
# 3. It gains: **switch**, or **weigh** the gain if the candidate costs more.
# 4. No difference is seen, but the interval allows a loss larger than your `margin`: **undecided**, label more places.
# 5. No difference is seen, and the interval excludes such a loss: **switch** if the candidate is cheaper, else
#    **stay**.
#
# (If two models predict the same everywhere, there is no spread to make an interval of. With *n* independent groups and
# no difference in any of them, a loss of up to 3/*n* cannot be excluded with 95 % confidence. "Too few groups" means
# that a class lies in fewer than five groups; such classes are not judged, and the line names them.)

# %% tags=["nbval-ignore-output"]
for name, one in found.items():
    print(f"{current} -> {name}. {one.advice}")

# %% [markdown]
# (Times are measured, so they differ from run to run. If their interval includes 1, a saving of time was not shown, and
# *cheaper* rests on multiply-accumulates alone.) Such a one-word answer hides much. Below are the differences behind
# it. In our simulated scene, the interval of the linear probe ends just inside the margin of .05, and that of kNN ends
# outside it, so that by kNN the advice would be *undecided*. A few labels more or less could change it. And the advice
# is about accuracy over all places: the next section asks about single classes.
#
# A finding such as *not seen; 0.101 would be, with a power of 80%* means: the difference could be chance, and with
# these labels a true difference of 0.101 would have been found with a probability of 80 %.

# %% tags=["nbval-ignore-output"]
asked = [one for name in found for one in found[name].differences if one.question == DIFFER]
for difference in asked:
    apart = difference.comparison.difference
    print(f"{difference.what}, {difference.probe}: {apart.value:+.2f} [{apart.low:+.2f}, {apart.high:+.2f}]")
    print(f"   {difference.finding}")

# %%
seen = [f"{one.what}, {one.probe}" for one in asked if not one.finding.startswith("not seen")]
print(f"of {len(asked)} differences {len(seen)} are findings", *seen)
for name in candidates:
    if found[name].unneeded:
        print(f"{current}, {name}: neither is seen to be above image statistics by the {found[name].probe} probe")

# %% [markdown]
# ## Class by class
# A model can be as good as another on the whole and fail in the class that you need. For each class we compare
# *recall*, the fraction of its places that the linear probe gets right. Recall is enough: a place that is wrongly
# assigned to one class is missing from its true class, and lowers the recall of that class. The more classes are looked
# at, the more differ by chance; the findings allow for that (Holm's rule).

# %%
plots.plot_classes(compared.deciding)

# %% [markdown]
# *Recall of the candidate minus recall of your model, with 95 % intervals; the largest loss is at the top. In brackets:
# the number of places. Hollow: the class lies in fewer than five groups, which is too few to say anything.*
#
# Below, `0.95 -> 1.00` is recall by your model and by the candidate, and *too few groups, 4 of 5* means that the class
# lies in four groups where five are needed.

# %% tags=["nbval-ignore-output"]
for one in compared.deciding:
    print(f"{one.name:16} {one.current:.2f} -> {one.candidate:.2f}  {one.finding}")

# %%
few = [one.name for one in compared.deciding if one.finding.startswith("too few groups")]
print(f"of {len(compared.deciding)} classes {len(few)} cannot be judged: {', '.join(few) or 'none'}")

# %% [markdown]
# So what does the advice say about a class? In our simulated scene, a loss of .07 would probably have been seen for
# crop, the commonest class. For conifer it would have had to be .17, and for the other classes that can be judged .3 or
# more; about five classes nothing can be said. If your work depends on one of those, the answer for you is *not known*,
# whatever the advice says. What helps is more labels of that class, in more places.
#
# ## Where do they differ?
# Two models with equal accuracy may err in different places. On a map you can see whether those places have something
# in common: a cloud, an edge, a region.

# %%
plots.plot_agreement(compared.agreement, {"current": current, "candidate": candidates[0]})

# %% [markdown]
# *Each dot is a labelled place, as the linear probe predicts it on average over the repeated folds. If places do not
# say where they lie, a matrix stands here: the classes that one model predicts against those that the other predicts.*

# %%
total = len(compared.agreement.answers)
print(f"both predict the same class for {compared.agreement.agree:.0%} of {total} places")
print(", ".join(f"{kind}: {count}" for kind, count in compared.agreement.counts.items()))

# %% [markdown]
# ## Why not a random split?
# If neighbours of a tested place are in the training part, accuracy answers another question: how well are places
# *between* the labelled ones classified? For a map of another region that is too optimistic. How much?

# %%
for one in compared.splits:
    apart = one.comparison.difference
    print(f"{one.model:15} {one.probe:7} spatial {one.spatial.value:.2f}, random {one.random.value:.2f}: "
          f"{apart.value:+.2f} [{apart.low:+.2f}, {apart.high:+.2f}]")  # fmt: skip

# %% [markdown]
# In our simulated scene, a random split promises two to four points more, and each interval includes 0 or ends at it:
# with these labels the effect is plausible but not shown. The scene is one tile; labels in tight clusters, or over a
# whole country, can differ far more.
#
# ## Retrain your heads
# Embeddings of both models may have the same length, but their numbers do not mean the same. Here is what happens if a
# head that was trained on the old model reads embeddings of the new one (in one division of the places):

# %%
print(compared.heads)

# %% [markdown]
# So every probe, classifier, threshold, index of neighbours and stored embedding has to be made again. Count that as a
# cost of switching.
#
# ## Cost
# Tokens and multiply-accumulates (MACs) follow from the architecture. Time depends on your machine and is measured
# here, the models taking turns. Memory is measured on a GPU; on a CPU it is an estimate, right within a factor of two.

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
# v1.1 has *more* parameters, and for small inputs may need more memory: the layers that mix the bands of each pixel
# before the tokens are made are large.
#
# ## Checklist
# | check | why |
# |---|---|
# | scaling | both read digital numbers, reflectance times 10,000; radar is in dB |
# | offset | products since baseline 04.00 have 1,000 added, which must come off |
# | dates | v1 and v1.1 read months alone, v1.2 also the days between dates; chips without a date get July 2020 |
# | bands | fill a missing band by "nearest" for v1, "zero" for v1.1; one setting holds for both here, so try each |
# | names of bands | v1.1 merges all bands, so that one wrong name spoils the only token |
# | patch size | the same for both; twice the edge is a quarter of the tokens, and needs a head of its own |
# | heads | train them again, and choose again what was chosen with them: thresholds, temperature, k |
# | labels | enough groups of each class that matters: read what could have been seen |
#
# On the command line the whole page is one command (`--edge 4` for squares of 4 px around points, as here; it is 8 px
# by default):
#
# ```
# olmoearth-nb compare --models OlmoEarth-v1-Base OlmoEarth-v1_1-Base --data scene.tif --labels points.geojson --edge 4
# ```

# %% [markdown]
# ## What we learned
# * Where others measured it on correctly named bands, v1.1 is level with v1 on average, as far as five data sets can
#   tell. By linear probes the Nano of v1.1 is worse. It takes about a quarter (Base) to a sixth (Nano) of the compute.
# * An average says nothing about your class. Compare on your own labels, with groups that are not divided.
# * "No difference seen" is an answer only together with the smallest difference that would have been seen.
# * Embeddings of two versions cannot be mixed. Switching means training heads again.
#
# ## Where this stops being true
# * The small models of this page were trained in a simulated world, and the example scene is simulated as well. Nothing
#   after the section on what others measured applies to official weights; to test those, give their names as `models`.
# * All encoders are frozen, and heads are trained on embeddings. If you fine-tune, compare fine-tuned models (notebook
#   07).
# * Neighbouring blocks touch, so that a spatial split still leaves some neighbours. If your map is of another region,
#   keep a region apart.
#
# ## Exercises

# %% [markdown]
# **1.** Two models predict the same in all of 40 independent groups. How large a loss of accuracy can still not be
# excluded, with a confidence of 95 %?

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
# **3.** You would accept a loss of 2 points. On data set A the interval of v1.1 - v1 is [-1.5, +3.0] points, on data
# set B it is [-3.0, +1.5]. Neither shows a difference. On which of them is a larger loss than yours excluded?

# %% tags=["exercise"]
excluded_on = None  # "A", "B", "both" or "neither"
#: solution
excluded_on = "A"
#: end

_ = check(3, excluded_on, exercises.loss_excluded_on)

# %% [markdown]
# ## Next
# Compare on your own labels: set `data` and `labels` above. `docs/compare.md` has all options. And how far can a
# difference be trusted?
#
# previous: [09 What does three times cheaper mean?](09_what_three_times_cheaper_means.ipynb) | next: [11 Can you trust
# a difference?](11_can_you_trust_a_difference.ipynb) | [all notebooks](../README.md#notebooks)
