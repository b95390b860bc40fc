# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/olmoearth-nb/olmoearth_nb/blob/main/notebooks/09_what_three_times_cheaper_means.ipynb)
#
# # What does three times cheaper mean?
#
# v1.1 makes one token of Sentinel-2 where v1 makes three, and its release speaks of up to three times less compute.
# "Cheaper" has at least four senses: fewer tokens, fewer multiply-accumulates (MACs), less memory, less time. **Which
# of them is three, and which one do you pay?**
#
# The short answer: only the number of tokens falls by exactly a factor of three, in every case. MACs fall 3.2 to 4.2
# times for one date of 64 x 64 px and 3.7 to 5.7 times for twelve dates of 32 x 32 px, because attention grows with the
# square of the number of tokens. What you pay is time, and time is not a fixed multiple of MACs: part of every pass
# does not depend on the number of tokens, and a MAC of one part takes longer than a MAC of another. The first figure
# gives all four numbers for each size, on one machine.
#
# After this notebook you can
#
# * count the MACs of an encoder from its tokens, and say where attention takes over;
# * say why the clock falls behind a count, and find the part of an encoder where it does;
# * estimate what a country costs you, on your own machine.
#
# | you need | why |
# |---|---|
# | notebook 02 | tokens and their number |
# | notebook 03 | what a block computes |
#
# | | to work through | to run, two CPU cores |
# |---|---|---|
# | time | 50 min | 45 s |

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
# `data` takes your own sample, and `options` how to open it (see notebook 01): its cost is counted below. `size` is the
# model that is taken apart on your machine, in about three times `seconds`, and `sizes` are those whose speed is
# measured for the map of a country of `country` square kilometres (41,285 is Switzerland).

# %% tags=["parameters"]
data = ""
options = {}
size = "nano"
sizes = "nano, tiny, base"
country = 41285
seconds = 6.0

# %%
from olmoearth_nb import encoder_cost, published_config
from olmoearth_nb.comparison import speed
from olmoearth_nb.comparison.clock import copy_rate, fair_clock, product_rate
from olmoearth_nb.comparison.roofline import parts_of, timed, untrained
from olmoearth_nb.comparison.speed import OURS, REFERENCE, Setting
from olmoearth_nb.data import load_place
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.speed import show_counted, show_days, show_growth, show_roofline, show_savings

kept = keep_freed_memory()  # without it a pass waits for memory; see docs/results/maps.md
published_sizes = ("nano", "tiny", "base")

# %% [markdown]
# ## Four senses of cheaper
# Tokens and MACs are counted. Memory and time were measured for our encoder and for the published implementation,
# `olmoearth-pretrain-minimal`, with the same weights and inputs, run alternately (`docs/results/speed.md`).

# %% tags=["headline"]
rows, one_date = speed.measured(), Setting(64, 1, 4)
saved = {one: speed.savings(rows, one, one_date) for one in published_sizes}
show_savings(saved, f"{one_date}; {rows[0].where}")
for one, senses in saved.items():
    less = ", ".join(f"{ratio[OURS].middle:.1f} times less {sense}" for sense, ratio in senses.items())
    print(f"{one} v1.1 needs {less.replace('less tokens', 'fewer tokens').replace('less MACs', 'fewer MACs')} than v1")

# %% [markdown]
# *What v1 needs divided by what v1.1 needs. Dark: tokens and MACs, which are counted, and memory and time of our
# encoder. Light: the published implementation. Red lines: quartiles of neighbouring runs. The dotted line is three.
# Where the bar of time is shorter than that of MACs, the count promises more than the clock gives.*
#
# Longer series save more. Each line below is one setting; `time / MACs` is 1 where the clock follows the count.

# %%
print(f"{'':44} MACs   time, ours           published   time / MACs")
for one in published_sizes:
    for setting in speed.COMPARED:
        ratios = speed.savings(rows, one, setting)
        if "time" in ratios:
            macs, (ours, theirs) = ratios["MACs"][OURS].middle, (ratios["time"][name] for name in (OURS, REFERENCE))
            shown = f"{macs:.2f}   {ours.shown(2):18}   {theirs.middle:9.2f}   {ours.middle / macs:11.2f}"
            print(f"{one:5} {setting!s:38} {shown}")

