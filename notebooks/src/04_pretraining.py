# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/04_pretraining.ipynb)
#
# # How does a model learn without labels?
#
# Nobody has labelled the tiles that OlmoEarth learns from. What can a model learn from images alone?
#
# **The short answer.** It answers multiple-choice questions. The encoder sees some tokens of a sample; others, never
# all, are hidden. For each hidden token the model picks its target among those of all hidden tokens of the same sensor
# or map. A target is a frozen random projection of the pixels. A live run of half a minute learns to do a little better
# than chance. Runs of 65,536 samples, which come with the package, go about two thirds to three quarters of the way
# from chance to a perfect answer. Merging the bands changes the task: in our example place, for 55 percent of v1's
# hidden Sentinel-2 tokens the encoder sees another one of the same patch and date, and after merging for none.
#
# After this notebook you can
#
# * say what two views, encoder, predictor and targets do, and build both losses by hand;
# * explain what merging and v1.1's masking change about what can be predicted from what;
# * read a loss curve between chance and the perfect predictor, and notice a collapse.
#
# | you need | why |
# |---|---|
# | notebooks 02 and 03 | tokens, band groups, the encoder |
# | softmax and cross-entropy | the loss is made of them |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 60 min | 45 s, 10 s less the second time |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. It takes the extras that read and
# write tiles (`data`) and that train (`scale`). Elsewhere the cell says what is missing and how to install it.

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
# `data` takes the path of your own sample, which is then masked in place of a simulated one; `options` says how to open
# it (see notebook 01). `steps` is the length of the live training. `online = True` fetches the official subset of a
# thousand tiles.

# %% tags=["parameters"]
data = ""
options = {}
steps = 300
online = False
seed = 0

# %%
from collections import Counter
from dataclasses import replace

import torch
from torch.nn import functional as F
from torch.testing import assert_close

from olmoearth_nb import Batch, Role, TokenGrid
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_place
from olmoearth_nb.data.simulate.world import open_world
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots import masking as plots_masking
from olmoearth_nb.plots import schematics as plots_schematics
from olmoearth_nb.plots.views import NEIGHBOURS, masked_views, seen_near
from olmoearth_nb.pretrain.batches import rescaled
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.losses import contrast, patch_discrimination
from olmoearth_nb.pretrain.recipes import RECIPES, differences, two_cores

# %% [markdown]
# ## One step in one drawing

# %%
plots_schematics.show_pretraining()

# %% [markdown]
# *Each sample is masked twice. The encoder sees the blue tokens of a view. The predictor is asked for the orange ones,
# and each prediction is compared with the targets of all hidden tokens of its sensor or map. The targets come from a
# frozen copy of the patch projection, as it was before the first step. The second, smaller loss compares the means of
# the two views. (The predictor answers for view 2 likewise.)*

# %% [markdown]
# ## A small world
# Twenty tiles of 128 x 128 px, simulated once and kept in your cache. Outlines, weather and seasons are invented;
# spectra of soils, roofs and roads are measured, those of plants and water modelled. A tile has three sensors with
# twelve months each, and up to six maps. Twelve tiles are for training; those of the test are made of other spectra.

# %% tags=["nbval-ignore-output"]
world = open_world(scenes=320, seed=4)

# %%
for split in ("train", "valid", "test"):
    print(f"{split:5} {len(set(world.tile[world.of(split)].tolist())):2} tiles, {len(world.of(split)):3} scenes")

# %% [markdown]
# Our place is a window of 32 x 32 px of tile 5 in six months. That is what a *sample* is: raw images of one square. The
# encoder will see the sensors; maps are only ever predicted.

# %%
place = load_place(data, **options) if data else world.tiles[5].window(48, 64, 32).select_times(range(1, 12, 2))
edge = min(32, *next(iter(place.images.values())).shape[:2]) // 8 * 8
place = place.window(0, 0, edge).select_times(range(min(6, len(place.dates))))
patch = edge // 4  # four by four patches, whatever the place
for name, image in place.images.items():
    print(f"{name:21} (H, W, T, C) = {image.shape}")

