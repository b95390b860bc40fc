# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/07_fine_tuning.ipynb)
#
# # What is a pretrained encoder worth when there are ten labels, or a thousand?
#
# You have an encoder, and some places whose answer you know. You can leave the encoder as it is and fit a classifier to
# its embeddings. You can let all of it learn, by one protocol or another, or a small delta beside it. Or you can do
# without it: image statistics need no training at all. **What is pretraining worth at each number of labels, and which
# way uses it best?**
#
# The short answer, of our small encoders: against the same encoder with random weights, pretraining is worth about a
# tenth of accuracy on real chips and two tenths in a simulated world, at every number of labels. Against image
# statistics, the mean and spread of each band, it is worth a tenth in the world that is like the one it learnt in, and
# nothing that could be seen on real chips. Which way is best hardly matters here: a frozen encoder with a logistic
# regression, which takes no time at all, is within a few points of all ways that let it learn.
#
# | you need | why |
# |---|---|
# | notebook 03 | what a block of the encoder does |
# | logistic regression, learning rate | ways to fit are made of them |
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
# `data` takes your own sample, and `options` how to open it (see notebook 01); a map of it is made at the end. `model`
# is what is fine-tuned here: a model that comes with the package, a folder, or a published one. `tiles` is how much of
# the simulated world is made, and `steps` how long each live fit is.

# %% tags=["parameters"]
data = ""
options = {}
edge = 64
model = "mini-v1.1-long"
tiles = 10
steps = 60
seed = 0

# %%
import numpy as np
import torch
from torch.testing import assert_close

from olmoearth_nb import Batch
from olmoearth_nb.finetune.measured import label_efficiency, worth
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.finetune import show_cost, show_curves, show_live, show_told, show_ways
from olmoearth_nb.weights.load import open_encoder

# %% [markdown]
# ## What was measured
# Three small encoders (v1, naive, v1.1) that were pretrained in the simulated world, and random initialisations of the
# same three, were fitted to 10, 30, 100 and more labels: of EuroSAT, real chips of another continent and another
# level of processing than the encoders ever saw, and of a second simulated world. Everything got the same labels.
# The whole plan, which was written before, is in `docs/results/finetune.md`.

# %% tags=["headline"]
curves = label_efficiency()
show_curves(curves)

# %% [markdown]
# *Accuracy on places of other groups than those that train; means of the three encoders, intervals of 95 % over groups
# of places, and over seeds where there are several. Grey: no encoder. Orange: random weights. Blue and green:
# pretrained.*

# %% tags=["headline"]
for data_set, families in worth().items():
    print(f"{data_set}: pretrained minus random weights, both by layer decay")
    for point in families["pretraining, by layer decay (primary)"]:
        print(f"  {point.count:>5} labels: {point.interval}; {point.finding}")

# %% [markdown]
# The fair question to ask of an encoder is harder: is it better than image statistics, which cost nothing?

# %%
for data_set, families in worth().items():
    print(f"{data_set}: frozen encoder minus image statistics, both by logistic regression")
    for point in families["frozen, beyond image statistics"]:
        print(f"  {point.count:>5} labels: {point.interval}; {point.finding}")

# %% [markdown]
# ## Four ways to use labels
# Every way puts a *head*, one linear layer, behind the mean of all tokens. They differ in what else learns:
#
# * *Frozen*: nothing. The embeddings are computed once.
# * *Full*, the official protocol: the head alone for a fifth of the time, so that it no longer tells nonsense; then
#   everything, at a tenth of the rate.
# * *Layer decay*, what users of OlmoEarth are told since May 2026: everything from the first step, early blocks slower.
# * *LoRA*: the head, and a delta of few numbers beside some weights of each block.

# %% tags=["nbval-ignore-output"]
show_ways()

# %% [markdown]
# *From the input (below) to the head. Numbers are parts of the learning rate.*
#
# ### Layer decay
# A block $i$ of $n$ (counted from 0) learns at the rate
#
# $$\eta_i = \eta \cdot 0.65^{\,n - i},$$
#
# the patch embedding at that of the first block. Early layers hold what is common to all tasks, so they are moved less.

# %%
from olmoearth_nb.finetune.groups import layer_decay
from olmoearth_nb.finetune.heads import PlaceHead
from olmoearth_nb.finetune.tuned import Tuned

encoder = open_encoder(model)
width, depth = encoder.config.width, encoder.config.depth
for group in layer_decay(Tuned(encoder, PlaceHead(width, 10), patch_size=4), rate=1e-3):
    count = sum(weight.numel() for weight in group["params"])
    print(f"{group['name']:8} rate {group['lr']:.6f}, {count:>8,} numbers")

