# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/06_where_bands_meet.ipynb)
#
# # Where did the cross-band attention go?
#
# In OlmoEarth v1 the bands of a patch are three tokens, which can attend to each other. In v1.1 they are one token, so
# no attention between bands is left. Ai2 *hypothesises* that separate tokens let the model relate bands. **Do the bands
# of v1.1 no longer act together, or do they do so elsewhere?**
#
# The short answer, for our small models: they still act together, in another part of the encoder. The first figure
# follows the *interaction* of two resolutions through the encoder: how much of their joint effect on an embedding is
# there only because the bands of both are there together. In v1 it begins in the first attention, and the largest part
# arises in the second. In v1.1 half of it is there before any attention: the layer that mixes the bands of each pixel
# produces it, even with random weights. At the end v1 and v1.1 have about equal interaction between resolutions, v1.1
# has more between single bands, and the naive merge has less than either of them. In the simulated world no such
# difference is clear. Whether interaction makes a model better, twelve small models cannot say.
#
# After this notebook you can
#
# * say at which stage of v1, of a naive merge and of v1.1 bands can act together, and at which they do;
# * measure an interaction, and tell it from attention weights;
# * test such a method on tasks whose answer is known.
#
# | you need | why |
# |---|---|
# | notebooks 02 and 03 | tokenizations, and what a block does |
# | mean, confidence interval | measurements come with them |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 50 min | 40 s |

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
# `data` takes your own sample, and `options` how to open it (see notebook 01). `v1` and `v11` are the two models that
# are looked into: names of those that come with the package, folders, or published ones such as "OlmoEarth-v1-Nano".
# `rows` is how many patches the planted task at the end has.

# %% tags=["parameters"]
data = ""
options = {}
edge = 32
v1 = "mini-v1-long"
v11 = "mini-v1.1-long"
rows = 2400
seed = 0

# %%
import torch
from torch.testing import assert_close

from olmoearth_nb import Batch, load_model
from olmoearth_nb.data.load import load_place
from olmoearth_nb.insight.attention import record_attention
from olmoearth_nb.insight.measured import measured_attention, measured_stages, validation_checks
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.interactions import show_stages

# %% [markdown]
# ## What was measured
# Four recipes, each trained three times on 2,116 real chips, are read on 96 chips of EuroSAT (one date, Sentinel-2
# alone):
#
# | arm | tokens of a patch | recipe of pretraining |
# |---|---|---|
# | v1 | three, by resolution (10, 20, 60 m) | that of v1 |
# | naive | one | that of v1 |
# | v1.1 | one, behind a layer that mixes the bands of each pixel | that of v1.1 |
# | v1 tokens | three, each behind such a layer of its own | that of v1.1 |
#
# To remove a resolution, all of its bands are replaced by those of another chip. One resolution is removed alone, then
# a second one alone, then both. What removing both changes beyond the sum of the two single changes is the interaction.
# It is given as a fraction of what removing both changes, with numerator and denominator each summed over the three
# pairs of resolutions. The section *Interaction* below has the formula.

# %% tags=["headline"]
chips = measured_stages("chips")
show_stages(chips.trained, chips.untrained, chips.stages)

# %% [markdown]
# *Interaction across resolutions after each part of the encoder. Filled: three trainings, intervals of 95 % over them
# and over chips. Hollow: the same encoders with random weights.*

# %% tags=["headline"]
for arm, stages in chips.trained.items():
    first, last, gain = stages[0], stages[-1], chips.gain[arm][-1]
    print(f"{arm:10} tokens {first.value:.2f}, embedding {last}, trained minus random {gain.value:+.2f}")

# %% [markdown]
# ## Where bands can act together
# Attention carries information from token to token. Everything else works inside one token. So bands of different
# tokens can first act together in attention. Bands of one token can act together in every part that is not linear: in a
# pixel layer, in an MLP, and also in the norm and the softmax of an attention, which act on all that a token holds.

# %%
from olmoearth_nb.plots.meeting import show_meeting
from olmoearth_nb.pretrain.recipes import RECIPES

show_meeting(*(RECIPES[name] for name in ("v1", "naive", "v1.1")))

