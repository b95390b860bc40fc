"""Everything that a GPU is to be asked, in one call: python benchmarks/gpu.py --data CHIPS --eurosat EUROSAT

Environment; parity with the CPU in float32 and bfloat16; one training step of each recipe, and how often the host waits
in it; samples and tokens a second and memory; then the main arms in turn, scored on EuroSAT at doubling counts. What
fails is recorded with its traceback, and the next section runs. On a CPU everything is small, and what that cannot tell
is said. Nothing is downloaded. --pack FILE writes chips and EuroSAT as one archive for a machine without rasterio and
h5py; both options then name that archive.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import platform
import subprocess
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch
from gpu_data import chips_of, pack, sets_of
from gpu_ladder import ARMS, Ladder, Line, equal_budgets, loaded, of_batch, spare_processes

from olmoearth_nb import TOKENIZATIONS, Batch, Encoder, size_config
from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data import embedded_names, load_embedded, pretrained_dir, pretrained_names
from olmoearth_nb.io.durable import write_json
from olmoearth_nb.pretrain.batches import Draws, MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import RECIPES
from olmoearth_nb.weights.encoder_file import load_encoder
from olmoearth_nb.weights.trained import initial_model

CLOSE = 1e-3
"""Largest difference between devices in float32, relative to the largest value, that is no fault."""

PACKAGES = ("sklearn", "h5py", "hdf5plugin", "rasterio", "lightning_fabric", "triton")
ROOT = Path(__file__).parents[1]


class Benchmark:
    """What is given, what is known so far, and how much time is left."""

    def __init__(self, given):
        self.given, self.out, self.started = given, given.out, time.monotonic()
        self.device = torch.device("cuda" if torch.cuda.is_available() and not given.cpu else "cpu")
        self.on_gpu = self.device.type == "cuda"
        self.sizes, self.batch = given.sizes.split(","), given.batch or (256 if self.on_gpu else 16)
        self.found = {"minutes": given.minutes, "seed": given.seed, "device": self.device.type, "sections": {}}
        if not self.on_gpu:
            self.sizes = self.sizes[:1]
            self.found["not tested"] = [
                "parity of a GPU with the CPU: both sides ran here",
                "waits of the host: a CPU has none",
                "memory of a GPU, bfloat16 at speed, batches of hundreds",
                f"sizes other than {self.sizes[0]}",
            ]

    def left(self, still=0.0):
        """Seconds until only so much of the minutes is left."""
        return 60 * self.given.minutes * (1 - still) - (time.monotonic() - self.started)

    def run(self, name, section):
        """A section; its failure is a result, too."""
        started, entry = time.monotonic(), {"status": "done"}
        self.found["sections"][name] = entry
        try:
            entry |= section(self)
        except Exception as error:  # whatever it is, the other sections are wanted
            entry |= {"status": "failed", "error": str(error)[:300], "traceback": traceback.format_exc()}
        entry["seconds"] = round(time.monotonic() - started, 1)
        write_json(self.out / "results.json", self.found)
        why = f": {entry['error']}" if "error" in entry else ""
        say(f"{name}: {entry['status']} in {entry['seconds']:.0f} s{why}")

    def ready(self):
        """Waits until the device has done all that it was given."""
        if self.on_gpu:
            torch.cuda.synchronize()


def say(line):
    print(line, flush=True)


def environment(bench):
    """What it runs on."""
    found = {"torch": torch.__version__, "python": platform.python_version(), "numpy": np.__version__}
    found |= {"processor": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    found["packages"] = {name: importlib.util.find_spec(name) is not None for name in PACKAGES}
    found["commit"] = commit()
    if bench.on_gpu:
        about = torch.cuda.get_device_properties(0)
        found |= {"gpu": about.name, "memory GB": round(about.total_memory / 1e9, 1), "cuda": torch.version.cuda}
        found["bfloat16"] = torch.cuda.is_bf16_supported()
    return found


def commit():
    """Short hash of the checkout, or what it was copied from; nothing where there is no git."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def apart(one, other):
    """Largest difference relative to the largest value."""
    return float((one.double().cpu() - other.double().cpu()).abs().max() / other.double().abs().max())


def parity(bench):
    """Encoders here and on the device; float32 has to agree, of bfloat16 the difference is reported."""
    chips = Batch.from_samples(load_embedded(embedded_names()[0]))
    encoders = {}
    for name, tokenization in TOKENIZATIONS.items():
        torch.manual_seed(bench.given.seed)
        encoders[f"random nano, tokens {name}"] = Encoder(size_config("nano", tokenization)).eval()
    shipped = pretrained_names() if bench.on_gpu else pretrained_names()[:3]
    encoders |= {name: load_encoder(pretrained_dir(name)) for name in shipped}
    rows, left_out = {}, []
    with torch.inference_mode():
        for name, encoder in encoders.items():
            if rows and bench.left(0.9) < 0:
                left_out.append(name)
                continue
            seen = {key: image for key, image in chips.images.items() if key in encoder.config.modalities}
            batch = Batch(seen, chips.timestamps)
            here = encoder(batch, 8).pool()
            there, moved = encoder.to(bench.device), batch.to(bench.device)
            full = there(moved, 8).pool()
            with torch.autocast(bench.device.type, torch.bfloat16):
                half = there(moved, 8).pool()
            rows[name] = {"float32": apart(full, here), "bfloat16": apart(half.float(), here)}
            encoder.to("cpu")
    worst = max(row["float32"] for row in rows.values())
    if worst > CLOSE:
        raise AssertionError(f"float32 differs by {worst:.1e} from the CPU, more than {CLOSE:.0e}: {rows}")
    half = max(row["bfloat16"] for row in rows.values())
    return {"worst float32": worst, "worst bfloat16": half, "encoders": rows, "left out": left_out}


