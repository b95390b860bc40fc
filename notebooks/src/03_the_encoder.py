# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/03_the_encoder.ipynb)
#
# # What happens between twelve bands and one embedding?
#
# Twelve bands of a small square of the Earth go in, 128 numbers come out. What happens in between, and is this really
# the published model?
#
# **The short answer.** Seven steps, and each is a few lines: scale the numbers, enlarge the patch to 8 x 8 pixels,
# multiply it by a matrix, add a code that says what the token is (a positional encoding), alternate attention with a
# small network, and take the mean. We build every step by hand. Each agrees with the package to within rounding (0.0001
# at most), and the package agrees in the same way with the published implementation.
#
# After this notebook you can
#
# * follow one patch of v1 and of v1.1 from its pixels to its token, and say what the pixel layer adds;
# * write attention and a block in a few lines of PyTorch;
# * say what a token is told about date and place, and what it is not told.
#
# | you need | why |
# |---|---|
# | notebook 02 | what a token is |
# | matrix products, softmax, indexing in PyTorch | the steps are made of them; layer norm is explained |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 50 min | 10 s |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are. It takes the extra that reads
# your own files (`data`). Elsewhere the cell says what is missing and how to install it.

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
# `data` takes the path of your own sample (a GeoTIFF whose bands are named and dated, a GeoBench m-eurosat `.hdf5`
# chip, a tile of the official pretraining data, or an `.npz` with `image`, `bands` and `dates`), or the name of a
# built-in place: `fields`, `forest`, `town`. `options` says what a file does not (see notebook 01).

# %% tags=["parameters"]
data = ""
options = {}
patch_size = 4
seed = 0

# %%
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from olmoearth_nb import SENTINEL2, Batch, Encoder, load_model, published_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_place
from olmoearth_nb.model.encodings import month_table, sincos, space_code
from olmoearth_nb.model.patch_embed import resize_to_patches
from olmoearth_nb.model.transformer import attention_weights
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots import encoder as plots_encoder
from olmoearth_nb.plots import schematics as plots_schematics

# %% [markdown]
# The models: v1 and v1.1 in their smallest size (D = 128, four blocks, eight heads). The weights are **random**: except
# for two figures of trained models, all that follows is about how the numbers flow, not about what a model knows.

# %%
_ = torch.manual_seed(seed)
v1 = Encoder(published_config("v1", "nano")).eval()
v11 = Encoder(published_config("v1.1", "nano")).eval()
for encoder in (v1, v11):  # codes of the band groups start at zero; invented ones, so that there is something to see
    for code in encoder.composite_encodings.per_modality_channel_embeddings.values():
        _ = torch.nn.init.normal_(code, std=0.5)

# %% [markdown]
# ## The whole way in one drawing

# %%
plots_schematics.show_encoder()

# %% [markdown]
# *One patch on one date, read from bottom to top. v1 makes a token of each group of bands; v1.1 sends all bands of a
# pixel through a pixel layer first, and makes one token. From the codes on, the two are the same. Circled: the steps of
# this notebook.*
#
# ## Step 0: numbers of one scale
# Each band is shifted and scaled by the mean and standard deviation of the pretraining data, so that mean - 2 std
# becomes 0 and mean + 2 std becomes 1: $x' = (x - \mathrm{mean}) / (4\,\mathrm{std}) + \frac{1}{2}$. Nothing is
# clipped. Dates with gaps are left out in this notebook. By hand, and by the package:

# %%
sample = load_place(data, **options)
whole = [t for t in range(len(sample.dates)) if not (sample.images["sentinel2_l2a"][:, :, t] == MISSING).any()]
assert whole, "this notebook needs a date without gaps"
sample = sample.select_times(whole[:3])
raw = torch.from_numpy(sample.images["sentinel2_l2a"])
mean = torch.tensor([band.mean for band in SENTINEL2.bands])
std = torch.tensor([band.std for band in SENTINEL2.bands])
by_hand = (raw - mean) / (4 * std) + 0.5

