# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/01_sentinel2_as_a_tensor.ipynb)
#
# # What does a model see of a place?
#
# A model of the Earth reads arrays of numbers. Which bands, dates and resolutions are in such an array, what do the
# numbers mean, and where on Earth is it? You need not have seen a satellite image before.
#
# **The short answer.** Our place is an array of 64 x 64 pixels, twelve dates and twelve bands. Of every 100 of its
# numbers on one date, at most 46 were measured: coarse bands repeat their values on the common grid of 10 m. Three
# dates are missing. OlmoEarth v1 follows the three resolutions and cuts the array into 2,304 tokens. v1.1 makes one
# token of all bands, and 768 in all.
#
# After this notebook you can
#
# * name the axes of a sample, its bands and its three resolutions, and read a spectrum and a year of a field;
# * say which three scales a pixel's numbers have, and find the two mistakes that everybody makes once;
# * count the tokens that three tokenizations make of it.
#
# | you need | why |
# |---|---|
# | Python and numpy | a sample is an array with names |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 40 min | 10 s |

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
# and dated, a Sentinel-2 product (`.SAFE`) or a folder of several dates of one, a EuroSAT `.tif` with all bands, a
# GeoBench m-eurosat `.hdf5` chip, a tile of the official pretraining data, or an `.npz` with `image` (H, W, T, C),
# `bands` and `dates`. `options` says what the file does not, such as `{"scale": "reflectance"}`. With `data` left
# empty, we look at a `tile` of a simulated world. `date` is the one that most figures show; the lines from `online` on
# ask for a real place, at the end.

# %% tags=["parameters"]
data = ""
options = {}
tile = 46
date = "2017-07-01"
online = False
latitude = 52.05
longitude = 11.45
first_day = "2023-01-01"
last_day = "2023-12-31"

# %%
import textwrap

import numpy as np

from olmoearth_nb import SENTINEL2, TOKENIZATIONS, Batch, to_sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_place
from olmoearth_nb.data.simulate.library import library
from olmoearth_nb.data.simulate.tile import tile_place, tile_sample
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.indices import clearest, reflectance, square_means
from olmoearth_nb.plots.map import show_places
from olmoearth_nb.plots.sample import show_bands, show_resolutions, show_year
from olmoearth_nb.plots.tokens import show_sequences
from olmoearth_nb.plots.widgets import band_browser, live_map
from olmoearth_nb.plots.world import show_surfaces

# %% [markdown]
# ## What a sample is
# An array of height x width x dates x bands (H, W, T, C), the dates, and where it comes from. One pixel is 10 m wide.
# Our place is **simulated**: fields, river, houses and weather are invented. What the ground reflects is not: it is
# computed from measured spectra of soils, roofs and roads and from models of leaves, water, snow and cloud.

# %%
# 640 m of the 1.28 km of a tile
sample = load_place(data, **options) if data else tile_sample(seed=0, number=tile).window(36, 60, 64)
image = sample.images["sentinel2_l2a"]
height, width, steps, channels = image.shape
print("from:", sample.provenance)
print("(H, W, T, C) =", image.shape, image.dtype)
for note in sample.notes:
    print("note:", note)

# %% [markdown]
# The satellites pass every few days, but clouds hide the ground, so the models read at most twelve dates, about one a
# month. In their training data one *date* is a mosaic: images of some 30 days merged into one, dated by the first of
# these days. It may still contain clouds. For some months there is nothing at all. The missing values are not zero,
# which would mean black ground; they have a marker of their own.

# %%
empty = [day for day, frame in zip(sample.dates, np.moveaxis(image, 2, 0), strict=True) if (frame == MISSING).all()]
time = sample.dates.index(date) if date in set(sample.dates) - set(empty) else clearest(sample)
print(f"{steps} date(s) from {sample.dates[0]} to {sample.dates[-1]}; shown below: {sample.dates[time]}")
print(f"nothing observed (marked {MISSING:.0f}):", ", ".join(empty) or "no date")

