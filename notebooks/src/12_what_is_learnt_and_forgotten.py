# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/12_what_is_learnt_and_forgotten.ipynb)
#
# # What does an encoder learn, and what does it forget?
#
# An encoder was trained without any label (notebook 04). Its embedding has 64 numbers. What of the pixels survives in
# them, and what is lost on the way?
#
# **The short answer**, for the three models that we trained longest, on real pixels of East Africa, with six dates
# encoded together. A band's *own part* is what the other bands do not predict. A ridge regression reads these parts
# with an R2 of .61 from `naive` and .56 from `v1`; from random weights it is .25 and .18. `v1.1` keeps the least: .24,
# against .12 at random. NDVI is kept almost whole. Training shrinks the season: the month accounts for .18 to .23 of
# the embedding's variance, against .35 to .47 with random weights and .27 in the bands. When each date is encoded
# alone, random weights keep more of the own parts on average. After shorter trainings no difference from random weights
# is seen. And of five hidden traits of plants, four could be read no better from an embedding than from the bands.
#
# After this notebook you can
#
# * look at embeddings in three ways: neighbours, a map in colour, and probes;
# * read the *card* of a model: what it keeps and forgets, layer by layer, beside random weights and the bands;
# * decide when an embedding is worth its cost, and when the bands are better.
#
# | you need | why |
# |---|---|
# | notebooks 03 and 04 | the encoder, and what it was trained on |
# | linear regression, R2, confidence interval | answers are read off by them |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 40 min | 35 s, 10 s more the first time |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. It takes the extra that reads
# files and worlds (`data`). Elsewhere the cell says what is missing and how to install it.

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
# `model` names one of the models that come with the package. `data` takes the path of your own sample, and `options`
# how to open it (see notebook 01); its embeddings are mapped in place of a simulated tile's.

# %% tags=["parameters"]
data = ""
options = {}
model = "mini-naive-long"
seed = 0

# %% [markdown]
# ## The answer in one figure
# The *card* of a model says what can be read off its embeddings. `olmoearth-nb card` was run on 500 pixels of East
# Africa with twelve months each (`docs/results/cards.md`). A patch has six dates, which the encoder sees together. A
# ridge regression predicts what was in a date from the tokens of that date. Test pixels are never used for training.
# This is the committed table:

# %% tags=["headline"]
from olmoearth_nb.io.shipped import published
from olmoearth_nb.plots.card import plot_cards, show_kept

rows = [row for row in published("cards") if row["data"] == "worldcereal_africa_500"]
asked = {"own parts": "own parts", "NDVI": "NDVI", "month": "month", "weight of the month": "weight of the month"}
models = {f"mini-{name}-long": name for name in ("v1", "naive", "v1.1")}
show_kept(rows, asked, models)

# %% [markdown]
# *Dots: trained models; rings: the same models with random weights; dashed: the raw bands. Lines are 95 % intervals
# over places. The first three panels are R2 (1 is everything; the bands hold all of their own parts, not drawn); the
# last one is the fraction of the embedding's variance that lies between months.*

# %% tags=["headline"]
value = {(row["model"], row["question"]): float(row["value"]) for row in rows if row["question"] in asked}
for name, short in models.items():
    kept, chance = (value[who, "own parts"] for who in (name, f"random, as {name}"))
    print(f"{short}: {kept:.2f} of the bands' own parts can be read, {chance:.2f} from random weights")

# %% [markdown]
# **What are our small encoders good for?** When a date is encoded together with five others, each band's own part can
# be read better from the tokens of the longest-trained models than from those of random weights (v1.1 keeps the least
# of it), and NDVI can be read almost completely. They do not forget the season, they shrink it: a regression still
# finds the month, but methods that weigh directions by their size, such as nearest neighbours or a strongly penalised
# regression, see less of it. Give them the month beside the embedding. On chips of a single date random weights keep
# *more* of the bands' own parts on average, and no gain was seen on tasks about series. Anything that is a formula of
# the bands, such as NDVI, is better computed from them.
#
# How such a table is made, and other ways to look at embeddings, is the rest of this notebook.

# %% [markdown]
# ## One model, before and after
# We take one of the models, and the same model as it was before its first step. They read a small simulated world that
# neither has seen: twenty tiles, of which twelve train the probes and six test them.

# %% tags=["nbval-ignore-output"]
from dataclasses import replace

import torch
from torch.nn import functional as F

from olmoearth_nb.data import load_place, pretrained_dir
from olmoearth_nb.data.simulate.world import open_world
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.weights.load import open_encoder
from olmoearth_nb.weights.trained import load_untrained

