# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/02_designing_the_token.ipynb)
#
# # Should a patch be one token, three, or twelve?
#
# A transformer sees nothing but tokens. Sentinel-2 delivers twelve bands at 10, 20 and 60 m. OlmoEarth v1 makes three
# tokens of a patch and date, one for each resolution. v1.1 makes one (and one instead of two for Landsat), and its
# pretraining was changed to match. Others group the bands in other ways. What does each choice cost?
#
# **The short answer.** v1 makes three times the tokens of v1.1. In the base encoder, over a year of a place of 640 m in
# patches of 8 px, that is 3.8 times the multiply-accumulates, because attention grows with the square of the number of
# tokens (only the tokens are changed here); one token for each band costs 31 times as much as one for all. Tokens and
# compute can be counted in a second. What a choice does to accuracy must be measured, and that is much harder: notebook
# 05.
#
# After this notebook you can
#
# * write a tokenization of your own and see it in every figure and count;
# * compute how many tokens an image makes, and what they cost in an encoder of any size;
# * say why "three times fewer tokens" does not mean one fixed saving in compute.
#
# | you need | why |
# |---|---|
# | what a Sentinel-2 band is | tokens are made of bands |
# | what attention does, roughly | its cost grows with the square of the number of tokens |
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
# These are the values that you may change. `data` takes the path of your own sample: a GeoTIFF whose bands are named
# and dated, a GeoBench m-eurosat `.hdf5` chip, a tile of the official pretraining data, or an `.npz` with `image` (H,
# W, T, C), `bands` and `dates`; `options` says what the file does not (see notebook 01). If `data` is empty, the sample
# is a small simulated place.

# %% tags=["parameters"]
data = ""
options = {}
patch_size = 8
size = "base"

# %%
import torch

from olmoearth_nb import TOKENIZATIONS, Batch, Encoder, Tokenization, encoder_cost, size_config
from olmoearth_nb.data import load_place
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.challenge import design_below, leaderboard
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.designs import show_costs, show_patch_grid, show_tokens
from olmoearth_nb.plots.widgets import calculate, token_calculator

# %% [markdown]
# ## One place, twelve bands
# The sample says where it comes from, and which assumptions were made when it was opened.

# %%
sample = load_place(data, **options)
image = sample.images["sentinel2_l2a"]
print(f"{sample.title}: {sample.provenance}")
print(f"(H, W, T, C) = {image.shape}, {sample.dates[0]} to {sample.dates[-1]}")
for note in sample.notes:
    print("note:", note)

# %% [markdown]
# We cut the image into square patches and mark one near the middle. Everything below is about this patch.