def steps(bench):
    """One step of every recipe here and on the device, nothing being random; how often the host waits."""
    rows = {}
    for name in RECIPES:
        if not rows or bench.left(0.8) > 0:
            rows[name] = one_step(bench, name)
    bad = [name for name, row in rows.items() if not row["float32"] < CLOSE or not math.isfinite(row["gradient"])]
    if bad:
        raise AssertionError(f"losses of {', '.join(bad)} differ from the CPU by more than {CLOSE:.0e}: {rows}")
    waits = max(row["waits"] for row in rows.values()) if bench.on_gpu else None
    worst = max(row["float32"] for row in rows.values())
    left_out = [name for name in RECIPES if name not in rows]
    return {"worst float32": worst, "most waits": waits, "recipes": rows, "left out": left_out}


def one_step(bench, name):
    """Losses of one micro-batch on both sides, the norm of the gradient, and warnings of waiting."""
    recipe = of_batch(name, "mini", 16)
    drawn = Draws(MicroBatches(bench.corpus, recipe, TWO_CORES, bench.given.seed, 1))[0]
    side = Pretraining(initial_model(recipe.config("mini"), bench.given.seed), recipe).train()
    side.model.encoder.patch_embeddings.band_dropout.enabled = False  # two devices draw other numbers
    here = side(drawn.to("cpu")).loss.detach()
    side.to(bench.device)
    with torch.autocast(bench.device.type, torch.bfloat16):
        half = side(drawn.to(bench.device)).loss.detach()
    bench.ready()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        if bench.on_gpu:
            torch.cuda.set_sync_debug_mode("warn")
        try:
            loss = side(drawn.to(bench.device)).loss
            loss.backward()
        finally:
            if bench.on_gpu:
                torch.cuda.set_sync_debug_mode("default")
    waits = sum("synchroniz" in str(one.message) for one in heard)
    norm = torch.nn.utils.get_total_norm([p.grad for p in side.parameters() if p.grad is not None])
    differences = {"float32": apart(loss.detach(), here), "bfloat16": apart(half.float(), here)}
    return {"loss": float(here), **differences, "gradient": float(norm), "waits": waits}


def throughput(bench):
    """Samples and tokens a second and memory of training steps by batch, and of making micro-batches."""
    rows, left_out = [], []
    batches = (64, 256, 512, 1024) if bench.on_gpu else (4, 16)
    sizes = ("mini", "nano", "tiny") if bench.on_gpu else ("mini",)
    for size in sizes:
        for arm in ("v1", "naive", "v1.1"):
            for batch in batches:
                if rows and bench.left(0.7) < 0:
                    left_out.append(f"{size} {arm} {batch}")
                else:
                    rows.append(speed(bench, size, arm, batch))
    made = {arm: data_path(bench, arm) for arm in ARMS if arm == ARMS[0] or bench.left(0.65) > 0}
    return {"rows": rows, "left out": left_out, "data path": made}


def speed(bench, size, arm, batch):
    """Of steps on micro-batches that are made beforehand; in bfloat16 on a GPU. Out of memory is a result."""
    row = {"size": size, "arm": arm, "batch": batch}
    try:
        line = Line(arm, size, bench.given.seed, batch, bench.corpus, bench.device, "bf16" if bench.on_gpu else "fp32")
        if bench.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        drawn = [Draws(line.stream)[number] for number in range(4)]
        for one in drawn[:2]:
            line._step(one.to(bench.device))
        bench.ready()
        started, done, tokens = time.monotonic(), 0, 0
        while done < 3 or (time.monotonic() - started < 2 and done < 30):
            one = drawn[done % 4]
            line._step(one.to(bench.device))
            done, tokens = done + 1, tokens + one.roles[0].numel()
            if done % 10 == 0:
                bench.ready()
        bench.ready()
        seconds = time.monotonic() - started
    except torch.OutOfMemoryError:
        return row | {"out of memory": True}
    row |= {"samples/s": round(done * batch / seconds), "tokens/s": round(tokens / seconds)}
    return row | ({"memory GB": round(torch.cuda.max_memory_allocated() / 1e9, 2)} if bench.on_gpu else {})