world = open_world(scenes=320, seed=4)
chosen = pretrained_dir(model)
encoders = {"untrained": load_untrained(chosen), "trained": open_encoder(chosen)}
print("looking at", chosen.name)

# %% [markdown]
# ## Neighbours
# All test scenes are embedded from their Sentinel-2 images (six months, P = 4, mean over all tokens). For each we look
# for the three most similar scenes *of other tiles*, because scenes of one tile have the same weather. The class of a
# scene is its commonest land use; if a river or highway fills a twentieth of it, or a lake a third, that is its class.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.evaluation.embed import embed, embed_place
from olmoearth_nb.plots import learnt as plots_learnt

scenes = world.of("test")
tiles, kinds = torch.from_numpy(world.tile[scenes]), world.kind[scenes]
for name, encoder in encoders.items():
    x = F.normalize(torch.from_numpy(embed(encoder, world, scenes)), dim=-1)
    three = (x @ x.T).masked_fill(tiles[:, None] == tiles, -2).topk(3).indices.numpy()  # (scenes, 3)
    right = (kinds[three] == kinds[:, None]).mean()
    print(f"{name:9} {right:.0%} of the neighbours of all {len(scenes)} scenes are of the right class")

# %% [markdown]
# An untrained encoder is a random mixture of the pixels, and finds similar scenes, too.

# %% [markdown]
# ## A map of embeddings
# The embeddings of all patches of a test tile (your own place, if you gave one), reduced to their three main directions
# and shown as red, green and blue. The encoder sees windows of 32 x 32 px, one at a time.

# %% tags=["nbval-ignore-output"]
tile = load_place(data, **options) if data else replace(world.tiles[9], title="tile 9").select_times(range(1, 12, 2))
tile = replace(tile, images={"sentinel2_l2a": tile.images["sentinel2_l2a"]})
plots_learnt.show_components(tile, {name: embed_place(encoder, tile) for name, encoder in encoders.items()})
print(f"{tile.title}, (H, W, T, C) = {tile.images['sentinel2_l2a'].shape}")

# %% [markdown]
# *Left: true colour. Then the embeddings before and after training: similar colours mean similar embeddings; the
# colours themselves mean nothing. A pattern that repeats every 32 px comes from the code that tells a patch where in
# its window it lies.*

# %% [markdown]
# ## What can be predicted from an embedding?
# The plants of this world have hidden traits, drawn at random for every field and wood: much or little `water`,
# `chlorophyll` and `anthocyanin` in the leaves, many or few leaves in the first half of the season (`early`) and in the
# second (`late`). No model was trained on them. Can a linear probe predict them from a patch's embedding, averaged over
# six months? The probe learns from the training tiles, the strength of its regularisation is chosen on the validation
# tiles, and its accuracy is measured on the test tiles. Beside it stands the same probe on the bands themselves,
# averaged in the same way.

# %% tags=["nbval-ignore-output"]
from tempfile import TemporaryDirectory

from olmoearth_nb.evaluation.intervals import accuracy, difference
from olmoearth_nb.evaluation.tasks import Task, encoded, raw

aside, means, readings, gains = TemporaryDirectory(), {}, {}, {}
for trait in ("water", "chlorophyll", "anthocyanin", "early", "late"):
    task = Task(trait, probe="probe")
    features = {name: encoded(one, task, aside.name) for name, one in encoders.items()}
    features = {"raw bands": raw(task, means)} | features
    right = {name: task.right(world, feature, seed) for name, feature in features.items()}
    readings[trait] = {name: accuracy(hits, count) for name, (hits, count) in right.items()}
    (trained, count), others = right["trained"], ("untrained", "raw bands")
    gains[trait] = [difference(trained, right[other][0], count) for other in others]
plots_learnt.show_readings(readings)

# %% [markdown]
# *Accuracy; bars are 95 % intervals over the test tiles, and the dotted line is chance.* The square is the baseline:
# the bands without any model. Where the dark dot lies right of the square, the embedding is better than the bands, and
# only there is it worth its cost.

# %% tags=["nbval-ignore-output"]
for trait, (gain, beyond) in gains.items():
    print(f"{trait:12} trained minus untrained {gain.signed(2)}, trained minus bands {beyond.signed(2)}")

# %% [markdown]
# Training makes chlorophyll, anthocyanin and the early season easier to read than random weights do. Against the bands
# the trained embedding is a little ahead for water, behind for chlorophyll, far behind for anthocyanin, and level for
# the rest, each taken by itself, with no correction for asking five questions. So on most of these traits the embedding
# is not worth its cost. Six test tiles are few; `docs/results/pretraining.md` uses 120.