# %% [markdown]
# Why not the same rate for all? And what does the official protocol freeze for? Both keep the first, large gradients of
# a head that knows nothing from destroying what was pretrained.
#
# ### LoRA
# A linear layer $x W^\top$ gets a delta of low rank (Hu and others 2021):
#
# $$y = x W^\top + \frac{\alpha}{r}\, x A^\top B^\top, \qquad A \in \mathbb{R}^{r \times D},\; B \in
# \mathbb{R}^{D \times r}$$
#
# $W$ stands still. $B$ is 0 at first, so that the encoder begins as it was. A layer of $D \times D$ numbers learns
# $2 r D$. The delta can be added to $W$ afterwards, so that nothing is slower than before:

# %%
from olmoearth_nb.finetune.lora import add_lora, lora_layers, merge, unmerge

small = add_lora(open_encoder(model), rank=8, alpha=16, layers="qv")
name, layer = next(iter(lora_layers(small).items()))
torch.nn.init.normal_(layer.lora_b, generator=torch.Generator().manual_seed(seed))  # as if it had learnt
x = torch.randn(5, width, generator=torch.Generator().manual_seed(seed))
by_hand = x @ layer.weight.T + layer.bias + 16 / 8 * x @ layer.lora_a.T @ layer.lora_b.T
assert_close(layer(x), by_hand, atol=1e-4, rtol=1e-4)
merge(small)
assert_close(layer(x), by_hand, atol=1e-4, rtol=1e-4)
unmerge(small)
learns = sum(weight.numel() for weight in small.parameters() if weight.requires_grad)
print(f"{name}: {layer.weight.numel():,} numbers stand still, {layer.lora_a.numel() + layer.lora_b.numel():,} learn")
print(f"{len(lora_layers(small))} layers: {learns:,} of {sum(w.numel() for w in encoder.parameters()):,} numbers learn")

# %% [markdown]
# ## Live: windows of the simulated world
# `tiles` tiles of 1.28 km are made, cut into windows of 160 m with four dates each. Some tiles train, the others are
# tested. What a window is has ten classes, as in EuroSAT.

# %%
from olmoearth_nb.data.labelled.tiles import TileSet

world = TileSet(tiles, seed=seed)
tested = np.flatnonzero(world.groups % 10 >= 6) if tiles > 6 else np.flatnonzero(world.groups == 0)
training = np.setdiff1d(np.arange(len(world)), tested)
print(f"{world.name}: {len(training)} may train, {len(tested)} are tested, {len(world.classes)} classes")

# %% [markdown]
# One fit is an `Engine`: an encoder, places, the numbers of those that train and of those that choose the best epoch
# (here none), and settings. The draws of labels are *nested*, the ten are among the hundred, and all fits share them.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.finetune.draws import nested
from olmoearth_nb.finetune.engine import Engine
from olmoearth_nb.finetune.places import Places
from olmoearth_nb.finetune.ways import Settings
from olmoearth_nb.weights.load import random_encoder

