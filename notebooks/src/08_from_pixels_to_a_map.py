# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/08_from_pixels_to_a_map.ipynb)
#
# # How does a scene become a map?
#
# An encoder reads a few thousand pixels at a time. A scene of Sentinel-2 has a hundred million, and what people want is
# a map of all of it, in a file that their other programs open, with a number they can rely on: *how many hectares of
# crop?* **What has to happen in between, and what can go wrong?**
#
# The short answer: the scene is cut into windows, the encoder reads each of them alone, a classifier (a *head*) turns
# embeddings into classes, and the results are put together again. Two things go wrong on the way.
#
# * The embedding of a place depends on where in its window the place lies. Windows side by side leave visible borders:
#   here the embeddings of two neighbours differ 1.29 times as much across a border as elsewhere. With windows that
#   overlap by half and are blended the ratio is 1.02, at four times the cost.
# * Hectares should not be counted from the map, because its mistakes do not cancel. Here 86 % of the map is right, and
#   yet it shows 8.5 ha of bare ground where there are 3.4. With 150 places that somebody looks at, the estimate is 3.1
#   ha, with a 95 % interval of ± 1.6 ha. The truth is known because the place is simulated.
#
# After this notebook you can
#
# * make a map of a scene, from points to a file that other programs open;
# * see where windows meet, and decide what overlap is worth;
# * estimate hectares with an interval instead of counting pixels.
#
# | you need | why |
# |---|---|
# | notebooks 01 and 03 | scenes, patches, and what an encoder gives |
# | a confusion matrix, a confidence interval | areas come with them |
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
# `data` takes your own sample, and `options` how to open it (see notebook 01): the embeddings of its middle 64 x 64 px
# become a picture below. A map of the whole of it, with your own classes, is one command (`docs/maps.md`). Classes and
# areas on this page are always those of tile `tile` of the simulated world, where the truth is known. `window` is what
# the encoder sees at once, in pixels; `points` is how many labelled points of each class the head learns from, and
# `looked_at` how many places of each class of the map somebody looks at afterwards.

# %% tags=["parameters"]
data = ""
options = {}
tile = 28
model = "mini-v1.1-long"
other = "mini-v1-long"
window = 32
points = 20
looked_at = 25
seed = 0

# %%
import tempfile
from pathlib import Path

import numpy as np

from olmoearth_nb.maps.area import Z95, confusion, drawn_points, estimated_areas, mapped_areas
from olmoearth_nb.maps.example import known_place
from olmoearth_nb.maps.make import make_map
from olmoearth_nb.maps.probe import fit_probe
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots import mapped
from olmoearth_nb.weights.load import open_encoder

place, encoder, folder = known_place(tile), open_encoder(model), Path(tempfile.mkdtemp())
print(f"{place.sample.title}: {place.sample.shape[0]} x {place.sample.shape[1]} px, {len(place.sample.dates)} dates")
print(f"{place.truth.size} patches of {place.patch_size} px: {', '.join(place.classes)}")

# %% [markdown]
# ## A map from points
# This is what we are after: a scene, a few points of each class as you would click them in a picture, and a map. A
# *probe*, which is a logistic regression, learns from the embeddings at these points and then predicts the class of
# every patch. It is the head of this map. On the command line this is `olmoearth-nb map --model M --data scene.tif
# --points labels.geojson --label class --out map.tif`.

# %% tags=["headline"]
labels = place.points(points, seed)
probe = fit_probe(encoder, place.sample, labels, "class", window=window)
classes = make_map(encoder, place.sample, folder / "classes.tif", probe, window=window, quiet=True)
mapped.show_map(classes, place.sample, place.truth, place.classes)

# %% [markdown]
# *The scene, the map, and what is really there. Most of the map is right, but it is wrong in a way that matters: among
# the houses, and at one spot in the lake, it finds more bare ground (light brown) than there is.*

# %%
import rasterio

with rasterio.open(classes) as file:
    told = np.array(probe.classes)[file.read(1)]