# %% [markdown]
# ### Crops under a budget
# Training never reads whole tiles. For every micro-batch a patch size P of 1 to 8 pixels and an edge of 1 to 12 patches
# are drawn, and as many dates as a budget of 2,250 tokens leaves room for. The official scripts count v1's tokens for
# every model, so the sequences of v1.1 are about half as long as the budget allows.

# %%
edges = (4, 6, 8, 10, 12)
print("edge in patches          ", *(f"{edge:4}" for edge in edges))
for name in ("v1", "v1.1"):
    crops = Crops(counted=RECIPES[name].tokenization)
    print(f"dates, {name:4} tokens counted", *(f"{crops.dates(edge):4}" for edge in edges))

# %% [markdown]
# ## Masked views
# A *band set* is one group of bands of one sensor: v1 has three of Sentinel-2 (10, 20 and 60 m), v1.1 has one. Masking
# gives every token a role. It draws band sets to be seen, to be predicted or, in v1, both; of each it takes a part of
# the tokens or of the dates. A recipe is data, so that two recipes can be compared field by field. What `naive` changes
# of v1, and what v1.1 changes of `naive`, in the official recipes:

# %%
for first, second in (("v1", "naive"), ("naive", "v1.1")):
    print(f"{first} -> {second}")
    for name, (old, new) in differences(RECIPES[first], RECIPES[second]).items():
        line = "\n" + 27 * " " if len(str(old)) > 30 else " "
        print(f"   {name:23} {old}{line}-> {new}")

# %% [markdown]
# Not all of these are ingredients of the method. `micro_batch` says how many samples pass the model at once. As we run
# the recipes on two cores, it is the same in both, and these differences remain:

# %%
ingredients = differences(two_cores("naive"), two_cores("v1.1"))
only_official = differences(RECIPES["naive"], RECIPES["v1.1"]).keys() - ingredients.keys()
print(f"naive -> v1.1, {len(ingredients)} ingredients:", ", ".join(ingredients))
print("in the official recipes also:", ", ".join(only_official))

# %% [markdown]
# Each sample is masked twice, independently. Both views of our place, under v1 and under v1.1:

# %%
views = {}
for name in ("v1", "v1.1"):
    views[name] = place.grid(RECIPES[name].tokenization, patch), masked_views(place, RECIPES[name], patch, seed)
plots_masking.show_views(place, views)

# %% [markdown]
# *Every small square is a date of a band set with its patches. Blue tokens go into the encoder; orange ones are
# predicted; grey ones are left out; white ones were not observed. v1 draws tokens one by one, so that a band set can be
# encoded and predicted at once. v1.1 gives each band set one role, hides tokens or whole dates, and predicts all maps.*

# %% [markdown]
# ### What can be predicted from what?
# Merging changes the task. We take all hidden Sentinel-2 tokens in a hundred pairs of views. For what percentage of
# them does the encoder see something near?

# %%
percent = {}
for name in ("v1", "naive", "v1.1"):
    grid, total = place.grid(RECIPES[name].tokenization, patch), Counter()
    for roles in masked_views(place, RECIPES[name], patch, seed, pairs=100):
        total.update(seen_near(grid, roles))
    percent[name] = {near: round(100 * total[near] / total["hidden"]) for near in NEIGHBOURS}

# %%
print(f"{'the encoder sees, in % of hidden tokens':42}", *(f"{name:>6}" for name in percent))
for near in NEIGHBOURS:
    print(f"{near:42}", *(f"{percent[name][near]:6}" for name in percent))

# %% tags=["headline"]
print("hidden Sentinel-2 tokens with another of the same patch and day in view:", end=" ")
print(", ".join(f"{near[NEIGHBOURS[0]]} % in {name}" for name, near in percent.items()))

# %% [markdown]
# In v1 much can be solved *between bands*: the 20 m token from the 10 m token of the same patch and day. After merging
# there is no other Sentinel-2 token at that place and day. What is left is another patch, another date, or another
# sensor. v1.1's masking never predicts a band set that is visible, so that only the other sensors are left. If your
# sample has Sentinel-2 alone, that does not hold: of a single band set, v1.1 shows half of the tokens to the encoder
# and predicts the other half.