# %% [markdown]
# ## What each band sees
# A camera has three colours. Sentinel-2 has twelve *bands*: windows of wavelength, eight of them in the infrared, which
# we cannot see. (A thirteenth, B10, sees thin high cloud only and is not in data of the ground.)

# %% tags=["headline"]
show_bands(sample, time)

# %% [markdown]
# *Above: the windows of wavelength, drawn to scale, one row for each resolution; and the place in true colour (B04,
# B03, B02), brightened: reflectance 0.3 is white (data from the top of the atmosphere, L1C, look bluish from haze).
# Below: the place in every band, in the order of wavelength, each stretched from its 2nd to its 98th percentile and
# brightened. Compare two fields rather than their greys: the brighter one in one band can be the darker one in
# another.*

# %% [markdown]
# The models read the bands in another order, sorted by resolution. An array does not say which order it has. That is
# why every loader of this package takes the names, too.

# %%
print("order of wavelength:", *(band.name for band in sorted(SENTINEL2.bands, key=lambda band: band.centre)))
print("order in the array: ", *SENTINEL2.band_names)
assert channels == len(SENTINEL2.bands)

# %% [markdown]
# Move the sliders to see any band at any date (in Jupyter or Colab). On a page without a running kernel nothing appears
# here; look at the still figures above and below instead.

# %% tags=["nbval-ignore-output"]
band_browser(sample)

# %% [markdown]
# ## Why 10, 20 and 60 m
# A narrow window lets in little light, and far in the infrared the sun gives little (B11, B12). To collect enough
# light, a pixel must be larger: the red band B04 is 31 nm wide and sharp; its neighbour B05 has half that width, and
# pixels of four times the area. B01 and B09 look at haze and water vapour in the air, which change slowly from place to
# place, so 60 m are enough.

# %%
show_resolutions(sample, time, row=4, column=8)

# %% [markdown]
# *The same 240 m in three bands. Roofs are sharp at 10 m, blurred at 20 m and one smear at 60 m. Thin lines frame what
# holds one value. B01 was stored at 40 m in between, so that a pixel of 60 m shows as 40 or 80 m.*

# %% [markdown]
# An array has one grid, so the coarser bands are brought to 10 m. In the models' pretraining data this is done by
# repetition: 20 m bands come in blocks of 2 x 2 equal values. The 60 m bands are first kept at 40 m, so they come in
# blocks of 4 x 4, and some neighbouring blocks are equal too. The pixels are finer, and nothing new is in them. Other
# archives interpolate; then the figure has no lines, and the percentages below are lower.