def data_path(bench, arm):
    """Samples a second of windows and masks: of one process, and of those that load data beside a GPU."""
    recipe, workers = of_batch(arm, "mini", 256), spare_processes(bench.device)
    stream = MicroBatches(bench.corpus, recipe, TWO_CORES, bench.given.seed, 1 << 20)
    found = {}
    for name, count, processes in (("one process", 3, 0), (f"{workers} processes", 60, workers)):
        if processes or name == "one process":
            batches = iter(loaded(stream, 0, count + 1, bench.device, processes))
            next(batches)
            started = time.monotonic()
            for _ in batches:
                pass
            found[name] = round(count * 256 / (time.monotonic() - started))
    return found


def compiled(bench):
    """How often torch.compile leaves an encoder for Python, and why; nothing is compiled."""
    if not bench.on_gpu:
        return {"status": "skipped", "why": "asked beside a GPU only"}
    encoder = initial_model(of_batch("v1", "mini", 4).config("mini"), 0).encoder.to(bench.device).eval()
    image = torch.rand(2, 32, 32, 1, len(SENTINEL2.bands), device=bench.device)
    batch = Batch({SENTINEL2.name: image}, torch.tensor([[[1, 6, 2020]]] * 2, device=bench.device))
    told = torch._dynamo.explain(encoder)(batch, 4)
    reasons = sorted({str(one.reason).splitlines()[0][:160] for one in told.break_reasons})
    return {"graphs": told.graph_count, "breaks": told.graph_break_count, "reasons": reasons}


def ladder(bench):
    """The arms in turn; see gpu_ladder."""
    given, note = bench.given, commit()
    precision = "bf16" if bench.on_gpu and not given.fp32 else "fp32"
    sets = sets_of(given.eurosat, bench.device)
    about = (given.seed, bench.batch, bench.corpus, bench.device, precision)
    lines = [Line(arm, size, *about, rate=given.rates.get(arm)) for size in bench.sizes for arm in ARMS]
    rates = {line.name: line.recipe.optimisation.rate for line in lines}
    untested = f"rates with batches of {bench.batch}: {', '.join(f'{name} {rate:g}' for name, rate in rates.items())}"
    bench.found.setdefault("not tested", []).append(f"{untested}; look first whether the losses leave chance")
    tower = Ladder(lines, sets, bench.out, bench.device, note)
    first, margin = given.first or (4096 if bench.on_gpu else 256), 5 if bench.on_gpu else 10
    common = tower.climb(first, given.most, bench.left, spare_processes(bench.device), margin, say)
    last = {name: samples for name, samples, *_ in tower.accuracy}
    recipe = lines[0].recipe.optimisation
    return {
        "samples by all": common,
        "equal": equal_budgets(bench.out) and len(set(last.values())) == 1,
        "precision": precision,
        "batch": bench.batch,
        "optimisation": {"rates": rates, "warmup": recipe.warmup, "weight_decay": recipe.weight_decay},
        "sets": [f"{one.name}: {len(one)} chips, {len(set(one.groups.tolist()))} groups" for one in sets],
        "accuracy": tower.accuracy,
    }


def rates_of(text):
    """Rates by arm, of the command line."""
    try:
        rates = {name.strip(): float(rate) for name, rate in (one.split("=") for one in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"rates are ARM=RATE with commas between them, got {text!r}") from None
    if wrong := [f"{name}={rate:g}" for name, rate in rates.items() if name not in ARMS or not 0 < rate < 1]:
        raise argparse.ArgumentTypeError(f"no rate of an arm is {', '.join(wrong)}; arms are {', '.join(ARMS)}")
    return rates


SECTIONS = {
    "environment": environment,
    "parity": parity,
    "steps": steps,
    "compiled": compiled,
    "throughput": throughput,
    "ladder": ladder,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--data", type=Path, required=True, help="chips: a shard, a folder, or an archive of --pack")
    parser.add_argument("--eurosat", type=Path, required=True, help="a folder of class folders, or that archive")
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    parser.add_argument("--sizes", default="mini,nano")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=0, help="samples a step; 256, on a CPU 16")
    parser.add_argument(
        "--rates", type=rates_of, default={}, help="such as naive=0.001,v1.1=0.001; others as RATES says"
    )
    parser.add_argument("--first", type=int, default=0, help="the first count; 4096, on a CPU 256")
    parser.add_argument("--most", type=int, default=1 << 26, help="no count is larger")
    parser.add_argument("--fp32", action="store_true", help="the ladder in float32 on a GPU, too")
    parser.add_argument("--cpu", action="store_true", help="do not use the GPU")
    parser.add_argument("--pack", type=Path, help="write an archive of chips and EuroSAT there, and stop")
    given = parser.parse_args(arguments)
    if given.pack:
        return say(f"{given.pack.name}: {pack(given.data, given.eurosat, given.pack)}")
    given.out.mkdir(parents=True, exist_ok=True)
    bench = Benchmark(given)
    bench.corpus = chips_of(given.data)
    for name, section in SECTIONS.items():
        bench.run(name, section)
    for line in bench.found.get("not tested", []):
        say(f"not tested: {line}")
    return None


if __name__ == "__main__":
    main()