# %% [markdown]
# ## What is counted
# A count sees products of matrices and nothing else.

# %%
show_counted()

# %% [markdown]
# *The way of a token through the encoder. Below each station stand its MACs for one token, with $C$ bands in a token,
# width $D$ and $N$ tokens (v1.1 embeds by a pixel layer of $m$ units, $64 (C m + m D)$). Hatched stations cost time and
# no MACs.*
#
# Let $e$ be the MACs of embedding a token. With $L$ blocks the whole encoder needs
#
# $$\mathrm{MACs}(N) = a N + b N^2, \qquad a = 12 L D^2 + e, \qquad b = 2 L D.$$
#
# The linear part grows with $N$, attention with $N^2$. Both are equal at $N^* = a / b$, which is a little more than $6
# D$. If v1.1 makes $N$ tokens and v1 makes $3 N$, then
#
# $$\frac{\mathrm{MACs\ of\ v1}}{\mathrm{MACs\ of\ v1.1}} = \frac{3 a_1 N + 9 b N^2}{a N + b N^2}.$$
#
# So short sequences save nearly three times, but not quite: the pixel layer makes $a$ a little larger than v1's $a_1$.

# %%
print(f"{'':6} {'a of v1':>9} {'a of v1.1':>9} {'b':>7} {'N* of v1':>9}   saved with few tokens, at 64 x 64 px, T = 12")
for one in published_sizes:
    first, later = (Setting(64, 12, 4).cost(one, version) for version in ("v1", "v1.1"))
    a1, a = (cost.linear_macs / cost.tokens for cost in (first, later))
    b = 2 * published_config("v1", one).depth * published_config("v1", one).width
    assert later.attention_macs == b * later.tokens**2
    assert first.attention_macs == b * first.tokens**2
    print(f"{one:6} {a1:9,.0f} {a:9,.0f} {b:7,} {a1 / b:9,.0f}   {3 * a1 / a:21.2f} {first.macs / later.macs:22.2f}")

# %% [markdown]
# The wide base model has its $N^*$ at thousands of tokens, so that attention is a small part of the work on short
# inputs and the saving stays near three there. Nano has it at hundreds. And this is your place, or the simulated one:

# %%
place = load_place(data, **options)
shape = (*place.shape, len(place.dates))
print(f"{place.title}: {shape[0]} x {shape[1]} px, {shape[2]} dates, P = 4")
for one in published_sizes:
    first, later = (encoder_cost(published_config(version, one), shape, 4) for version in ("v1", "v1.1"))
    counts = f"{first.tokens:,} and {later.tokens:,} tokens, {first.macs / 1e9:,.2f} and {later.macs / 1e9:,.2f} GMACs"
    print(f"{one:5} {counts}: {first.macs / later.macs:.2f} times fewer")

# %% [markdown]
# ## How time grows
# Now we take the time, on your machine. An image can grow along its edge, in dates, or by smaller patches. To the
# measured times we fit a law of three numbers, a constant and a rate for each of the two counts:
#
# $$t(N) = t_0 + \frac{a N}{r_{\mathrm{linear}}} + \frac{b N^2}{r_{\mathrm{attention}}}$$

# %% tags=["nbval-ignore-output"]
clock = fair_clock()  # the processor's own time, if your machine is busy with other things
print(f"counted is {clock.name}")

# %% [markdown]
# The passes of both versions in all settings are timed alternately, so that both meet the same conditions.

# %% tags=["nbval-ignore-output"]
grown = timed(size, speed.GROWN, seconds, clock)
laws = {}
for version in ("v1", "v1.1"):
    own = [row for row in grown if row.version == version]
    laws[version] = speed.fitted_law([row.cost for row in own], [row.time.middle for row in own])
show_growth(grown, laws, f"{size}, one sample, this machine, {clock.name}")
for version, law in laws.items():
    rates = f"{law.linear_rate:.0f} GMACs/s linear, {law.attention_rate:.0f} GMACs/s attention"
    print(f"{version:4} {law.overhead:.1f} ms whatever is encoded, then {rates}")