# %%
time = image.shape[2] // 2
row, column = (edge // patch_size // 2 for edge in image.shape[:2])
show_patch_grid(sample, patch_size, row, column, time)

# %% [markdown]
# *Left: the place in true colour (stretched) with its patch grid; the yellow square is our patch. Right: the median of
# its pixels in each band, in the order of wavelength; grey bars reach from its darkest to its brightest pixel.*

# %% [markdown]
# ## Which bands share a token?
# A `Tokenization` is a list of named groups. Bands in one group share a token; a band that no group names is not read
# at all. The encoder knows nothing else about the design. **Write one of your own**: change the groups of `mine`, and
# your design appears in every figure, in every count and in the calculator below.

# %%
mine = Tokenization(
    "mine",
    {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07 B08 B8A", "B11 B12", "B01 B09"]},
    source="visible | red edge to near infrared | short-wave infrared | air",
)
designs = {**TOKENIZATIONS, mine.name: mine}
for name, tokenization in designs.items():
    groups = [" ".join(group) for group in tokenization.groups_of("sentinel2_l2a")]
    print(f"{name:9}", " | ".join(groups))

# %% [markdown]
# A name that is not a band raises an error that lists the valid names:

# %%
try:
    Tokenization("typo", {"sentinel2_l2a": ["B02 B03 B04", "B8 B8A"]})
except ValueError as error:
    print(error)

# %% [markdown]
# The same patch under each design:

# %% tags=["headline"]
show_tokens(sample, list(designs.values()), row=row, column=column, patch_size=patch_size, time=time)

# %% [markdown]
# *Left: the place and the marked patch. Right: each small picture is one band of that patch; bands in one frame share a
# token. The colour under a band is its resolution. Faded bands are left out. In the built-in place the 20 m bands show
# blocks of 2 x 2 pixels and the 60 m bands a few flat blocks (some archives smooth the blocks away), and v1's three
# tokens follow exactly that. `mine` is cut by kind of light instead of by resolution, and keeps all twelve bands.*

# %% [markdown]
# The next cell prints where each design comes from. Those of SatMAE, Galileo and CROMA are only their *tokenizations*,
# inside our encoder, not their models.

# %%
for name, tokenization in designs.items():
    left_out = " ".join(tokenization.left_out()) or "nothing"
    print(f"{name:9} leaves out {left_out:8} | {tokenization.source}")

# %% [markdown]
# ## How many tokens?
# A sample of H x W pixels and T dates, cut into patches of P x P pixels, with G groups of bands, makes
#
# $$N = \frac{H}{P} \cdot \frac{W}{P} \cdot T \cdot G$$
#
# tokens. We count by hand, and the package must agree.

# %%
height, width, timesteps, _ = image.shape
counts = {}
for name, tokenization in designs.items():
    groups = len(tokenization.groups_of("sentinel2_l2a"))
    counts[name] = (height // patch_size) * (width // patch_size) * timesteps * groups
    assert counts[name] == tokenization.token_count(image.shape, patch_size)
print(counts)

# %% [markdown]
# The `TokenGrid` says what each token of the sequence is: modality, patch row, patch column, date and group. The first
# three tokens of v1 are the three resolutions of the first patch on the first date; then come its other dates, if there
# are any, and then the next patch.

# %%
grid = sample.grid(TOKENIZATIONS["v1"], patch_size)
for position, label in zip(range(4), grid.labels(), strict=False):
    print(position, label)

# %% [markdown]
# ## One encoder for all
# The encoder below is randomly initialised. Its code has no branch for any tokenization, so yours runs like the others.
# It is small, because here only the number of tokens matters.

# %%
batch = Batch.from_samples(sample.select_times([time])).to(device)
for name, tokenization in designs.items():
    encoder = Encoder(size_config("nano", tokenization)).to(device).eval()
    with torch.no_grad():
        encoded = encoder(batch, patch_size)
    assert encoded.tokens.shape[1] == counts[name] // timesteps
    print(f"{name:9}", tuple(encoded.tokens.shape))

# %% [markdown]
# ## What does each choice cost?
# We count multiply-accumulates (MACs: one multiplication and one addition). A linear layer costs the same for every
# token, so its part grows with the number of tokens N. Attention compares every token with every other, so its part
# grows with N squared. With L blocks of width D:
#
# $$\text{MACs} \approx L \, \big( \underbrace{12\,N D^2}_{\text{linear layers}} +
# \underbrace{2\,N^2 D}_{\text{attention}} \big)$$
#
# Tokens alone therefore understate the difference. (`encoder_cost` also counts the resizing and projection of patches,
# and the pixel layer.)

# %%
costs = {name: encoder_cost(size_config(size, one), image.shape[:3], patch_size) for name, one in designs.items()}
show_costs(costs, f"{size} encoder, {height} x {width} px, T={timesteps}, P={patch_size}")

# %% [markdown]
# *Left: tokens of the whole sample. Right: MACs of one forward pass, with attention hatched. Cheapest first; a design
# of your own is grey. Designs with the same number of groups cost almost the same: bands that are left out need not be
# projected.*

# %% tags=["headline"]
tokens = costs["v1"].tokens / costs["v1.1"].tokens
macs = costs["v1"].macs / costs["v1.1"].macs
most = costs["per_band"].macs / costs["v1.1"].macs
print(f"v1 makes {tokens:.0f}x the tokens of v1.1; in the {size} encoder that is {macs:.1f}x the MACs;", end=" ")
print(f"one token for each band costs {most:.0f}x as much as one for all")

# %% [markdown]
# The ratio is not one number. By the formula, attention costs N / (6 D) times as much as the linear layers. That factor
# grows with more dates and smaller patches, and shrinks in wide models. So far "v1.1" was v1's encoder with v1.1's
# tokens. Here are the published models, with P = 4, and with the *pixel layer* that v1.1 has and v1 has not:

# %%
for model, pixel_hidden in (("nano", 12), ("base", 64)):
    for dates in (1, 12):
        shape = (64, 64, dates)
        v1 = encoder_cost(size_config(model, "v1"), shape, 4)
        v11 = encoder_cost(size_config(model, "v1.1", pixel_hidden), shape, 4)
        linear = v1.linear_macs / v11.linear_macs
        print(f"{model}, T = {dates:2}: {v1.macs / v11.macs:.1f}x the MACs, {linear:.1f}x without attention")

# %% [markdown]
# Ai2 states up to 3x (release text), and 2.9x for the base model (abstract of arXiv 2605.20804v1). The second number
# equals our ratio for the linear layers of Base alone, at any image size. We do not know how Ai2 counted.

# %% [markdown]
# ### A calculator
# Move the sliders (in Jupyter or Colab); no pixel layer is counted. The table below is the same calculator for one
# setting, for pages without a running kernel.

# %% tags=["nbval-ignore-output"]
token_calculator(designs.values())

# %%
print(calculate("base", edge=64, patch_size=4, timesteps=1, designs=designs.values()))

# %% [markdown]
# ## What we learned
# * A token is a decision about bands; the blocks of the encoder stay the same.
# * The number of tokens grows with the number of groups; cost grows faster, because attention grows with the square of
#   the number of tokens.
# * The gap widens with more dates and smaller patches, and narrows in wide models, where linear layers dominate.
#
# ## Where this stops being true
# * Multiply-accumulates are not seconds: memory traffic, batch size and hardware decide the rest.
# * Cost says nothing about accuracy. The release says that merging v1's tokens naively lost about 10 points (kNN on
#   m-eurosat), and that a changed pretraining recipe won them back. Some band names in m-eurosat are wrong. What is
#   known about accuracy, with sources, is in the first figure of notebook 05.
# * Without your own data the place shown here is simulated: its spectra are real, its fields are not.
#
# ## Exercises
# Predict first, then run. Each cell tells you whether you got it.

# %% [markdown]
# **1.** Group the bands so that a patch makes exactly two tokens and no band is left out. Which two would you keep
# apart, and why?

# %% tags=["exercise"]
two_tokens = None  # a Tokenization
#: solution
two_tokens = Tokenization(
    "two", {"sentinel2_l2a": ["B01 B02 B03 B04", "B05 B06 B07 B08 B8A B09 B11 B12"]}, "visible | the rest"
)
#: end

_ = check(1, two_tokens, exercises.two_tokens)

# %% [markdown]
# **2.** A year of a 64 x 64 px place has 12 dates. With P = 4, how many tokens does v1 make? Predict, then compute.

# %% tags=["exercise"]
v1_year = None  # a number
#: solution
v1_year = 64 // 4 * (64 // 4) * 12 * 3
#: end

_ = check(2, v1_year, exercises.tokens_of_a_year)

# %% [markdown]
# **3.** Find the largest patch size at which v1.1 makes at least as many tokens of a 64 x 64 px image of one date as v1
# makes at P = 8. What did you trade?

# %% tags=["exercise"]
patch = None  # a whole number from 1 to 8
#: solution
patch = 4
#: end

_ = check(3, patch, exercises.patch_for_equal_tokens)

# %% [markdown]
# **4. A design challenge.** Find the grouping of all twelve bands with the *most* tokens that stays below 200 GMACs in
# the base encoder, for 64 x 64 px on one date with P = 4. Choose groups that you could defend in front of a class.
# Below your answer is the leaderboard: the designs of this notebook, and yours. Those that leave out bands are listed
# but not ranked.

# %% tags=["exercise"]
design = None  # a Tokenization
#: solution
design = Tokenization(
    "six groups", {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07", "B08 B8A", "B11 B12", "B01", "B09"]}, "kind of light"
)
#: end

_ = check(4, design, design_below(200))
entries = [*designs.values(), *([design] if design is not None else [])]  # in a class, add those of your neighbours
print(leaderboard(entries, limit=200))

# %% [markdown]
# ## Next
# How does one of these tokens become an embedding?
#
# previous: [01 What does a model see of a place?](01_sentinel2_as_a_tensor.ipynb) | next: [03 From bands to an
# embedding](03_the_encoder.ipynb) | [all notebooks](../README.md#notebooks)
