# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/01_sentinel2_as_a_tensor.ipynb)
#
# # Sentinel-2 as a tensor
#
# A model of the Earth reads arrays of numbers. **What is in one sample: which bands, which resolutions, which dates,
# which numbers, and what goes wrong silently when one of them is not what you think?**
#
# | you need | why |
# |---|---|
# | Python and numpy | a sample is an array with names |
#
# | | two CPU cores | Colab T4 |
# |---|---|---|
# | time | 10 s | not measured |

# %% [markdown]
# ## Setup
# In Colab the first cell installs the package and leaves torch and numpy as they are.

# %% tags=["setup", "nbval-ignore-output"]
import importlib.util

if importlib.util.find_spec("olmoearth_nb") is None:
    from IPython import get_ipython

    package = "olmoearth_nb @ git+https://github.com/olmoearth-nb/olmoearth_nb"
    get_ipython().run_line_magic("pip", f'install -q "{package}"')

from olmoearth_nb.notebook import start

device = start(seed=0)

# %% [markdown]
# `data` takes the path of your own sample: a GeoTIFF whose bands are named and dated, a GeoBench m-eurosat `.hdf5`
# chip, a tile of the official pretraining data, or an `.npz` with `image` (H, W, T, C), `bands` and `dates`; or the
# name of a built-in place: `fields`, `forest`, `town`. Larger images are cut to the middle 64 x 64 pixels.

# %% tags=["parameters"]
data = "fields"

# %%
import textwrap

import numpy as np

from olmoearth_nb import SENTINEL2, Batch, exercises, plots_sample, to_sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_place
from olmoearth_nb.exercises import check

# %% [markdown]
# ## What a sample is
# An array of height x width x dates x bands (H, W, T, C), the dates, and where it comes from. The built-in places are
# **simulated**: spectra of soils, roofs, roads and dry plants are measured ones, green plants are modelled, and the
# scenes are invented.

# %%
sample = load_place(data)
image = sample.images["sentinel2_l2a"]
print("from:", sample.provenance)
print("(H, W, T, C) =", image.shape, image.dtype)
print("dates:", sample.dates[0], "to", sample.dates[-1])
for note in sample.notes:
    print("note:", note)

# %% [markdown]
# ## Twelve bands, three resolutions
# The satellite sees in bands: narrow windows of wavelength, some of them invisible to us. Four are sharp (10 m), six
# are half as sharp (20 m), two are there to see the air and are coarse (60 m). Here all are brought to one grid of
# 10 m, the coarse ones by repetition. The models expect them in *this* order, which is not that of their numbers:

# %%
for resolution in (10, 20, 60):
    bands = [f"{band.name} {band.centre:.0f} nm" for band in SENTINEL2.bands if band.resolution == resolution]
    print(f"{resolution} m:", ", ".join(bands))

# %% tags=["headline"]
time = len(sample.dates) // 2
plots_sample.show_bands(sample, time)

# %% [markdown]
# *The place in every band, each stretched to its own full contrast, so compare the order of two fields, not their
# greys; the ground of the titles tells the resolution. The brighter field of one band can be the darker of another:
# that difference is what the bands are for.*

# %% [markdown]
# ## What a pixel says
# Read along the bands, a pixel is a spectrum. Green leaves are dark in red (B04, 665 nm), because they use that light,
# and bright beyond 700 nm; bare ground rises slowly. The difference of the two bands over their sum, the NDVI, says
# how green a pixel is; here are one of the greenest and one of the least green pixels of this date.

# %%
height, width = image.shape[:2]
red, infrared = (image[:, :, time, SENTINEL2.indices([name])[0]] for name in ("B04", "B08"))
ndvi = np.where(red == MISSING, np.nan, (infrared - red) / np.maximum(infrared + red, 1))
pixels = {}
for label, share in (("high NDVI", 95), ("low NDVI", 5)):  # not the extremes: those are often mixed pixels
    distance = np.abs(ndvi - np.nanpercentile(ndvi, share))
    pixels[label] = divmod(int(np.nanargmin(distance)), width)