# %% [markdown]
# *Points: medians with quartiles. Solid: the law. Dotted: the count alone, at the rate of the largest input. Small
# inputs lie above the dotted line, because of $t_0$: many small operations are started whatever the image is. That is
# where "three times" is lost: if both versions mostly wait for operations to start, they take the same time.*
#
# How steep are these lines? If time is proportional to $N^k$, then $k = 1$ is linear growth and $k = 2$ that of
# attention alone. Kept measurements, with intervals of 95 % over runs, beside the exponent of the count:

# %%
kept_growth = speed.measured("speed_growth")
print(f"{'':34} time                   MACs")
for one in published_sizes:
    for version in ("v1", "v1.1"):
        for axis, growth in speed.growths(kept_growth, one, version).items():
            low, high = growth.time.low, growth.time.high
            time = f"{growth.time.value:.2f} [{low:.2f}, {high:.2f}]"
            print(f"{one:5} {version:5} {axis:22} {time}      {growth.macs:.2f}")

# %% [markdown]
# If time has a smaller exponent than the count, small inputs take longer than their MACs suggest; if it has a larger
# one, large inputs do.
#
# ## Where the clock leaves the count
# A processor has two limits: how many MACs it does in a second, and how many bytes it moves. What a part of the encoder
# can reach depends on its *intensity*, the MACs that it does for each byte it must read or write:
#
# $$\text{rate} \le \min(\text{peak},\ \text{intensity} \times \text{bandwidth})$$
#
# This is the *roofline* (Williams and others 2009). We measure both limits here: the peak by one plain product of
# matrices of the block's own shape, and the bandwidth by a copy. Then we time the parts of the encoder one by one.

# %% tags=["nbval-ignore-output"]
four = Setting(64, 1, 4, 4)
parts = {version: parts_of(untrained(version, size), four, seconds / 3, clock.read) for version in ("v1", "v1.1")}
width = published_config("v1.1", size).width
peak = product_rate(4 * four.cost(size, "v1.1").tokens, width, clock=clock.read)
show_roofline(parts, peak, copy_rate(clock=clock.read))
for version, by_name in parts.items():
    spent = sum(part.seconds for part in by_name.values())
    macs = sum(part.macs for part in by_name.values())
    print(f"{version:4} {four}: {1000 * spent:.1f} ms, {macs / spent / peak:.0%} of the peak")

# %% [markdown]
# *Left: what each part reaches. The slanted roof is what a copy allows, the flat one a plain product; left of their
# corner memory is the limit, right of it arithmetic. Parts near the roof use what the machine has. Parts far below it
# spend their time on other things than products: attention on exponentials and sums, the patch embedding on enlarging
# and rearranging pixels. Right: the same parts as fractions of the count and of the time. "rest" has no MACs at all. A
# part that is wider in time than in the count takes longer than its MACs suggest.*
#
# v1.1 gives the blocks less work and the patch embedding more: its pixel layer reads every pixel. So the parts that
# have no MACs, or do not shrink, are a larger fraction of v1.1's time.
#
# ## What a country costs
# The published speeds were measured on one GPU, at 224 x 224 px and one date
# ([torchgeo-bench](https://github.com/torchgeo/torchgeo-bench), 64 images at once). The patch size is not stated. It
# follows from the published GFLOPs (two of them are one MAC): at $P = 8$ our count gives the same numbers.

# %%
gpu = speed.on_gpu()
print("GMACs of an image         published    counted at P = 8")
for (one, version), known in gpu.items():
    counted = speed.GPU.cost(one, version).macs / 1e9
    assert abs(counted / known.gmacs - 1) < 0.02
    print(f"{one:5} {version:5} {known.gmacs:24.2f} {counted:19.2f}")

# %% [markdown]
# The same setting is measured on your machine, and beside it what a year costs in short windows: 32 x 32 px with twelve
# dates and patches of 4 px. A map in windows that overlap by half takes four times as long (notebook 08), and loading
# the images is not in it.

# %% tags=["nbval-ignore-output"]
date, year = speed.GPU._replace(samples=1), Setting(32, 12, 4)
asked = [one.strip() for one in sizes.split(",")]
here, land = [], {}
for one in asked:
    here += timed(one, (date, year), seconds / 6, clock, fewest=1)
    for row in here[-4:]:
        name = f"{one}, here: {'one date, P = 8' if row.setting == date else 'twelve dates, P = 4'}"
        land.setdefault(name, {})[row.version] = speed.days(speed.LAND, row.square_km_a_second)
    for version in ("v1", "v1.1"):
        rate = gpu[one, version].square_km_a_second
        land.setdefault(f"{one}, one GPU: one date, P = 8", {})[version] = speed.days(speed.LAND, rate)