# %% [markdown]
# ## What is to be predicted
# The model predicts neither pixels nor the output of its encoder. The target of a token is what the *untrained* patch
# projection makes of its pixels: a random projection, drawn once and frozen. Two patches with similar pixels have
# similar targets. A target holds no other information.
#
# This works only if the inputs differ. Official inputs are scaled by means and standard deviations that include the
# clouds of the whole world, so that clear land covers a narrow range. How alike are the targets of our place?

# %%
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.weights.trained import initial_model

official = Batch.from_samples(place)
standard = Batch({name: rescaled(image, image, name) for name, image in official.images.items()}, official.timestamps)
angles = {}
for recipe, layer in (("naive", "no pixel layer"), ("v1.1", "pixel layer")):
    projection = initial_model(two_cores(recipe).config("mini"), seed).target_encoder
    grid = official.grid(RECIPES[recipe].tokenization, patch)
    here = grid.where("sentinel2_l2a") & ~observed(official.images, grid)[1][0]
    for scale, batch in (("official", official), ("standard", standard)):
        targets = F.normalize(projection(batch, patch)[0, here], dim=-1)
        first, second = torch.triu_indices(len(targets), len(targets), 1)
        cosines = (targets @ targets.T)[first, second].clamp(-1, 1)
        angles[f"{scale}, {layer}"] = float(cosines.arccos().rad2deg().median())

# %%
print("half of all pairs of Sentinel-2 targets are closer than")
for name, angle in angles.items():
    print(f"{angle:4.0f} degrees   {name}")

# %% [markdown]
# At 0 degrees targets cannot be told apart; directions drawn at random lie near 90.
#
# Standardised inputs (mean 0, standard deviation 1) pull targets apart, and the pixel layer pushes them together again.
# Our small runs therefore use standardised inputs. The models that they save take official inputs. Because the pixel
# layer is part of the targets, losses of recipes with and without it cannot be compared.

# %% [markdown]
# ## The loss, on eight tokens
# *Patch discrimination* is a classification: among all hidden tokens of this sample and modality, which target belongs
# to this prediction? We take the first eight patches on one day. Our predictor is half right: it gives the right target
# plus as much noise.