batch = Batch.from_samples(sample)
image = batch.images["sentinel2_l2a"]
assert_close(image[0], by_hand)
print("(B, H, W, T, C) =", tuple(image.shape))

# %% [markdown]
# ## Step 1: every patch becomes 8 x 8 pixels
# The weights are made for patches of 8 x 8 pixels. For smaller patches the *image* is enlarged (FlexiViT, where the
# idea comes from, resizes the weights instead): a patch of 4 pixels becomes 8, by smooth interpolation.

# %%
frames = image[:, :, :, 0].permute(0, 3, 1, 2)  # (B, C, H, W) of the first date
height, width = (edge // patch_size * 8 for edge in frames.shape[-2:])
enlarged = F.interpolate(frames, size=(height, width), mode="bicubic", antialias=True)
ours = resize_to_patches(image, patch_size)[:, :, :, 0]  # (B, H, W, C), larger
assert_close(enlarged, ours.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)
print(tuple(frames.shape), "->", tuple(enlarged.shape))

# %%
row, column = (edge // patch_size // 2 for edge in image.shape[1:3])
rows, columns = (slice(i * patch_size, (i + 1) * patch_size) for i in (row, column))
small = image[0, rows, columns, 0]
large = enlarged[0, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8].permute(1, 2, 0)
plots_encoder.show_resize(small, large, ("B02", "B03", "B04", "B08", "B05", "B11"))

# %% [markdown]
# *Above: the middle patch as it is, in six bands. Below: the same after resizing. The interpolation looks two pixels
# beyond the edge of the patch, so that neighbouring patches influence each other a little. At sharp edges it
# overshoots, beyond the darkest and brightest pixel.*

# %% [markdown]
# ## Step 2: 8 x 8 pixels become one vector
# v1 flattens the 8 x 8 x 4 values of a group into a vector $p$ and multiplies it by one matrix: $t = W p + b$.

# %%
weights = v1.patch_embeddings.per_modality_embeddings["sentinel2_l2a"]["sentinel2_l2a__0"].proj
line = large[..., SENTINEL2.indices(["B02", "B03", "B04", "B08"])].flatten()  # pixel row, pixel column, band
token_v1 = weights.weight @ line + weights.bias

grid = batch.grid(v1.config.tokenization, patch_size)
tokens = grid.unflatten(v1.patch_embeddings(batch.images, grid), "sentinel2_l2a")  # (B, h, w, T, G, D)
assert_close(token_v1, tokens[0, row, column, 0, 0], atol=1e-5, rtol=1e-4)
print(tuple(line.shape), "->", tuple(token_v1.shape))

# %% [markdown]
# v1.1 puts a *pixel layer* in front. The twelve bands $x$ of each pixel are mixed into m units (12 here, 64 in larger
# models), and negative ones are set to zero: $u = \max(0, A x + a)$. Only then is the patch flattened and multiplied by
# a matrix. The weights of the mixture are the same for every pixel.

# %%
group = v11.patch_embeddings.per_modality_embeddings["sentinel2_l2a"]["sentinel2_l2a__0"]
layer = group.pixel_proj[0]
units = torch.relu(large @ layer.weight.T + layer.bias)  # (8, 8, m)
token_v11 = group.proj.weight @ units.flatten() + group.proj.bias

grid11 = batch.grid(v11.config.tokenization, patch_size)
tokens11 = grid11.unflatten(v11.patch_embeddings(batch.images, grid11), "sentinel2_l2a")
assert_close(token_v11, tokens11[0, row, column, 0, 0], atol=1e-5, rtol=1e-4)
print(tuple(large.shape), "->", tuple(units.shape), "->", tuple(token_v11.shape))

# %% [markdown]
# ## Step 3: what a token is told about itself
# A vector is added to each token. Its four quarters tell which *group* of bands, which *timestep* of the series, which
# *month* and which *position*. Group codes are learned. The timestep is encoded by sines and cosines at rates from 1
# down to about a tenth, $n = D/4$ numbers in all:
#
# $$\omega_i = 10000^{-i / (2n)}, \qquad
# \text{code}(s) = \big(\sin \omega_0 s, \sin \omega_1 s, \ldots, \cos \omega_0 s, \cos \omega_1 s, \ldots\big)$$
#
# The column and the row of a patch each have such a code, of n/2 numbers. The month is encoded by one sine and one
# cosine over the year, repeated.
#
# The code of timestep 3 by hand:

# %%
quarter = v1.config.width // 4
rates = 10000.0 ** (-torch.arange(quarter // 2) / (2 * quarter))
step_three = torch.cat([(3 * rates).sin(), (3 * rates).cos()])
assert_close(step_three, sincos(torch.tensor(3), quarter), atol=1e-6, rtol=1e-5)
print("timestep 3:", [round(float(value), 2) for value in step_three[:4]], "...")

# %% [markdown]
# All four quarters as tables, with one row for each value:

# %%
group_code = v1.composite_encodings.per_modality_channel_embeddings["sentinel2_l2a"].detach()
timesteps, months = sincos(torch.arange(12), quarter), month_table(quarter)
positions = space_code(torch.zeros(32), torch.arange(32), quarter)
plots_encoder.show_quarters(
    {
        "group": (group_code.numpy(), "group"),
        "timestep": (timesteps.numpy(), "timestep"),
        "month": (months.numpy(), "month, 0 = January"),
        "position": (positions.numpy(), "pixel column (row 0)"),
    }
)

# %% [markdown]
# *Each row is the code of one group, timestep, month or pixel column; a patch has the code of its first pixel. The code
# of the month has only two different columns, a sine and a cosine of the year, repeated; in the code of the position
# the first half tells the column and the second half the row, which is 0 here.*

# %%
step, group_number = 1 % len(sample.dates), 2
month = batch.timestamps[0, step, 1]
position = space_code(torch.tensor(row * patch_size), torch.tensor(column * patch_size), quarter)
by_hand = torch.cat([group_code[group_number], timesteps[step], months[month], position])

added = grid.unflatten(v1.composite_encodings(grid, batch.timestamps), "sentinel2_l2a")
assert_close(by_hand, added[0, row, column, step, group_number])
print("four quarters of", quarter, "make", len(by_hand))

# %% [markdown]
# ## Step 4: attention
# Every token makes a query *q*, a key *k* and a value *v*. How well its query fits the key of another token decides how
# much of that token's value it takes:
#
# $$\text{attention} = \mathrm{softmax}\!\left(\frac{q k^\top}{\sqrt d}\right) v$$
#
# Eight heads do so side by side, with d = 16 numbers each. By hand:

# %%
with torch.no_grad():
    x = v1.patch_embeddings(batch.images, grid) + v1.composite_encodings(grid, batch.timestamps)
    attention, normed = v1.blocks[0].attn, v1.blocks[0].norm1(x)
    heads = [part(normed).unflatten(-1, (8, 16)).transpose(1, 2) for part in (attention.q, attention.k, attention.v)]
    q, k, v = heads  # (B, heads, N, 16)
    fit = (q @ k.transpose(-2, -1) / 16**0.5).softmax(-1)  # (B, heads, N, N), rows sum to 1
    taken = attention.proj((fit @ v).transpose(1, 2).flatten(2))
    assert_close(taken, attention(normed, normed), atol=1e-5, rtol=1e-4)
    assert_close(fit, attention_weights(q, k))
print("each of", fit.shape[1], "heads:", fit.shape[2], "queries,", fit.shape[3], "keys")

# %% [markdown]
# Random weights attend to nothing in particular. So the figure shows a *trained* model, a small one that comes with the
# package, at one date. `record_attention` records the attention of chosen tokens while an encoder runs ([notebook
# 06](06_where_bands_meet.ipynb)).

# %% tags=["nbval-ignore-output"]
from olmoearth_nb.insight.attention import record_attention
from olmoearth_nb.insight.token import Token
from olmoearth_nb.plots.attention import show_token

one_date, watched = sample.select_times([step]), load_model("mini-v1-long").encoder
asking = Token(*(side // 4 // 2 for side in one_date.shape), "B05")
with torch.inference_mode(), record_attention(watched, rows=[asking]) as recorded:
    watched(Batch.from_samples([one_date]), 4)
show_token(one_date, recorded.of(asking), layer=2)

# %% [markdown]
# *The token of the middle patch (yellow) that holds B05 B06 B07 B8A B11 B12 asks, in the second of the three blocks of
# `mini-v1-long` (a small trained encoder: D = 64, four heads). Red: patches whose token of 10, 20 or 60 m gets more
# than an equal share of the attention; blue: less.*

# %% [markdown]
# ## Step 5: block after block
# A block adds to each token what attention brought, and then what a small network (MLP) makes of the token alone.
# Before each of the two comes a *layer norm*: the numbers of a token are normalised to mean 0 and standard deviation 1,
# then scaled and shifted by learned weights.
#
# $$x \leftarrow x + \text{attention}(\text{norm}(x)), \qquad x \leftarrow x + \text{MLP}(\text{norm}(x))$$
#
# The second half of the first block by hand:

# %%
first = v1.blocks[0]
with torch.no_grad():
    state = x + taken  # what attention brought, from step 4
    spread = state.var(-1, keepdim=True, unbiased=False)
    level = (state - state.mean(-1, keepdim=True)) / (spread + 1e-5).sqrt()
    level = level * first.norm2.weight + first.norm2.bias
    hidden = F.gelu(level @ first.mlp.fc1.weight.T + first.mlp.fc1.bias)  # four times as wide
    state = state + hidden @ first.mlp.fc2.weight.T + first.mlp.fc2.bias
    assert_close(state, first(x), atol=1e-4, rtol=1e-4)
print(tuple(level.shape), "->", tuple(hidden.shape), "->", tuple(state.shape))

# %% [markdown]
# Now all blocks, one after the other; the result must be the encoder's.

# %% tags=["headline"]
states = [x]
with torch.no_grad():
    for block in v1.blocks:
        states.append(block(states[-1]))
    assert_close(v1.norm(states[-1]), v1(batch, patch_size).tokens, atol=1e-5, rtol=1e-4)
print(len(states) - 1, "blocks, one after the other, make the encoder's tokens:", tuple(states[-1].shape))

# %% [markdown]
# How alike are the tokens along the way? For random weights alone the answer means little, so we ask it of two small
# trained models that come with the package, and of the same models with random weights:

# %% tags=["headline"]
from olmoearth_nb.insight.similarity import token_similarity
from olmoearth_nb.weights.load import random_encoder

small = {name: f"mini-{name}-long" for name in ("v1", "v1.1")}
trained = {name: token_similarity(load_model(model).encoder, batch, 4) for name, model in small.items()}
random = {name: token_similarity(random_encoder(model), batch, 4) for name, model in small.items()}
plots_encoder.show_blocks(trained, random)

# %% [markdown]
# *Mean cosine similarity of two different tokens of a place, before the first block and after each.*
#
# Training pulls v1's tokens apart: they are less alike than with random weights at every stage. v1.1's trained tokens
# are alike before the first block and stay so; by the last block the tokens of random weights are just as alike. The
# differences between tokens are then small beside what they share. Why that is so is not shown here, and each model was
# trained only once.

# %% [markdown]
# ## Step 6: one vector for the place
# The embedding of the whole place is the mean over its tokens; of a patch, the mean over dates and groups.

# %%
with torch.no_grad():
    encoded = v1(batch, patch_size)
assert_close(encoded.tokens.mean(1), encoded.pool())
assert_close(encoded.of("sentinel2_l2a").mean((3, 4)), encoded.pool_patches())
print("place", tuple(encoded.pool().shape), "patches", tuple(encoded.pool_patches().shape))

# %% [markdown]
# ## Is this the published model?
# Where `olmoearth-pretrain-minimal` is installed, the next cell gives the published implementation our weights and the
# same input. The tests of this project do so for every version and size.

# %% tags=["nbval-ignore-output"]
if importlib.util.find_spec("olmoearth_pretrain_minimal"):
    from olmoearth_nb.weights.reference import reference_tokens

    theirs = reference_tokens("v1", "nano", v1, batch, patch_size)
    ours = encoded.of("sentinel2_l2a")
    assert_close(theirs, ours, atol=1e-4, rtol=1e-4)
    print(f"largest difference from the published implementation: {float((theirs - ours).abs().max()):.0e},", end=" ")
    print(f"where numbers are as large as {float(theirs.abs().max()):.1f}")
else:
    print("olmoearth-pretrain-minimal is not installed; `pip install olmoearth-pretrain-minimal` to compare")

# %% tags=["headline"]
steps = ["normalise", "resize", "project", "encode", "attend", "block", "average"]
print(f"{len(steps)} steps built by hand ({', '.join(steps)}), each equal to the package to within 0.0001")

# %% [markdown]
# ## What we learned
# * A token is 8 x 8 pixels of a group of bands times a matrix; v1.1 mixes the bands of each pixel first.
# * Four quarters tell a token its group, timestep, month and position. The year is not among them in v1 and v1.1.
# * The rest is an ordinary transformer: attention, a small network, four to twenty-four times.
#
# ## Where this stops being true
# * The weights here are random, except in the pictures of attention and of similarity. Those are of models that were
#   trained for an hour or two on one core, in a simulated world.
# * We compare with the published *implementation*, with random weights. `load_model("OlmoEarth-v1-Nano")` loads
#   published weights; this notebook does not.
# * v1.2 has no codes of timestep and position. It rotates queries and keys by date and position instead
#   (`olmoearth_nb.model.encodings`).
# * Hidden and missing tokens do not appear in this notebook. The predictor, which predicts the hidden ones, is not
#   shown.
#
# ## Exercises

# %% [markdown]
# **1.** How many weights and biases does v1 (nano) use to project the group B02 B03 B04 B08?

# %% tags=["exercise"]
count = None  # a whole number
#: solution
count = 8 * 8 * 4 * 128 + 128
#: end

_ = check(1, count, exercises.patch_weights)

# %% [markdown]
# **2.** Two dates of one sample are the 3rd and the 28th of May. Which quarter of the encoding tells them apart?

# %% tags=["exercise"]
which = None  # "group", "timestep", "month" or "position"
#: solution
which = "timestep"
#: end

_ = check(2, which, exercises.quarter_that_tells_dates_apart)

# %% [markdown]
# **3.** All dates of a sample are moved by exactly two years. Does the embedding of v1.1 change (noticeably)? Does that
# of v1.2, which rotates by the distance of dates? Predict, then try it: `dataclasses.replace(sample, timestamps=...)`
# makes the moved sample, `Encoder(published_config("v1.2", "nano"))` the other model.

# %% tags=["exercise"]
changes = None  # {"v1.1": True or False, "v1.2": True or False}
#: solution
changes = {"v1.1": False, "v1.2": False}
#: end

_ = check(3, changes, exercises.years_change_the_embedding)

# %% [markdown]
# ## Next
# How do these weights learn without labels?
#
# previous: [02 One token, three, or twelve?](02_designing_the_token.ipynb) | next: [04 Learning without
# labels](04_pretraining.ipynb) | [all notebooks](../README.md#notebooks)