# %%
for metres, edge in ((10, 2), (20, 2), (60, 4)):
    names = [band.name for band in SENTINEL2.bands if band.resolution == metres]
    values = image[:, :, time, SENTINEL2.indices(names)]
    blocks = values.reshape(height // edge, edge, width // edge, edge, len(names))
    constant = float((np.ptp(blocks, axis=(1, 3)) == 0).mean())
    print(f"{metres} m bands: {constant:.0%} of the {edge} x {edge} blocks hold one value")
    assert data or (constant == 1.0) == (metres > 10)

# %% [markdown]
# So how many of the numbers were measured? A band of $r$ metres has $(10 / r)^2$ values of its own for each pixel of 10
# m, and the array has twelve bands:
#
# $$\text{measured} = \frac{1}{12} \sum_{b} \left(\frac{10}{r_b}\right)^2$$

# %% tags=["headline"]
fraction = sum((10 / band.resolution) ** 2 for band in SENTINEL2.bands) / len(SENTINEL2.bands)
print(f"of 100 numbers of an observed date {100 * fraction:.0f} were measured, and the others repeat them;", end=" ")
print(f"{(image == MISSING).mean():.0%} of the array was not observed at all")

# %% [markdown]
# ## What water, soil, leaves and roofs look like
# Along the bands, each surface has its own curve, its *spectrum*. We follow one square of 8 x 8 pixels in the middle of
# the place and plot its mean spectrum over the spectra of well-known surfaces.

# %%
top, left = (edge // 16 * 8 for edge in (height, width))
square = square_means(sample, top, left, size=8)  # (T, C), of the pixels that were observed
show_surfaces(library("train"), square[time], "our square")

# %% [markdown]
# *Fraction of light reflected, 0 to 1, at the centres of the twelve bands. Solid lines: medians of measured spectra;
# dashed: modelled. Diamonds: our square on the date shown. The right panel has another scale.*

# %% [markdown]
# Water absorbs the infrared. Leaves absorb red light (B04) and reflect what lies beyond 700 nm; that step is called the
# *red edge*, and three narrow bands (B05, B06, B07) lie on it. The spectra of soil and dry plants rise slowly. Water
# *in* leaves makes B11 and B12 dark. Which of the curves is our square like? Compare shapes rather than heights: shade
# and slope make a whole spectrum darker.

# %% [markdown]
# ## A year of a field
# The step at the red edge makes a measure of green: NDVI = (B08 - B04) / (B08 + B04), near 0.9 for dense leaves, 0.1 to
# 0.3 for bare or dry ground, below 0 for water. With twelve bands on twelve dates, a field is a small table.

# %%
show_year(sample, top, left)

# %% [markdown]
# *Top: our square (yellow) and what lies around it. Middle: its mean in every band on every date. Bottom: its NDVI;
# white dates hollow (cloud or snow, by B02), dates without data grey. The line bridges neither.*

# %% [markdown]
# Read it from the left. January is white. Then the ground is bare. From April on there are leaves: bright from B06 to
# B09, dark in B04. From October the field turns brown. Three months are missing, one of them in summer. The model gets
# the white date as it is: nothing marks the dates with cloud. (If you opened your own sample, read yours.)

# %% [markdown]
# ## The numbers: three scales of one pixel
# Files hold *digital numbers*: whole numbers, 10,000 times the reflectance (+ 1,000 in products processed since 25
# January 2022, see the end). A model reads neither digital numbers nor reflectance. It first shifts and scales each
# band by the mean and standard deviation of the pretraining data, and clips nothing:
#
# $$x' = \frac{x - \mathrm{mean}}{4\,\mathrm{std}} + \frac{1}{2}$$
#
# By hand for one pixel:

# %%
row, column = top + 4, left + 4
pixel = image[row, column, time]  # (C,)
mean = np.array([band.mean for band in SENTINEL2.bands])
std = np.array([band.std for band in SENTINEL2.bands])
by_hand = np.where(pixel == MISSING, MISSING, (pixel - mean) / (4 * std) + 0.5)

batch = Batch.from_samples(sample)
assert np.allclose(by_hand, batch.images["sentinel2_l2a"][0, row, column, time], rtol=1e-5, atol=1e-5)
print("band  digital number  reflectance  input of the model")
for band, number, value in zip(SENTINEL2.bands, pixel, by_hand, strict=True):
    print(f"{band.name:5} {number:14.0f} {number / 10_000:12.4f} {value:19.2f}")

# %% [markdown]
# All twelve inputs are now on the same scale. Clear land mostly lies between 0 and 1; dense leaves come close to 1 in
# the near infrared. The standard deviation probably includes clouds; even so, a cloud comes out above 1 in most bands.
# Dates become three numbers, and **months count from 0**:

# %%
print("(B, H, W, T, C) =", tuple(batch.images["sentinel2_l2a"].shape))
for day, numbers in list(zip(sample.dates, batch.timestamps[0].tolist(), strict=True))[::6]:
    print(day, "-> day, month, year =", numbers)

# %% [markdown]
# ### What goes wrong silently
# A network takes any numbers of the right shape, and wrong ones make wrong results, not errors. So the loader
# `to_sample` checks them first. Two mistakes that everybody makes once:

# %%
bands, reflected = list(SENTINEL2.band_names), reflectance(sample)
marked = np.nan_to_num(reflected, nan=MISSING)
wrong = {
    "reflectance instead of digital numbers": lambda: to_sample(marked, bands, sample.dates),
    "months counted from 1": lambda: to_sample(image[:, :, :1], bands, np.array([[1, 12, 2023]])),
}
for mistake, attempt in wrong.items():
    try:
        attempt()
    except ValueError as error:
        print(textwrap.fill(f"{mistake}: {error}", 100, subsequent_indent="    "), end="\n\n")

# %% [markdown]
# Thirty-odd more, and what nobody can see in the numbers, are in [common
# mistakes](https://github.com/olmoearth-nb/olmoearth_nb/blob/main/docs/common-mistakes.md).

# %% [markdown]
# ## One place, three tokenizations
# A transformer reads neither images nor bands but a sequence of *tokens*. The image is cut into patches of P x P
# pixels, here P = 8. Each patch on each date becomes one token or several, one for each *group* of bands. OlmoEarth v1
# has three groups, one for each resolution; v1.1 has one of all bands; the third design below gives every band its own.

# %%
chosen = [TOKENIZATIONS[name] for name in ("v1", "v1.1", "per_band")]
show_sequences(sample, chosen, row=top // 8, column=left // 8, patch_size=8, time=time)

# %% [markdown]
# *Left: the place in patches, our square marked. Right: the tokens of that one patch, one box each, a column a date, in
# the colour of their resolution (grey: mixed). Dotted boxes were not observed: the encoder does not see them.*

# %% [markdown]
# All patches together. A design of G groups makes
#
# $$N = \frac{H}{P} \cdot \frac{W}{P} \cdot T \cdot G$$
#
# tokens. We count by hand. The package must agree, also on how many of them were observed.

# %% tags=["headline"]
seen = (image != MISSING).reshape(height // 8, 8, width // 8, 8, steps, channels).all((1, 3))  # (rows, columns, T, C)
lines = []
for tokenization in chosen:
    groups = tokenization.indices("sentinel2_l2a")
    total = (height // 8) * (width // 8) * steps * len(groups)
    counted = sum(int(seen[..., group].all(-1).sum()) for group in groups)
    missing = observed(batch.images, sample.grid(tokenization, 8))[1]
    assert (total, counted) == (missing.numel(), int((~missing).sum()))
    lines.append(f"{tokenization.name}: {total:,} tokens, {counted:,} of them observed")
print(*lines, sep=";\n")

# %% [markdown]
# Notebook 02 counts what each choice costs.
#
# ## Where samples lie
# A tile of the official data covers 1.28 km, and its file gives latitude and longitude. Simulated tiles have them too:
# the latitude sets sun, snow and season; the longitude was drawn without a map and puts many tiles into the sea. The
# first map can be zoomed in a running notebook with a network; the second is the same without either.

# %%
places = [tile_place(0, number) for number in range(60)]
named = {} if data else {"our tile": tile_place(0, tile)}
if sample.georeference:
    lon, lat = sample.georeference.to_lonlat(width / 2, height / 2)  # of its middle
    named["your sample"] = float(lat), float(lon)
if online:
    named["a real place, see below"] = latitude, longitude
south = sum(place[0] < 0 for place in places)
print(f"{len(places)} simulated tiles, {south} of them in the southern half, where July is winter")

# %% tags=["nbval-ignore-output"]
live_map(places, named)

# %%
show_places(places, named)

# %% [markdown]
# *Dots: the first 60 tiles of the simulated world; stars: our tile, or your sample if its file says where it lies, and
# the real place if you ask for it. Coasts are drawn where the package odc-geo is installed.*
#
# No version of the models is told where a place lies. Of a date, v1 and v1.1 read only the month, v1.2 also day and
# year. July is high summer in one half of the world and midwinter in the other, so the bands must say which.

# %% [markdown]
# ## Your own place
# With a network, set `online = True` and `latitude`, `longitude` to a place that you know: a field near you, your
# school. The next cell then searches a public catalogue (STAC, the common way to list satellite images) for a year of
# Sentinel-2, reads only the 640 m around the place, masks the clouds, and makes one image a month. You would see the
# figure of *A year of a field* for your place: real seasons, grey pixels where clouds were masked, and no column for a
# month without any clear day. The models were trained on mosaics with clouds in them; a cloud-free median is another
# kind of input.

# %%
if online:
    from olmoearth_nb.data.stac.load import load_stac

    mine = load_stac((latitude, longitude), first_day, last_day, size=64)
    print(mine.provenance, *mine.notes, sep="\n")
    show_year(mine, 28, 28)
else:
    print("skipped: online is False")

# %% [markdown]
# ## What we learned
# * A sample is an array with named bands and dates; order, scale and dates are part of the data.
# * Bands differ in resolution. On the common grid of 10 m, coarse values repeat and tell nothing new.
# * A spectrum tells what a surface is, a year tells what it does; clouds and gaps are part of every year.
# * Less than half of the numbers of an array were measured; the resolutions decide which.
# * The same numbers can become one token, three, or twelve.
#
# ## Where this stops being true
# * The place is simulated. Its clouds have one colour, its fields straight edges, its dates one a month; real series
#   have thin cloud, shadows and haze that no simple rule finds.
# * Its July field is greener than real ones: B03 is 0.14 in the mean of our square, and nearer 0.05 to 0.10 over real
#   crops. This version of the world is fixed, so it stays that way.
# * "White in B02" finds cloud and snow over dark ground. Over sand or roofs it does not.
# * Top-of-atmosphere data look like surface reflectance but are not; `to_sample` notices only a cirrus band, and B09
#   far below B8A.
# * Products processed since 25 January 2022 (baseline 04.00 and later) carry an offset of 1,000. Nothing in the numbers
#   says so. The harmonised collections of Earth Engine have it subtracted already; a `.SAFE` from Copernicus has not,
#   but its metadata name it, and this package subtracts it. For data from anywhere else, find out, and subtract it if
#   it is there.
#
# ## Exercises
# Predict first, then run. Each cell tells you whether you got it.

# %% [markdown]
# **1.** In the models' dates, which month is the number 6?

# %% tags=["exercise"]
month = None  # a name
#: solution
month = "July"
#: end

_ = check(1, month, exercises.month_of_index)

# %% [markdown]
# **2.** How many values did the satellite measure in B01 for an image of 60 x 60 pixels of 10 m?

# %% tags=["exercise"]
values = None  # a whole number
#: solution
values = 60 // 6 * (60 // 6)
#: end

_ = check(2, values, exercises.native_pixels)

# %% [markdown]
# **3.** In true colours, snow and cloud are both white. Predict from the spectra which band tells them apart best. Then
# look at the simulated January in that band: which of the two was it, mostly?

# %% tags=["exercise"]
band = None  # a name, such as "B04"
#: solution
band = "B11"
#: end

_ = check(3, band, exercises.band_that_tells_snow_from_cloud)

# %% [markdown]
# **4.** `reflected` (H, W, T, C) holds reflectance, and NaN where nothing was observed. Load it with `to_sample` so
# that its numbers are those of `sample`. Call it and read the error message; two of its options solve the problem.

# %% tags=["exercise"]
repaired = None  # to_sample(reflected, bands, sample.dates, ...)
#: solution
repaired = to_sample(reflected, bands, sample.dates, scale="reflectance", valid=~np.isnan(reflected))
#: end

_ = check(4, repaired, exercises.equal_to(sample))

# %% [markdown]
# ## Next
# Which of these bands should share a token, and what does each choice cost?
#
# next: [02 One token, three, or twelve?](02_designing_the_token.ipynb) | [all notebooks](../README.md#notebooks)