right, learnt = told == np.array(place.classes)[place.truth], np.zeros(place.truth.shape, bool)
column, row = place.sample.georeference.to_pixels(labels.geometry.x, labels.geometry.y)
learnt[(row // place.patch_size).astype(int), (column // place.patch_size).astype(int)] = True
print(f"{probe.points} labelled points; {right.mean():.0%} of all patches are right")
print(f"of the {(~learnt).sum()} patches without a labelled point {right[~learnt].mean():.0%} are right")

# %% [markdown]
# ## The whole way
# The scene is read in windows. The encoder turns each window into embeddings of patches, and a head turns those into
# classes. Where windows overlap, their results are averaged, with weights that fall to zero at a window's border. The
# work is done in blocks, on as many processes as you like, and the blocks become one file.

# %%
mapped.show_lifecycle()

# %% [markdown]
# *Above: what happens between a scene and its map. Below: three windows that overlap by half, along one row. The
# weights of a raised cosine, $w(x) = \sin^2(\pi x)$, add up to 1 wherever two windows overlap. At the edge of the
# scene, where there is one window alone, the weighted mean is that window's own result.*
#
# ## A picture of embeddings
# An embedding has 64 numbers here. Their three *principal components* (the directions in which the patches of the place
# differ most) make a picture: patches of like colour have like embeddings. No label was needed.

# %%
from dataclasses import replace

from olmoearth_nb.data.load import load_place

own = load_place(data, **options) if data else place.sample
for note in own.notes if data else ():
    print("*", note)
if own.georeference is None:
    print("* your sample does not say where it lies: the picture's file claims the place of the simulated tile")
    own = replace(own, georeference=place.sample.georeference)
picture = make_map(encoder, own, folder / "picture.tif", output="pca", window=window, quiet=True)
mapped.show_map(picture, own)
print(f"{own.title}: a map of {own.shape[0] // 4} x {own.shape[1] // 4} patches")

# %% [markdown]
# *Left: the scene in true colour. Right: the first three principal components of its embeddings as red, green and blue,
# one pixel for each patch. The colours themselves mean nothing; like colours do.*
#
# The file is a cloud-optimised GeoTIFF: programs such as QGIS open it at its place on Earth, and read only the part and
# the resolution that they show. Its tags say what it was made of:

# %%
with rasterio.open(picture) as file:
    tags = file.tags()
    print(f"{file.count} bands of {file.dtypes[0]}, {file.crs}, pixels of {file.res[0]:g} m")
for name in ("OUTPUT", "TOKENIZATION", "MODALITIES", "PATCH_SIZE", "WINDOW", "STRIDE", "BLENDING"):
    print(f"{name:12} {tags[name]}")

# %% [markdown]
# ## Where windows meet
# We make the same embeddings twice: from windows side by side, and from windows that overlap by half. We divide how
# much neighbouring patches differ across a border of windows by how much they differ elsewhere. If borders do not show,
# the ratio is about 1.

# %%
from olmoearth_nb.maps.seams import read_map, seams

maps = {
    title: make_map(encoder, place.sample, folder / f"{stride}.tif", window=window, stride=stride, quiet=True)
    for title, stride in {"side by side": window, "overlap of a half": window // 2}.items()
}
ratios = {title: seams(*read_map(path)).ratio for title, path in maps.items()}
for title, ratio in ratios.items():
    print(f"{title:17} {ratio:.2f}")

# %%
mapped.show_borders(maps)

# %% [markdown]
# *How far the embedding of each patch lies from its neighbours'. Bright lines are edges of things on the ground. The
# small marks above and at the left show where windows end. Look at the dark lake, where little on the ground changes:
# with windows side by side, straight lines run through it exactly at the marks; blended, they are gone. The stripe from
# top to bottom that stays in both is a road, and so is the oblique one (see the scene above).*
#
# Overlap costs: half a window along both axes means four times as many windows. On two other tiles, with two models and
# two sizes of windows, the ratio was 1.23 to 1.48 side by side and .97 to 1.01 blended (`docs/results/maps.md`).
#
# ## How many hectares?
# A count of the map's pixels counts its mistakes, too. A random sample of places corrects the count. Let $A$ be the
# area of the whole map, and $W_i$ the fraction of it that is mapped as class $i$. Of $n_{i\cdot}$ places drawn at
# random in what is mapped as class $i$, let $n_{ij}$ really be of class $j$. The estimated area of class $j$ and its
# standard error are
#
# $$\hat A_j = A \sum_i W_i \frac{n_{ij}}{n_{i\cdot}}, \qquad
# S(\hat A_j) = A \sqrt{\sum_i W_i^2 \,
# \frac{\frac{n_{ij}}{n_{i\cdot}} \bigl(1 - \frac{n_{ij}}{n_{i\cdot}}\bigr)}{n_{i\cdot} - 1}}$$
#
# (Olofsson and others 2014); the interval of 95 % reaches $1.96 \, S$ to each side. `drawn_points` draws the places.
# Somebody looks at each of them in a better picture or on the ground, without knowing what the map says; here the truth
# of the simulated world stands in. `confusion` counts: a row for each class of the map, a column for what is there.

# %%
drawn = drawn_points(classes, looked_at, seed + 1)
column, row = place.sample.georeference.to_pixels(drawn.geometry.x, drawn.geometry.y)
known = place.labelled(np.column_stack([row, column]))
counts, names, _ = confusion(classes, known, "class")
hectares = [100 * mapped_areas(classes).get(name, 0.0) for name in names]
found = estimated_areas(counts, hectares, names)
truth = np.array([dict(zip(place.classes, place.areas(), strict=True))[name] for name in names])
print(f"{'places':16} {' '.join(f'{name[:5]:>5}' for name in names)}")
for name, line in zip(names, counts, strict=True):
    print(f"{name:16} {' '.join(f'{count:5}' for count in line)}")
print(f"\n{'hectares':16} {'map':>6} {'estimate':>9} {'truth':>12}")
for i, name in enumerate(names):
    print(f"{name:16} {found.mapped[i]:6.1f} {found.areas[i]:6.1f} ± {Z95 * found.area_errors[i]:4.1f} {truth[i]:8.1f}")

# %% tags=["headline"]
mapped.show_areas(found, truth)
inside = np.abs(found.areas - truth) <= Z95 * found.area_errors
print(f"{counts.sum()} places were looked at; the truth lies in {inside.sum()} of {len(names)} intervals of 95 %")

# %% [markdown]
# *Squares: the map's own count. Points with bars: estimates and their intervals of 95 %. Vertical strokes: the truth.
# The map shows more than twice as much bare ground as there is, and a count comes without an interval that would warn
# you.*
#
# The table of counts says why: of 25 places that are mapped as bare, 9 are bare and 10 are built.
#
# The estimate is not always the nearer of the two: for crop, grass and water the count happens to lie closer to the
# truth here. Without the truth nobody could tell for which classes. What the estimate gives is an area without
# systematic error, and a statement of how sure it is: for bare ground 3.1 ± 1.6 ha, half of its value. To halve an
# interval you need about four times as many places. This is one draw; over 400 draws of another map the estimates were
# right on average and their standard errors right to within a tenth (`docs/results/maps.md`).
#
# ## Slide it over the scene
# Here the same map lies over the scene, with a slider for its opacity. The slider works only in a running notebook; on
# a static page, the figure of scene, map and truth further up shows the same.

# %% tags=["nbval-ignore-output"]
mapped.live_overlay(classes, place.sample)

# %% [markdown]
# ## Blocks, workers, interruptions
# The map of a real scene takes hours, so it is made in blocks. A block reads the windows that touch it and nothing
# else, so that memory does not grow with the scene. Windows are always summed in the same order. Therefore neither the
# size of the blocks nor the number of workers changes the file, nor does an interruption: blocks that are done are
# kept, and the same command goes on with the others.

# %%
small = make_map(encoder, place.sample, folder / "small.tif", probe, window=window, block=40, quiet=True)
assert small.read_bytes() == classes.read_bytes()
print(f"16 blocks or one: the same file, to the last of {len(small.read_bytes()):,} bytes")

# %% [markdown]
# ## What it costs
# What a window costs follows from its tokens (notebook 02). v1 makes three tokens of a patch and date, v1.1 one.

# %% tags=["nbval-ignore-output"]
import time

from olmoearth_nb import Batch

times = {}
for name in (other, model):
    one, start_time = open_encoder(name), time.perf_counter()
    made = make_map(one, place.sample, folder / f"{name}.tif", window=window, quiet=True)
    seconds = time.perf_counter() - start_time
    grid = Batch.from_samples(place.sample.window(0, 0, window)).grid(one.config.tokenization, 4)
    times[name] = (len(grid), seconds / (np.prod(place.sample.shape) / 1e4))
mapped.show_times(times)

# %% [markdown]
# *Tokens per window, and seconds per square kilometre on one core, with overlap, four dates, small windows and small
# models. A Sentinel-2 tile covers 12,056 km². With twelve dates and windows of 64 px, two of its 484 blocks took 72 s
# each on one core, which would be 9.6 hours for all of them (`docs/results/maps.md`); the whole tile was not mapped.*
#
# ## What we learned
# * A map is more than an encoder run many times. The embedding of a place depends on the window around it; overlap and
#   blending hide the borders that this leaves, at four times the cost.
# * A map can be reproduced if its file says what it was made of and its bytes do not depend on how the work was
#   divided.
# * A map from few labels can be mostly right and still be far off in the area of a class. Report areas from a random
#   sample that was looked at, with an interval, and not from a count of pixels.
#
# ## Where this stops being true
# * The place is simulated and small, the probe learns from points of the same tile, and the model has three blocks.
#   Expect a worse map on another tile, season or sensor; then fit the probe there, and look at places there.
# * The estimate needs places drawn at random *from the map*. Points chosen because they are easy to see, such as those
#   that the probe learns from, give no valid interval. The functions cannot notice: they take any points.
# * The interval covers the chance of the draw alone, and not the mistakes of the person who looks. And where all places
#   of a class turn out right, the formula takes the class to be without error: 25 right out of 25 still leave room for
#   one in nine to be wrong.
# * Blending hides where windows meet. It does not make the encoder see further than one window.
# * Processors of another kind may round differently, so that bytes differ between machines.
#
# ## Exercises

# %% [markdown]
# **1.** Windows overlap by half along both axes. How many windows cover a pixel in the middle of the map?

# %% tags=["exercise"]
holding = None  # a whole number
#: solution
holding = 4
#: end

_ = check(1, holding, exercises.windows_over_a_pixel)

# %% [markdown]
# **2.** With a stride of a quarter of a window, how many times as many windows must the encoder read as with windows
# side by side?

# %% tags=["exercise"]
times_as_many = None  # a whole number
#: solution
times_as_many = 16
#: end

_ = check(2, times_as_many, exercises.cost_of_a_quarter)

# %% [markdown]
# **3.** A map shows 30 ha of crop and 70 ha of other things. Of ten places drawn in what is mapped as crop, nine are
# crop; of ten drawn in the rest, two are. How many hectares of crop are there, by the estimator?

# %% tags=["exercise"]
crop = None  # hectares
#: solution
crop = 30 * 9 / 10 + 70 * 2 / 10
#: end

_ = check(3, crop, exercises.hectares_of_crop)

# %% [markdown]
# ## Next
# How much of a saving in tokens reaches the clock? For a map of your own scene, `docs/maps.md` has the command and all
# of its options.
#
# previous: [07 What does pretraining add?](07_fine_tuning.ipynb) | next: [09 What does three times cheaper
# mean?](09_what_three_times_cheaper_means.ipynb) | [all notebooks](../README.md#notebooks)