plots_sample.show_spectra(sample, pixels, time)

# %% [markdown]
# *Left: where the pixels are. Right: their digital numbers. A digital number is 10,000 times the share of light that
# the ground reflects, once the offset of 1,000 that original files carry since January 2022 is taken off.*

# %% [markdown]
# ## A year of a field
# With several dates, a pixel becomes a small table: dates x bands. It shows when a place turns green and when it is
# harvested. (In the built-in places the seasons are invented.)

# %%
plots_sample.show_year(sample, *pixels["high NDVI"])

# %% [markdown]
# *Above: the place at up to four dates, all stretched alike. Below: the pixel marked in yellow; with one date only,
# there is one point a band.*

# %% [markdown]
# ## The numbers that the model reads
# Each band is shifted and scaled by the mean and spread of the pretraining data: x' = (x - mean) / (4 std) + 1/2.
# Nothing is clipped. The spread is wide, probably because clouds are in it: clear land uses only a part of the range
# from 0 to 1. What was not observed stays marked as it is, and is left out here.

# %%
batch = Batch.from_samples(sample)
normal = batch.images["sentinel2_l2a"]
low, high = np.percentile(normal[normal != MISSING], [1, 99])
assert normal.shape == (1, *image.shape)
print("shape for the model (B, H, W, T, C):", tuple(normal.shape))
print(f"98 % of the values lie between {low:.1f} and {high:.1f}")

# %% [markdown]
# Dates become three numbers: day, month and year. **Months count from 0**: January is 0.

# %%
print("first date:", sample.dates[0], "->", batch.timestamps[0, 0].tolist())

# %% [markdown]
# ## What goes wrong silently
# A model takes any numbers of the right shape. The mistakes below give wrong embeddings and no error elsewhere; here
# each is refused with a sentence that says what to do. The whole list, and what nobody can see in the numbers, is in
# [common mistakes](https://github.com/olmoearth-nb/olmoearth_nb/blob/main/docs/common-mistakes.md).

# %%
bands, dates = list(SENTINEL2.band_names), sample.dates
wrong = {
    "reflectance instead of digital numbers": lambda: to_sample(image / 10_000, bands, dates),
    "bands without names": lambda: to_sample(image, None, dates),
    "months counted from 1": lambda: to_sample(image[:, :, :1], bands, np.array([[1, 12, 2023]])),
    "no dates": lambda: to_sample(image, bands, None),
}
for mistake, attempt in wrong.items():
    try:
        attempt()
    except ValueError as error:
        print(textwrap.fill(f"{mistake}: {error}", 100, subsequent_indent="    "), end="\n\n")

# %% tags=["headline"]
print(f"one sample: {len(bands)} bands, {len(dates)} date(s), {height} x {width} pixels")
print(f"{len(wrong)} mistakes refused")

# %% [markdown]
# ## What we learned
# * A sample is an array with named bands and dates; order, scale and dates are part of the data.
# * Bands differ in resolution: a value at 60 m stands for 36 pixels.
# * A spectrum tells green from bare; a year tells when a place is green.
#
# ## Where this stops being true
# * The built-in places have no clouds, haze, shadows or relief. Real series have gaps; mark them as missing.
# * Top-of-atmosphere data look alike and are not the same; `to_sample` notices only a cirrus band.
# * Files processed since 25 January 2022 carry an offset of 1,000 (baseline 04.00). Nothing in the numbers says so:
#   subtract it, unless your source has done so.
#
# ## Exercises

# %% [markdown]
# **1.** In the models' dates, which month is the number 6?

# %% tags=["exercise"]
month = None  # a name
#: solution
month = "July"
#: end

_ = check(1, month, exercises.month_of_index)

# %% [markdown]
# **2.** How many independent values of B01 are in an image of 60 x 60 pixels of 10 m?

# %% tags=["exercise"]
values = None  # a whole number
#: solution
values = 60 // 6 * (60 // 6)
#: end

_ = check(2, values, exercises.native_pixels)

# %% [markdown]
# ## Next
# *02 Designing the token*: which of these bands should share a token?