places, drawn = Places(world, ("sentinel2_l2a",)), training[nested(world.answers[training], seed)]
asked = {
    "pretrained, frozen": (encoder, "frozen", 1e-2),
    "pretrained, layer decay": (encoder, "layer decay", 3e-3),
    "pretrained, LoRA": (encoder, "lora", 1e-2),
    "random, layer decay": (random_encoder(model, seed), "layer decay", 3e-3),
}
scores, none = {name: {} for name in asked}, np.array([], int)
for name, (one, way, rate) in asked.items():
    for count in (10, 30, 100):
        epochs = -(-steps // -(-count // 8))  # whole passes, as few as reach the steps
        engine = Engine(one, places, drawn[:count], none, Settings(way, epochs, batch=8, rate=rate, seed=seed))
        engine.run()
        scores[name][count] = float((engine.predict(tested).argmax(1) == world.answers[tested]).mean())
show_live(scores, chance=np.bincount(world.answers[tested]).max() / len(tested))

# %% [markdown]
# *Accuracy of live fits; dotted: always the commonest class. One draw of labels, one seed, few tiles: this shows how it
# is done, the tables above what comes of it.*
#
# ## What a spatial split changes
# Windows of one tile share their soil, their weather and their dates. If some train and others are tested, the test is
# answered by neighbours. The same embeddings, the same logistic regression, in three folds of windows and in three
# folds of whole tiles:

# %% tags=["nbval-ignore-output"]
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from olmoearth_nb.evaluation.embed import embed

embeddings = embed(encoder, world, batch_size=64)
regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
folds = {
    "windows at random": KFold(3, shuffle=True, random_state=seed).split(embeddings),
    "whole tiles": GroupKFold(3).split(embeddings, groups=world.groups),
}
apart = {}
for name, fold in folds.items():
    apart[name] = cross_val_score(regression, embeddings, world.answers, cv=list(fold)).mean()
    print(f"{name:18} accuracy {apart[name]:.2f}")
broken = apart["windows at random"] - apart["whole tiles"]
print(f"the random split promises {broken:.2f} that a new tile does not keep")

# %% [markdown]
# The second number is what you get where you have no labels. `olmoearth-nb finetune` divides by place unless the
# publishers of a set have split it.
#
# ## An answer for each pixel
# A head can tell every pixel of a patch. Land cover of the same windows by a frozen encoder, whose embeddings are kept,
# so that many epochs cost little; and then of a place that the fit never saw: yours, if you gave `data`.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.data.load import load_place
from olmoearth_nb.finetune.scores import score

cover = world.asking("cover")
engine = Engine(encoder, Places(cover, ("sentinel2_l2a",)), training, none, Settings("frozen", steps, seed=seed))
fit = engine.run()
print(f"mean IoU of tested tiles: {score(fit.target, engine.predict(tested), cover.answers[tested]):.2f}")
sample = load_place(data, edge=edge, **options)
with torch.no_grad():
    told = fit.target.predicted(fit.tuned(Batch.from_samples([sample])))[0]
show_told(sample, told, cover.classes)

# %% [markdown]
# *Left: the place. Middle: what each pixel is told to be. Right: how sure that is. The fit knows simulated cover alone;
# on a real place take it as a demonstration.*

# %%
print(f"{sample.title}, {sample.provenance}: {told.shape[0]} x {told.shape[1]} pixels of {len(cover.classes)} classes")

# %% [markdown]
# ## What it costs
# A frozen encoder is read once for each place, whatever the number of epochs. Other ways compute it forwards and
# backwards in each step. LoRA learns few numbers, and saves memory and disk by that, but hardly any time: gradients
# have to go through all blocks. EuroSAT at 100 labels:

# %% tags=["nbval-ignore-output"]
chips = curves["EuroSAT-MS"]
show_cost(chips, 100)

# %% [markdown]
# *Accuracy over the numbers that a fit learns and over its time. Hollow: logistic regression on something that stands
# still. Seconds are those of 250 steps of 8 chips on one core.*

# %%
print(f"{'':26} {'learnt':>9}")
for name, points in chips.items():
    if name.startswith(("pretrained", "image", "raw")):
        print(f"{name:26} {points[-1].learnt:>9,}")

# %% [markdown]
# On your own data, by one command, with a table and intervals, going on where it was interrupted
# ([docs/fine-tuning.md](https://github.com/olmoearth-nb/olmoearth_nb/blob/main/docs/fine-tuning.md)):
#
# ```
# olmoearth-nb finetune mini-v1.1-long --data my_chips --way frozen,layer-decay --count 100 --seeds 3 --out fitted
# ```
#
# ## What we learned
# * Against random weights pretraining pays at every number of labels. Against image statistics it has to be shown. In
#   a world like the one that the encoders learnt in it pays a tenth; on real chips nothing was seen. Always fit both
#   before you believe in an encoder.
# * Frozen, full, layer decay and LoRA come close to each other. A classifier on frozen embeddings is fitted in a
#   hundredth of a second.
# * On real chips an encoder with random weights that learns is *worse* than one that stands still: few labels cannot
#   teach it.
# * A random split promises what a new place does not keep.
#
# ## Where this stops being true
# * The encoders are small and were pretrained in a simulated world. Official ones have seen real places, a hundred
#   times as long. Nothing is said about them; give a name of one as `model` where you are online.
# * Every fit has 250 steps, which is two passes over 1,000 labels. Longer training may change the order of ways.
# * Learning rates were chosen once, on the simulated world, not for each data set and number of labels.
# * EuroSAT's chips here are 375. Intervals are wide.
#
# ## Exercises

# %% [markdown]
# **1.** The base model has 12 blocks of width 768. How many numbers does LoRA of rank 8 on queries and values learn,
# without the head?

# %% tags=["exercise"]
numbers = None  # a whole number
#: solution
numbers = 12 * 2 * (8 * 768 + 768 * 8)
#: end

_ = check(1, numbers, exercises.lora_numbers)

# %% [markdown]
# **2.** An encoder has four blocks. What is the rate of its *first* block under layer decay, in parts of the head's?

# %% tags=["exercise"]
part = None  # a number
#: solution
part = 0.65**4
#: end

_ = check(2, part, exercises.rate_of_the_first_block)

# %% [markdown]
# **3.** You want to map a region where nobody has labels. Which split tells you how well that will go, "at random" or
# "by place"?

# %% tags=["exercise"]
split = None  # "at random" or "by place"
#: solution
split = "by place"
#: end

_ = check(3, split, exercises.split_for_a_new_region)

# %% [markdown]
# ## Next
# *10 Should you switch?*: one encoder against another on your own labels.