# %%
image = standard.images["sentinel2_l2a"][0]
whole = [t for t in range(image.shape[2]) if (image[: 2 * patch, :, t] != MISSING).all()]
assert whole, "this section needs a date without gaps"
day = whole[len(whole) // 2]
eight = Batch({"sentinel2_l2a": image[None, : 2 * patch, :, day : day + 1]}, standard.timestamps[:, day : day + 1])
naive = initial_model(two_cores("naive").config("mini"), seed)
targets = naive.target_encoder(eight, patch)[0]  # (8, D)
noise = torch.randn(targets.shape, generator=torch.Generator().manual_seed(seed))
predictions = F.normalize(targets, dim=-1) + F.normalize(noise, dim=-1)

# %% [markdown]
# All vectors are scaled to length 1, and every prediction $p_i$ is compared with every target $t_j$. Cosines are made
# ten times larger (a temperature $\tau$ of 0.1), and a softmax turns each row into probabilities. The loss is the mean
# of minus the logarithm of the diagonal, times 0.2:
#
# $$\mathcal L_\text{patch} = -\frac{0.2}{n} \sum_{i=1}^{n}
# \log \frac{\exp(p_i \cdot t_i / \tau)}{\sum_j \exp(p_i \cdot t_j / \tau)}$$

# %%
p, t = F.normalize(predictions, dim=-1), F.normalize(targets, dim=-1)
cosine = p @ t.T
chances = (cosine / 0.1).softmax(-1)
by_hand = 0.2 * -chances.diagonal().log().mean()

grid = eight.grid(RECIPES["naive"].tokenization, patch)
hidden = torch.full((1, 8), int(Role.DECODER))
assert_close(by_hand, patch_discrimination(predictions[None], targets[None], hidden, grid))
plots_masking.show_discrimination(place, patch, day, cosine, chances)

# %% [markdown]
# *Left: the eight patches. Middle: cosine of each prediction (rows) with each target. Right: the same after the
# softmax; the framed diagonal should be 1. Patches that look alike compete.*
#
# Every such loss needs two reference values. A predictor that gives zeros gives all targets the same probability: that
# is *chance*, 0.2 log 8 for eight tokens. A predictor that gives the targets themselves has a loss above zero, because
# similar targets still compete. We call it *perfect*, though exercise 2 shows that it is not the best.

# %%
losses = {}
for name, guess in {"chance": torch.zeros_like(targets), "half": predictions, "perfect": targets}.items():
    losses[name] = float(patch_discrimination(guess[None], targets[None], hidden, grid))
assert abs(losses["chance"] - 0.2 * torch.tensor(8.0).log()) < 1e-6
print("; ".join(f"{name} {loss:.2f}" for name, loss in losses.items()))

# %% [markdown]
# ### Masked negatives
# Maps repeat themselves: every patch of one class has the same target. In v1 such patches compete, although nothing can
# tell them apart. v1.1 takes targets that equal the right one (cosine above 0.999) out of the competition. Here are six
# patches of one class and two of another:

# %%
kinds = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
guess, two_classes = torch.randn(8, 64), torch.randn(2, 64)[kinds]
p, t = F.normalize(guess, dim=-1), F.normalize(two_classes, dim=-1)
rivals = (t @ t.T <= 0.999) | torch.eye(8, dtype=torch.bool)
scores = (p @ t.T / 0.1).masked_fill(~rivals, float("-inf"))
by_hand = 0.2 * (scores.logsumexp(-1) - scores.diagonal()).mean()

cover = TokenGrid.build({"worldcover": (2 * patch, 4 * patch)}, RECIPES["v1.1"].tokenization, patch)
assert_close(by_hand, patch_discrimination(guess[None], two_classes[None], hidden, cover, masked_negatives=True))
print("rivals of each patch:", (rivals.sum(1) - 1).tolist())

# %% [markdown]
# On a map with a single class no two patches can be told apart. Without masked negatives the loss is that of chance,
# whatever is predicted, and a constant loss teaches nothing. With masked negatives the map is left out.

# %%
one_class = two_classes[:1].expand(8, -1)
plain = patch_discrimination(guess[None], one_class[None], hidden, cover)
masked = patch_discrimination(guess[None], one_class[None], hidden, cover, masked_negatives=True)
assert_close(plain, 0.2 * torch.tensor(8.0).log())
print(f"one class: loss {plain:.3f}, which is chance; with masked negatives {masked:.3f}, left out")

# %% [markdown]
# ### The contrast of the two views
# There is a second, small loss. The mean embedding $z_b$ of a sample's first view is to be recognised among the second
# views $z'_c$ of the micro-batch:
#
# $$\mathcal L_\text{contrast} = -\frac1B \sum_{b=1}^{B}
# \log \frac{\exp(z_b \cdot z'_b / \tau)}{\sum_c \exp(z_b \cdot z'_c / \tau)}$$
#
# Its weight is 0.1 in v1 and 0.05 in v1.1. For four samples (invented numbers), in two lines:

# %%
first, second = torch.randn(4, 64), torch.randn(4, 64)
scores = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).T / 0.1
assert_close(F.cross_entropy(scores, torch.arange(4)), contrast(first, second))
print(f"contrast of four views and four others that have nothing in common: {contrast(first, second):.1f}", end="; ")
print(f"of four views and the same once more: {contrast(first, first):.4f}")

# %% [markdown]
# ## Half a minute of pretraining
# Now everything together: two views, an encoder, a predictor that reads the encoder's output by cross-attention, and
# both losses. To see something within seconds we make it easy: the recipe `naive` in size `mini`, eight samples a step,
# and small crops of 2 x 2 patches over all twelve months. What else differs from the official recipe of that name:

# %%
recipe = two_cores("naive")
recipe = replace(recipe, optimisation=replace(recipe.optimisation, warmup=400, batch=8, micro_batch=8))
for name, (old, new) in differences(RECIPES["naive"], recipe).items():
    print(f"{name:14} {old} -> {new}")

# %% [markdown]
# A `Plan` is all that decides a run. Its *trunk* has a constant learning rate; each budget is a *branch* in which the
# rate falls to zero, so that one long run gives every shorter one.

# %%
from olmoearth_nb.pretrain.plan import Plan

plan = Plan(recipe, "mini", Crops(patch_sizes=(8,), edges=(2,), budget=400), seed, budgets=(8 * steps,))
for leg in plan.legs:
    print(f"{leg.name:11} steps {leg.start} to {leg.end}")

# %% [markdown]
# This is the call behind `olmoearth-nb pretrain`. It logs every step, can be interrupted and resumed, and saves an
# encoder and a predictor. One core is left to the process that loads the data.

# %% tags=["nbval-ignore-output"]
from pathlib import Path
from tempfile import TemporaryDirectory

from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.pretrain.curves import read_curve, write_curve
from olmoearth_nb.pretrain.run import pretrain

torch.set_num_threads(max(1, torch.get_num_threads() - 1))
aside = TemporaryDirectory()
run = Path(aside.name) / "run"
corpus = TileCorpus(world.folder, cache=Path(aside.name) / "tiles")
(live,) = pretrain(plan, corpus, run, workers=1)
write_curve(run, live.name, live)
print(sorted(path.name for path in live.glob("*.safetensors")))

# %% tags=["nbval-ignore-output"]
short = read_curve(live)
print("samples    loss  chance perfect")
for row in zip(*(short[name] for name in ("samples", "patches", "chance", "best")), strict=True):
    print("{:7.0f} {:7.2f} {:7.2f} {:7.2f}".format(*row))

# %% [markdown]
# The loss begins *above* chance, because a confident wrong prediction costs more than none. First the model learns to
# be less confident. Only then does it begin to tell months and patches apart. Half a minute takes it a small part of
# the way. (Losses of all sensors and maps are added and averaged over the two views. That is why chance is near 2.6
# here, and not the 0.2 log n of a single sensor.)

# %% [markdown]
# ## The long runs
# These models come with the project. They were trained for longer: most on more tiles of other simulated worlds (ours
# has seed 4), four on real chips. `run.json` beside a model says how; `log.csv` is its curve.

# %% tags=["nbval-ignore-output"]
import json

from olmoearth_nb.data import pretrained_dir, pretrained_names
from olmoearth_nb.plots import curves as plots_curves

curves = {}
for name in sorted(pretrained_names(), reverse=True):  # nano first
    facts = json.loads((pretrained_dir(name) / "run.json").read_text())
    recipe, size, samples, trained_on = (facts[key] for key in ("recipe", "size", "samples", "data"))
    print(f"{name:20} {recipe:9} {size:4} seed {facts['seed']}, {samples:7,} samples of", end=" ")
    if "chips" in trained_on:  # real ones of one date: another task, whose curves cannot be compared with these
        print(f"{trained_on['chips']:,} real chips")
        continue
    if samples > 8192:  # the shorter ones are there for comparisons between seeds
        curves.setdefault((recipe, f"{size} {samples // 1024}k"), []).append(read_curve(pretrained_dir(name)))
    print(f"{trained_on['trained on']} tiles of world {trained_on['world']['seed']}")

# %% tags=["headline"]
plots_curves.show_curves(short, curves)

# %% [markdown]
# *Left: the live run; its loss crosses chance. Middle: all runs, as the fraction of the way from chance to the perfect
# predictor, over samples on a logarithmic scale. Right: how many directions the embeddings of 64 places use.*

# %%
from olmoearth_nb.pretrain.curves import share_of_the_way

for (recipe, length), (curve,) in curves.items():
    if "mini" in length:
        way = share_of_the_way([curve], over=5)[-1]
        print(f"{recipe:6} {length}: {way:.2f} of the way from chance to the perfect predictor")

