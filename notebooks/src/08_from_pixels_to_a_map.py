# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/08_from_pixels_to_a_map.ipynb)
#
# # How does a scene become a map?
#
# An encoder reads a few thousand pixels at a time. A scene of Sentinel-2 has a hundred million, and what people want
# is a map of all of it, in a file that their other programs open, with a number they can rely on: *how many hectares
# of crop?* **What has to happen in between, and what can go wrong?**
#
# The short answer: the scene is read in windows, and what the encoder makes of a place depends on where in its window
# the place lies. Windows side by side leave borders in the map; windows that overlap and are blended leave none. The
# number of hectares should not be counted from the map, because the map's mistakes do not cancel: here it shows 8.5 ha
# of bare ground where there are 3.4. With 150 places that somebody looks at the estimate is 3.1 ± 1.6 ha. The truth is
# known because the place is simulated.
#
# | you need | why |
# |---|---|
# | notebooks 01 and 03 | scenes, patches, and what an encoder gives |
# | a confusion matrix, a confidence interval | areas come with them |
#
# | | two CPU cores | Colab T4 |
# |---|---|---|
# | time | 40 s | not measured |

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
# `data` takes your own sample, and `options` how to open it (see notebook 01): its embeddings become a picture below.
# Classes and areas are those of tile `tile` of the simulated world, where the truth is known. `window` is what the
# encoder sees at once, in pixels; `points` is how many labelled points of each class the probe gets, and `looked_at`
# how many places of each class of the map somebody looks at afterwards.

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
# ## The whole way
# The scene is read in windows. The encoder turns each window into embeddings of patches, and a head turns those into
# classes. Where windows overlap their results are averaged, with weights that fall to zero at a window's border. The
# work is done in blocks, on as many processes as you like, and the blocks become one file.

# %%
mapped.show_lifecycle()

# %% [markdown]
# *Above: the stations of a map. Below: three windows that overlap by half, along one row. The weights of a raised
# cosine, $w(x) = \sin^2(\pi x)$, add up to 1 wherever two windows overlap.*
#
# ## A picture of embeddings
# An embedding has 64 numbers here. Their three *principal components* (the directions in which the patches of the place
# differ most) make a picture: patches of like colour have like embeddings. No label was needed.

# %%
from dataclasses import replace

from olmoearth_nb.data.load import load_place

own = load_place(data, **options) if data else place.sample
own = own if own.georeference else replace(own, georeference=place.sample.georeference)  # if it does not know its place
picture = make_map(encoder, own, folder / "picture.tif", output="pca", window=window, quiet=True)
mapped.show_map(picture, own)
print(f"{own.title}: a map of {own.shape[0] // 4} x {own.shape[1] // 4} patches")

# %% [markdown]
# *Left: the scene in true colour. Right: the first three principal components of its embeddings as red, green and blue,
# a pixel for each patch.*
#
# The file is a cloud-optimised GeoTIFF: programs such as QGIS open it at its place on Earth, and read only the part and
# the resolution that they show. It says itself what it was made of:

# %%
import rasterio

with rasterio.open(picture) as file:
    tags = file.tags()
    print(f"{file.count} bands of {file.dtypes[0]}, {file.crs}, pixels of {file.res[0]:g} m")
for name in ("OUTPUT", "TOKENIZATION", "MODALITIES", "PATCH_SIZE", "WINDOW", "STRIDE", "BLENDING"):
    print(f"{name:12} {tags[name]}")

# %% [markdown]
# ## Where windows meet
# The same embeddings twice: from windows side by side, and from windows that overlap by half. How large is a step from
# a patch to its neighbour across a border of windows, divided by a step elsewhere? Where borders do not show it is 1.

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
# *How far the embedding of each patch lies from its neighbours'. Bright lines are edges of things on the ground. Arrows
# above mark the borders of windows: on the left they show as straight lines, best seen on the water, where nothing on
# the ground changes. Blended, they are gone.*
#
# Overlap costs: half a window along both axes means four times as many windows.
#
# ## From points to classes
# Labels are few. Here are some points of each class, as one would click them in a picture; a probe (logistic
# regression) learns from the embeddings at these points and is asked everywhere. On the command line this is
# `olmoearth-nb map --model M --data scene.tif --points labels.geojson --label class --out map.tif`.

# %% tags=["headline"]
labels = place.points(points, seed)
probe = fit_probe(encoder, place.sample, labels, "class", window=window)
classes = make_map(encoder, place.sample, folder / "classes.tif", probe, window=window, quiet=True)
mapped.show_map(classes, place.sample, place.truth, place.classes)

# %% [markdown]
# *The scene, the map, and what is really there. The map is good, and wrong in a way that matters: it finds bare ground
# among the houses, where there is hardly any.*

# %%
with rasterio.open(classes) as file:
    told = np.array(probe.classes)[file.read(1)]