show_days(land, f"all land on Earth once, 149 million km²; here: {clock.name}")

# %% [markdown]
# *Days of one machine for all land, without overlap. The number at the right is v1 divided by v1.1 in time. The two
# settings cost very different amounts because twelve dates with patches of 4 px give 48 times as many tokens per square
# kilometre as one date with patches of 8 px.*

# %% tags=["nbval-ignore-output"]
for row in here:
    days = speed.days(country, row.square_km_a_second)
    each = f"{1 / row.square_km_a_second:8.3f} seconds a km²"
    print(f"{row.size:5} {row.version:5} {row.setting!s:39} {each}, {days:8.2f} days for {country:,} km²")

# %% [markdown]
# On the GPU, Nano turns little of its saving in MACs into speed, and Base most of it:

# %%
for one in published_sizes:
    old, new = gpu[one, "v1"], gpu[one, "v1.1"]
    less, faster = old.gmacs / new.gmacs, new.square_km_a_second / old.square_km_a_second
    print(f"{one:5} {less:.1f} times fewer MACs, {faster:.2f} times as fast: {faster / less:.0%} of it")

# %% [markdown]
# ## What we learned
# * "Three times cheaper" is exact for tokens alone. MACs are saved about threefold in short sequences and up to
#   ninefold in very long ones; how soon depends on the width of the model.
# * Part of the time does not depend on the number of tokens. On small inputs and fast processors it hides the saving;
#   the larger the model and the batch, the more of the saving you see, with exceptions.
# * A MAC is not a unit of time. The enlarging of patches takes longer than its MACs say, in base attention, too (in
#   smaller models that depends on the processor); norms and activations take time and have none.
# * Measure the seconds per square kilometre on your own machine, with your patch size and dates, before you buy
#   computing time.
#
# ## Where this stops being true
# * The first figure is of one processor (AMD EPYC, float32, two threads). On an Intel Xeon v1 takes 2.5 to 2.8 times as
#   long as v1.1 for one date, and in half precision less; both are in `docs/results/speed.md`. On a GPU $t_0$ weighs
#   more and products are faster; the published ratios above show it.
# * Weights are random where speed is measured live. Time does not depend on them, but only while no pixel is missing:
#   masked tokens leave the sequence and make it cheaper.
# * The times leave out reading and scaling images, overlap of windows, and writing a map. For small models these can be
#   most of the time (`docs/results/maps.md`).
# * The law of three numbers is fitted to one size on one machine. It describes these inputs; it was not tested on
#   others.
# * Cheaper does not mean as good. What the saving costs in accuracy is another question: notebooks 05 and 10.
#
# ## Exercises

# %% [markdown]
# **1.** At how many tokens does attention cost the base model ($D = 768$) as much as the linear layers of its blocks?

# %% tags=["exercise"]
tokens = None  # a whole number
#: solution
tokens = 6 * 768
#: end

_ = check(1, tokens, exercises.attention_as_dear)

# %% [markdown]
# **2.** Images grow and grow. What do v1's MACs divided by v1.1's come to in the end?

# %% tags=["exercise"]
limit = None  # a number
#: solution
limit = 3**2
#: end

_ = check(2, limit, exercises.saving_without_end)

# %% [markdown]
# **3.** v1 takes 100 ms. For 10 of them it starts operations and enlarges patches, and v1.1 does so as well. The other
# 90 shrink to a sixth. How many times as fast is v1.1?

# %% tags=["exercise"]
faster = None  # a number
#: solution
faster = 100 / (10 + 90 / 6)
#: end

_ = check(3, faster, exercises.what_does_not_shrink)

# %% [markdown]
# ## Next
# What does the saving cost on your own labels, class by class? Times and their commands are in
# `docs/results/speed.md`.
#
# previous: [08 How does a scene become a map?](08_from_pixels_to_a_map.ipynb) | next: [10 Should you
# switch?](10_should_you_switch.ipynb) | [all notebooks](../README.md#notebooks)