# %% [markdown]
# A model that maps all places to one line would have a rank of 1. This is the collapse that frozen targets and the
# contrast prevent. A rank that falls a little during training is no collapse: a few directions, those that tell places
# apart best, become strong.
#
# Curves of different recipes cannot be compared, because pixel layer, masking and masked negatives change the task. The
# curves show whether something is learnt, and when. They do not show which recipe is better. Nano v1.1 has hardly begun
# to learn, unlike mini v1.1: the pixel layer of the published nano has 12 units, that of our mini has 32
# (`docs/results/pretraining.md` shows mini with 12). No curve has levelled off: the longest runs come furthest.

# %% [markdown]
# ## The official subset
# Ai2 publishes about a thousand tiles of the real pretraining data in the same format. With `online = True` the next
# cell fetches them (a large archive; an interrupted download goes on), and all that was done above with simulated tiles
# can be done with them: `TileCorpus(folder)` here, or on the command line `olmoearth-nb data subset --out FOLDER` and
# `olmoearth-nb pretrain --recipe v1.1 --size mini --data FOLDER --minutes 20`. The address is Ai2's; the tests of this
# project fetch from a local server.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.data.subset import fetch_subset

if online:
    folder = Path.home() / ".cache" / "olmoearth_nb" / "subset_1k"
    real = TileCorpus(fetch_subset(folder).folder, cache=folder.with_name("subset_1k_tiles"))
    print(len(real), "real tiles;", {name: image.shape for name, image in real.window(0, 0, 0, 32).images.items()})
else:
    print("offline: set online = True to fetch the official subset")

# %% [markdown]
# ## What we learned
# * The task is a multiple-choice question: which of the hidden targets belongs to this token? The targets are frozen
#   random projections.
# * Masking decides what can be predicted from what. In v1 one group of bands can be predicted from another at the same
#   patch and day. After merging only other patches, dates and sensors are left.
# * A loss means little by itself. Read it between chance and the perfect predictor, with the effective rank beside it.
# * A model is trained on nothing but such questions, over and over. What that leaves in its embeddings is another
#   matter: notebook 12.
#
# ## Where this stops being true
# * The world is simulated and the models are small. Whether a recipe is better cannot be seen here: runs are short,
#   seeds are few, and losses of different recipes have different scales.
# * Official training has other inputs (mean +- 2 std), larger crops, batches of 512, and some 340 million samples.
#
# ## Exercises

# %% [markdown]
# **1.** 24 tokens of one modality are hidden, and the predictor gives zeros. What is its patch discrimination?

# %% tags=["exercise"]
chance_of_24 = None  # a number
#: solution
chance_of_24 = float(0.2 * torch.tensor(24.0).log())
#: end

_ = check(1, chance_of_24, exercises.chance_of_24)

# %% [markdown]
# **2.** Give predictions for our eight tokens whose loss is *lower* than that of the targets themselves. What do all
# targets have in common that does not help to tell them apart?

# %% tags=["exercise"]
better = None  # (8, 64), made from `targets`
#: solution
better = targets - targets.mean(0)
#: end

_ = check(2, better, lambda answer: exercises.beats_the_targets(answer, targets))

# %% [markdown]
# **3.** A sample has Sentinel-2 alone. Under which of the recipes "v1", "naive" and "v1.1" can the 20 m bands of a
# patch still be predicted from its 10 m bands of the same day? Predict, then try it: `masked_views` and `seen_near`.

# %% tags=["exercise"]
between_bands = None  # "v1", "naive" or "v1.1"
#: solution
between_bands = "v1"
#: end

_ = check(3, between_bands, exercises.predicts_between_bands)

# %% [markdown]
# ## Next
# What does merging the bands cost, and what buys it back? (And what is in an embedding after such a training: [notebook
# 12](12_what_is_learnt_and_forgotten.ipynb).)
#
# previous: [03 From bands to an embedding](03_the_encoder.ipynb) | next: [05 What does merging
# cost?](05_from_naive_merge_to_v1_1.ipynb) | [all notebooks](../README.md#notebooks)