# %% [markdown]
# ## A card of your own
# Now we make the card of the first figure here, for the model that you chose, in the small world. It covers each band,
# the band's own part, NDVI, the month, the place and the sensor. It does so after every layer, and also for random
# initialisations and for the bands without any model. With $\hat y$ the regression's answer for what was in a date,
#
# $$R^2 = 1 - \frac{\sum (y - \hat y)^2}{\sum (y - \bar y)^2}$$
#
# is 1 where all can be read and 0 where nothing can. A band's *own part* is what is left of it after a regression on
# all other bands.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.evaluation.card import Subject, make_card
from olmoearth_nb.evaluation.observations import Draw, open_observations
from olmoearth_nb.weights.load import random_encoder

seen = open_observations(world.folder, Draw(most=1500, seed=seed))
twins = tuple(random_encoder(chosen, number) for number in range(3))
subjects = [Subject(chosen.name, (encoders["trained"],)), Subject("random", twins, "random", chosen.name)]
card = make_card(subjects, replace(seen, name="world of seed 4"))
print(*card.notes, sep="\n")

# %% tags=["nbval-ignore-output"]
plot_cards([card])

# %% [markdown]
# *Dots with intervals of 95 % over tiles; hollow dots are random initialisations, orange bars the raw bands (which
# answer the first two panels without error). Right: layer by layer. "Weight of month" is the fraction of the
# embedding's variance that lies between months; the others are R2, the sensor's accuracy runs from 0 (chance) to 1.*
#
# Nearly all of every band can be read from any encoder, because neighbouring bands are so alike. Their own parts tell
# encoders apart: training keeps about three times as much of them as a random initialisation does, most of B11 and B12,
# and the layers lose the rest. The month, which the encoder is *told*, accounts for a fifth of the variance of a random
# embedding; training makes it as small as it is in the bands of this world, and a regression then finds only slightly
# more than half of it. The place cannot be read from any of them.

# %% [markdown]
# ## What we learned
# * The trained encoder found more neighbours of the right class than its random twin (30 against 21 percent, one model,
#   six tiles). Random encoders are no empty baseline: they mix the bands, and much can be read off a mixture.
# * What neighbouring bands share is kept by any encoder. A band's own part tells encoders apart.
# * Training makes the season small. Whether that is good depends on what you ask.
# * Compare with the bands themselves. Only where an embedding beats them is it worth its cost.
#
# ## Where this stops being true
# * The models are small, were trained for an hour or two in a simulated world, and are one training each.
# * Scenes of a tile have the same weather and season. An encoder may seem good because it recognises the date; that is
#   why neighbours are taken from other tiles.
# * Six test tiles are few. `docs/results/pretraining.md` uses 120.
# * What a ridge regression cannot read may still be there. In notebook 05 nearest neighbours and a linear probe
#   disagree about the same embeddings.
#
# ## Exercises
# Predict first, then run.

# %% [markdown]
# **1.** A regression reads a band off an embedding with R2 = .75. All other bands together predict that band with R2 =
# .70. Could the regression have done that without anything of the band's own part?

# %% tags=["exercise"]
without = None  # True or False
#: solution
without = False
#: end

_ = check(1, without, exercises.read_without_the_own_part)

# %% [markdown]
# **2.** Read off the first table which of the three recipes gained *most* over its own random weights in the bands' own
# parts, as a factor. Which is it?

# %% tags=["exercise"]
most = None  # "v1", "naive" or "v1.1"
#: solution
ratio = {short: value[name, "own parts"] / value[f"random, as {name}", "own parts"] for name, short in models.items()}
most = max(ratio, key=ratio.get)
#: end

_ = check(2, most, exercises.gained_most_of_the_own_parts)

# %% [markdown]
# **3.** You compare embeddings of *single dates*, from different months, by twenty nearest neighbours; your crops
# differ in when they turn green. What do you add to the embedding, judging from the last panel of the first figure?

# %% tags=["exercise"]
added = None  # "NDVI", "the place", "the month" or "nothing"
#: solution
added = "the month"
#: end

_ = check(3, added, exercises.added_for_neighbours)

# %% [markdown]
# ## Next
# This is the last notebook. Where the numbers come from is told in
# [cards](https://github.com/olmoearth-nb/olmoearth_nb/blob/main/docs/results/cards.md).
#
# previous: [11 Can you trust a difference?](11_can_you_trust_a_difference.ipynb) | [all
# notebooks](../README.md#notebooks)