# %% [markdown]
# *From the bands (below, coloured by resolution) to the first block. Orange: parts in which bands of different
# resolution can act together. Dashed: the projection of a patch is linear; it adds bands up, and a sum is no
# interaction.*
#
# ## Attention: where a block looks
# A token with query $q$ gives to the token with key $k_j$ the weight
#
# $$a_j = \frac{\exp(q \cdot k_j / \sqrt{d})}{\sum_i \exp(q \cdot k_i / \sqrt{d})},$$
#
# with $d$ numbers a head. The encoder computes this in one fused step and never keeps the weights. `attention_weights`
# computes them from $q$ and $k$. Multiplied with the values they give what the block gives:

# %%
from olmoearth_nb.model.transformer import attention_weights

sample = load_place(data, edge=edge, **options)
batch, models = Batch.from_samples([sample]), {name: load_model(name).eval() for name in (v1, v11)}
encoder, grid = models[v1].encoder, batch.grid(models[v1].config.tokenization, 4)
with torch.no_grad():
    x = encoder.patch_embeddings(batch.images, grid) + encoder.composite_encodings(grid, batch.timestamps)
    block = encoder.blocks[0]
    own, normed, heads = block.attn, block.norm1(x), encoder.config.heads
    q, k, v = (part(normed).unflatten(-1, (heads, -1)).transpose(1, 2) for part in (own.q, own.k, own.v))
    weights = attention_weights(q, k)  # (B, heads, N, N)
    by_hand = own.proj((weights @ v).transpose(1, 2).flatten(2))
    assert_close(by_hand, own(normed, normed), atol=1e-5, rtol=1e-4)
print(f"{sample.title}, {sample.provenance}: {x.shape[1]} tokens; {heads} heads of {weights[0, 0].numel():,} weights")

# %% [markdown]
# Nobody can read millions of weights. `record_attention` sums them by kind while the encoder runs: how much the tokens
# of one band group (the queries) attend to those of another (the keys), in the same patch or in others, at the same
# date or at others, and at which distance. Each sum is given beside what *uniform* attention would give, because far
# more tokens lie in other patches than in a token's own.

# %%
from olmoearth_nb.insight.token import Token