right = told == np.array(place.classes)[place.truth]
print(f"{probe.points} labelled points; {right.mean():.0%} of all patches are right")

# %% [markdown]
# ## How many hectares?
# Counting the pixels of the map adds its mistakes up. With $W_i$ the part of the map that is mapped as class $i$, and
# $n_{ij}$ of $n_{i\cdot}$ places drawn at random in it that are really of class $j$, the area of class $j$ is
#
# $$\hat A_j = A \sum_i W_i \frac{n_{ij}}{n_{i\cdot}}, \qquad
# S(\hat A_j) = A \sqrt{\sum_i W_i^2 \,
# \frac{\frac{n_{ij}}{n_{i\cdot}} \bigl(1 - \frac{n_{ij}}{n_{i\cdot}}\bigr)}{n_{i\cdot} - 1}}$$
#
# (Olofsson and others 2014). `drawn_points` draws the places, somebody looks at each of them (here: the truth of the
# simulated world), and `confusion` counts.

# %%
drawn = drawn_points(classes, looked_at, seed + 1)
column, row = place.sample.georeference.to_pixels(drawn.geometry.x, drawn.geometry.y)
known = place.labelled(np.column_stack([row, column]))
counts, names, _ = confusion(classes, known, "class")
hectares = [100 * mapped_areas(classes).get(name, 0.0) for name in names]
found = estimated_areas(counts, hectares, names)
truth = np.array([dict(zip(place.classes, place.areas(), strict=True))[name] for name in names])
print(f"{'hectares':16} {'map':>6} {'estimate':>9} {'truth':>12}")
for i, name in enumerate(names):
    print(f"{name:16} {found.mapped[i]:6.1f} {found.areas[i]:6.1f} ± {Z95 * found.area_errors[i]:4.1f} {truth[i]:8.1f}")

# %% tags=["headline"]
mapped.show_areas(found, truth)
inside = np.abs(found.areas - truth) <= Z95 * found.area_errors
print(f"{counts.sum()} places were looked at; the truth lies in {inside.sum()} of {len(names)} intervals of 95 %")

# %% [markdown]
# *Squares: the map's own count. Points with bars: estimates and their intervals of 95 %. Strokes: the truth. The map
# shows more than twice as much bare ground as there is, and looks exact; the estimate is right, and says how sure.*
#
# ## Slide it over the scene
# The same map over the scene, with a slider for its opacity. The figure above is its twin that does not move.

# %% tags=["nbval-ignore-output"]
mapped.live_overlay(classes, place.sample)

# %% [markdown]
# ## Blocks, workers, kills
# A real scene takes hours, so it is made in blocks. A block reads the windows that touch it and nothing else: memory
# does not grow with the scene. Sums are made in one order, so that the size of the blocks changes nothing, nor does the
# number of workers, nor a kill in between: blocks that are done are kept, and the same command goes on.

# %%
small = make_map(encoder, place.sample, folder / "small.tif", probe, window=window, block=40, quiet=True)
assert small.read_bytes() == classes.read_bytes()
print(f"16 blocks or one: the same file, to the last of {len(small.read_bytes()):,} bytes")

# %% [markdown]
# ## What it costs
# A window costs what its tokens cost (notebook 03). v1 makes three tokens of a patch and date, v1.1 one.

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
# *Tokens of a window, and seconds for a square kilometre on one core, with overlap, four dates and small models. A tile
# of Sentinel-2 has 12,056 km². `docs/results/maps.md` has times and memory for one.*
#
# ## What we learned
# * A map is more than an encoder run many times. What a place gets depends on where its window lies; overlap and
#   blending take that away, at four times the cost.
# * A file that says what it was made of, and whose bytes do not depend on how the work was divided, can be made again.
# * Few labels go far, but the map's mistakes do not cancel. Report areas from a random sample that was looked at, with
#   an interval, and not from a count of pixels.
#
# ## Where this stops being true
# * The place is simulated and small, the probe learns from points of the same tile, and the model has three blocks. On
#   another tile, season or sensor the map is worse; then fit it there, and look at places there.
# * The estimate needs places drawn at random *from the map*. Points chosen because they are easy to see, such as those
#   that the probe learns from, give no valid interval.
# * Blending hides where windows meet. It does not make the encoder see further than one window.
# * Processors of another kind may round differently, so that bytes differ between machines.
#
# ## Exercises

# %% [markdown]
# **1.** Windows overlap by half along both axes. How many windows hold a pixel in the middle of the map?

# %% tags=["exercise"]
holding = None  # a whole number
#: solution
holding = 4
#: end

_ = check(1, holding, exercises.windows_over_a_pixel)

# %% [markdown]
# **2.** With a stride of a quarter of a window, how many times as many windows must the encoder read as side by side?

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
# Your own scene: `docs/maps.md` has the command and all of its options.