row, column = (side // 4 // 2 for side in sample.shape)
token = Token(row, column, "B05", time=len(sample.dates) // 2)
with torch.inference_mode(), record_attention(models[v1], rows=[token]) as attention:
    models[v1].encoder(batch, 4)
print(attention)
for name, summary in {"patch": attention.by_patch(), "date": attention.by_timestep()}.items():
    kinds = ", ".join(summary.keys)
    print(f"{name}: {kinds}; {len(summary.layers)} blocks, {len(summary.heads)} heads")

# %% [markdown]
# Do the band groups of a patch attend to each other at the same date? Each panel is a block; rows are queries, columns
# are keys.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.plots.attention import show_heads, show_ratios, show_token

near = attention.between_groups(same_patch=True, same_timestep=True)
show_ratios(near, attention.groups)

# %% [markdown]
# *Attention to a token of the same patch and date, averaged over the heads, relative to uniform attention (1, white).
# In this model the groups of 10 m and 20 m attend to each other, and to themselves, far more than uniformly from the
# second block on. The other groups pay little attention to that of 60 m. A mean over all keys would hide this: of the
# thousands of tokens only three share a patch and date.*
#
# Heads differ. The same, head by head:

# %% tags=["nbval-ignore-output"]
show_heads(near)

# %% [markdown]
# *Rows are blocks, columns heads; in each small matrix rows are queries and columns keys, as above.*
#
# That was one training. Do others look the same? Here are three trainings of v1 on chips, with intervals over trainings
# and chips:

# %%
looks = measured_attention("chips", "v1")
ten, twenty = "B02 B03 B04 B08", "B05 B06 B07 B8A B11 B12"
for (block, query, key), (trained, untrained) in looks.items():
    if {query, key} == {ten, twenty}:
        looking = "10 m attends to 20 m" if query == ten else "20 m attends to 10 m"
        print(f"{block}, {looking}: {trained}, random weights {untrained}")

# %% [markdown]
# The three trainings do not agree on where they look. So the picture above is of *that* model and not of v1.
#
# Where else does a token attend? We take the one that holds B05, in the middle patch, at one date:

# %% tags=["nbval-ignore-output"]
show_token(sample, attention.of(token), layer=len(attention.between_groups().layers))

# %% [markdown]
# *The query token has a yellow frame. Red patches get more attention than uniform, blue ones less; those where the
# picture shows through get about as much.*
#
# With ipywidgets you can choose the position of the token, the block, the head and the model. On a static page, see the
# figure above instead.

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.plots.widgets import attention_explorer

places = {sample.title: sample} | {name: load_place(name, edge=edge) for name in ("forest", "town")}
attention_explorer(places, models)

# %% [markdown]
# And v1.1? Its recording says why it has nothing to show:

# %%
with torch.inference_mode(), record_attention(models[v11]) as merged:
    models[v11].encoder(batch, 4)
print(merged.between_groups().note)

# %% [markdown]
# ## Interaction: what acts together
# Attention says where a block looks, not what comes of it, and about the bands of v1.1 it says nothing. So we ask a
# question that has an answer for every tokenization: *how much of the output is there only because both groups of bands
# are there?* For an embedding $f$ and two players $i$ and $j$ (groups of bands, or single bands) among all $N$:
#
# $$\frac{\lVert f(N) - f(N \setminus i) - f(N \setminus j) + f(N \setminus ij) \rVert}
# {\lVert f(N) - f(N \setminus ij) \rVert}$$
#
# If $f$ is a sum of a function of $i$ and a function of $j$, whatever they are, the numerator is 0. Bands are removed
# from the pixels, before any token is made: another place's bands take their place, so that each band looks like a real
# one. (Zeros or means can be chosen as well, but an encoder may never have seen such images.)

# %%
from olmoearth_nb.insight import outputs
from olmoearth_nb.insight.interactions import pair_interaction
from olmoearth_nb.insight.planted import rows_of, shipped_patches
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import by_draws

patches = shipped_patches()
order = torch.randperm(len(patches), generator=torch.Generator().manual_seed(seed))
explained, others = (rows_of(patches, part) for part in (order[:24], order[24:424]))
removal, three = by_draws(others, draws=2, seed=seed), Players.by_resolution()
for name, model in models.items():
    found = pair_interaction(outputs.stages(model.encoder, 4), explained, three, removal)
    part = found.index(three.across).mean(0)  # of each stage
    shown = ", ".join(f"{stage} {value:.2f}" for stage, value in zip(found.stages, part, strict=True))
    print(f"{name}: {shown}")

# %% [markdown]
# On single patches of the simulated world v1.1 has far more interaction than v1, nearly all of it from its pixel layer,
# so the order is not that of the chips. This is one training of each; over three shorter trainings no difference in
# that world is clear. v1 begins at 0, because its projections are linear and its tokens separate.
#
# The same with single bands. Which pairs act together in the embedding, and which do so with random weights?

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.plots.interactions import show_pairs
from olmoearth_nb.weights.load import random_encoder

bands, pairs = Players.each_band(), {}
for name, model in models.items():
    for title, one in ((name, model.encoder), (f"{name}, random", random_encoder(name, seed))):
        pairs[title] = pair_interaction(outputs.embedding(one, 4), explained, bands, removal).matrix("embedding")
show_pairs(pairs, bands)

# %% [markdown]
# *Relative interaction of each pair of bands in the embedding of a patch, bands in the order of wavelength (nm); the
# colour behind a name is its resolution. In v1 bands of one token act together most. Random weights (right) show much
# the same pattern, but weaker: the tokens and the similarity of neighbouring bands make it.*
#
# ### A number instead of a vector: exact Shapley interactions
# An embedding has no good or bad direction, but the logit of a class has one: two bands together can raise it by more
# than the sum of what each adds alone (*synergy*), or carry the same information (*redundancy*). With $n$ players there
# are $2^n$ ways to remove some of them, 4,096 for twelve bands, few enough to compute them all. The Shapley interaction
# index (Grabisch and Roubens 1999) averages the joint part of a pair over all sets $S$ of others:
#
# $$I_{ij} = \sum_{S \subseteq N \setminus ij} \frac{|S|!\,(n - |S| - 2)!}{(n - 1)!}
# \,\bigl[v(S \cup ij) - v(S \cup i) - v(S \cup j) + v(S)\bigr]$$
#
# The Shapley-Taylor index (Dhamdhere and others 2020) shares out the joint effects so that all parts sum to what all
# bands do together, which checks the computation.
#
# ## Does the method name the right pair?
# A method can be tested where the truth is known. We take each player's bands from a different image, so that no band
# tells anything about another. Then we plant the answer: are two given players on the same side of their medians? Only
# the pair together can tell.

# %%
from olmoearth_nb.insight.planted import answers_together, fitted_reader, levels, mixed

groups = Players.of({"visible": "B02 B03 B04", "near infrared": "B08 B8A", "red edge": "B05 B06 B07",
                     "short-wave": "B11 B12", "B01": "B01", "B09": "B09"})  # fmt: skip
planted = (0, 3)
images = mixed(patches, groups, rows, seed=seed + 1)
answers = answers_together(levels(images, groups), planted)
reader = fitted_reader(outputs.embedding(models[v11].encoder, 4), images, answers)
exact = reader.explain(groups)
named = " x ".join(groups.names[player] for player in exact.strongest)
print(f"planted: {' x '.join(groups.names[player] for player in planted)}; named: {named}")
assert exact.incomplete < 1e-5  # the parts sum to the whole

# %% [markdown]
# One task proves little. `python benchmarks/interactions.py validate` planted twelve pairs among six groups and twelve
# among single bands. (a) Is the planted pair named, where the reader solves the task? Does it interact less where the
# answer is only a *sum* of two players? (b) Is it named when the encoder gets random weights, and how much of all
# interaction does it have when the answers were shuffled? (c) What is the accuracy without the named pair, and without
# a pair of other players? (d) By how much do the parts miss the whole?

# %%
print(f"{'':27} {'solved':>8}  (a) named, chance; pair, sum   (b) random, shuffled   (c) without it, others")
for one in validation_checks():
    who, solved = f"{one.players}, {one.reader}", f"{one.solved} of {one.tasks}"
    random = "   -" if one.named_random != one.named_random else f"{one.named_random:.2f}"  # raw bands have no weights
    print(f"{who:27} {solved:>8} {one.named:9.2f}, {one.chance:.2f}; {one.together:.2f}, {one.apart:.2f}"
          f" {random:>14}, {one.shuffled:.2f} {one.without_named:17.2f}, {one.without_random:.2f}")  # fmt: skip
print(f"(d) at most {max(one.incomplete for one in validation_checks()):.0e} of the whole")

# %% [markdown]
# The method names what its reader uses, and nothing else: a network that is trained anew on top of random weights
# solves these tasks, too, and then the pair is named there as well (`docs/results/attention.md`). So it explains the
# encoder and its reader together. And where the reader does not solve the task there is nothing to name: with v1.1 it
# solves few of these tasks, whose bands do not fit each other.
#
# ## What we learned
# * v1.1 did not lose interaction by merging. Between resolutions it has about as much as v1, between single bands more;
#   the naive merge has less than either. It arises in another part: in v1 in attention, in v1.1 first in the pixel
#   layer.
# * Much of it is architecture. A random pixel layer mixes bands as much as a trained one, and which pairs act together
#   changes little with training. What training raises is how strongly they do.
# * Attention says where a block looks, not what comes of it. Three trainings of v1 look at different places and end
#   with about the same interaction.
# * Whether interaction is worth anything for accuracy, twelve small models cannot tell.
#
# ## Where this stops being true
# * The models are small, trained for an hour or two at most, on chips or in a simulated world. Nothing is said about
#   official weights; give their names as `v1` and `v11` where you are online.
# * In the simulated world no difference between recipes is clear of chance (`docs/results/attention.md`). Do not
#   generalise from the chips.
# * The result depends on what replaces removed bands. Bands from another place make images whose bands do not fit each
#   other.
#
# ## Exercises

# %% [markdown]
# **1.** How many times does a model run to compute all Shapley interactions of one sample with ten players?

# %% tags=["exercise"]
passes = None  # a whole number
#: solution
passes = 2**10
#: end

_ = check(1, passes, exercises.coalitions_of_ten)

# %% [markdown]
# **2.** A model adds up what it makes of each band: $f = g(\text{B04}) + h(\text{B08})$ with wild functions $g$ and
# $h$. What is the interaction of B04 and B08?

# %% tags=["exercise"]
interaction = None  # a number
#: solution
interaction = 0.0
#: end

_ = check(2, interaction, exercises.interaction_of_a_sum)

# %% [markdown]
# **3.** In which stage of v1 can B02 and B11 of one patch first act together? And in which of v1.1? Predict, then read
# `chips.stages`.

# %% tags=["exercise"]
first_stages = None  # {"v1": a stage, "v1.1": a stage}
#: solution
first_stages = {"v1": "attention 1", "v1.1": "tokens"}
#: end

_ = check(3, first_stages, exercises.where_bands_first_meet)

# %% [markdown]
# ## Next
# What is a pretrained encoder worth when there are ten labels, or a thousand?
#
# previous: [05 What does merging cost?](05_from_naive_merge_to_v1_1.ipynb) | next: [07 What does pretraining
# add?](07_fine_tuning.ipynb) | [all notebooks](../README.md#notebooks)
