"""Damaged and forged files: thousands of mutants of real ones, opened in processes that may die, hang or run out.

    python tests/helpers/fuzz.py --minutes 60 --mutants 10000 --out build/fuzz [--real FOLDER] [FORMAT ...]

A mutant may open, or be refused by an error that a user can mend. It must not crash, hang, take gigabytes, raise
anything else, or open as a sample of impossible numbers. Mutants that do are kept in the folder `--out`.
"""

import argparse
import copy
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.data.observed import LIMITS
from olmoearth_nb.errors import PlainError
from olmoearth_nb.sample import Sample

SECONDS = 20.0
"""Longest that a mutant may take, on a busy machine."""

MEMORY = 2 * 2**30
"""Bytes that a mutant may take beyond what the process has."""

MENDABLE = (ValueError, OSError, PlainError)
"""Errors that say what is wrong with a file; of all others a user learns nothing."""

EXTREMES = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
]
JSON_VALUES = [None, True, -1, 0, 2**62, 1e308, "", "x" * 5000, [], {}, [-12], [12.0], [[]] * 50, {"a": {}}, "../../x"]


@dataclass
class Format:
    """A kind of file.

    Attributes:
        name: what to call it.
        seeds: files that are right.
        opened: opens a file, or a copy of its folder with this file in place of the right one.
        text: whether mutants of JSON are made beside those of bytes.
    """

    name: str
    seeds: list
    opened: object
    text: bool = False


@dataclass
class Outcome:
    """What became of the mutants of one format: counts, and the bad ones with what they did."""

    counts: Counter = field(default_factory=Counter)
    bad: list = field(default_factory=list)


def mutated(data, other, rng):
    """Bytes with one to eight small damages; now and then a piece of another file."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        if not data:
            break
        # headers decide, so that half of the damage goes to the first and last kilobytes
        at = rng.choice(
            [rng.randrange(len(data)), rng.randrange(min(len(data), 2048)), -rng.randrange(1, 2 + len(data) // 8)]
        )
        at %= len(data)
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            piece = rng.choice(EXTREMES)
            data[at : at + len(piece)] = piece
        elif kind == 2:
            del data[at : at + rng.choice([1, 4, 64, 4096])]
        elif kind == 3:
            data[at:at] = data[at : at + rng.choice([1, 8, 512])]
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            start = rng.randrange(len(other))
            data[at : at + 64] = other[start : start + 64]
        else:
            number = rng.choice([0, 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2**32)])
            data[at : at + 4] = number.to_bytes(4, rng.choice(["little", "big"]))
    return bytes(data)


def mutated_json(data, rng):
    """JSON of which one value is another, or gone; or nested very deep."""
    if rng.random() < 0.02:
        depth = rng.choice([400, 100_000])
        return b'{"a":' * depth + b"1" + b"}" * depth
    document = json.loads(data)
    for _ in range(rng.choice([1, 1, 2])):
        places = list(_places(document))
        if not places:
            break
        parent, key = rng.choice(places)
        if rng.random() < 0.3 and isinstance(parent, dict):
            del parent[key]
        else:
            parent[key] = copy.deepcopy(rng.choice(JSON_VALUES))
    return json.dumps(document).encode()


def _places(node):
    """Every place of a JSON document that holds a value."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)


def impossible(opened):
    """What is odd about a sample that opened without an error; None if nothing is, or it is no sample."""
    if not isinstance(opened, Sample):
        return None
    for name, image in opened.images.items():
        seen = image[image != MISSING]
        limits = LIMITS.get(name)
        if not np.isfinite(image).all():
            return f"{name} is not finite"
        # official tiles are taken as they are, whatever they hold; `Sample` refuses what is absurd
        if (
            limits
            and seen.size
            and "sample_" not in opened.title
            and not limits.low <= seen.min() <= seen.max() <= limits.high
        ):
            return f"{name} reaches from {seen.min():g} to {seen.max():g}"
        if image.shape[-1] != len(modality(name).bands):
            return f"{name} has {image.shape[-1]} bands"
    return None


def one(kind, folder, seed):
    """Opens one mutant; returns "opened" or "refused", or raises what no user can mend."""
    rng = random.Random(seed)
    path = Path(rng.choice(kind.seeds))
    data, other = path.read_bytes(), Path(rng.choice(kind.seeds)).read_bytes()
    bytes_of = mutated_json(data, rng) if kind.text and rng.random() < 0.7 else mutated(data, other, rng)
    target = folder / path.name
    target.write_bytes(bytes_of)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = kind.opened(target)
    except MENDABLE as error:
        str(error).encode()  # what cannot be printed helps nobody
        return "refused"
    odd = impossible(opened)
    assert odd is None, f"it opened, but {odd}"
    return "opened"


def run(kind, mutants, seed=0, seconds=3600.0, keep=None):
    """Opens mutants one by one in a child process, which is made anew whenever it dies.

    Args:
        kind: their format.
        mutants: how many.
        seed: of the first.
        seconds: to stop after.
        keep: folder for bad mutants.
    """
    outcome, done, started = Outcome(), 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while done < mutants and time.monotonic() - started < seconds:
            at, error = _child(kind, Path(folder), range(seed + done, seed + mutants), outcome, started + seconds)
            done = at - seed
            if error:
                outcome.counts["bad"] += 1
                outcome.bad.append((at, error))
                if keep:
                    shutil.copytree(folder, Path(keep) / kind.name / str(at), dirs_exist_ok=True)
                done += 1
    return outcome


def _child(kind, folder, seeds, outcome, until):
    """The seed that a child process came to, and what went wrong with it; counts what went right."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(kind, folder, seeds, writing)
    os.close(writing)
    at, text = seeds.start, ""
    try:
        while at < seeds.stop and time.monotonic() < until:
            if "\n" not in text:
                if not select.select([reading], [], [], SECONDS)[0]:
                    return at, f"nothing for {SECONDS:.0f} s"
                piece = os.read(reading, 65536).decode()
                if not piece:
                    status = os.waitpid(child, 0)[1]
                    child = 0
                    return at, f"the process ended by {signal.Signals(status).name if status < 64 else status}"
                text += piece
                continue
            line, _, text = text.partition("\n")
            if line not in ("opened", "refused"):
                return at, json.loads(line)
            outcome.counts[line] += 1
            at += 1
        return at, ""
    finally:
        os.close(reading)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _work(kind, folder, seeds, writing):
    """The child: opens mutants and says what became of each; never returns."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)  # libraries complain about every damaged file
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY, MEMORY))
    for seed in seeds:
        try:
            said = one(kind, folder, seed)
        except BaseException:
            said = json.dumps(traceback.format_exc()[-3000:])
        os.write(writing, said.encode() + b"\n")
    os._exit(0)


def in_place(root, opened):
    """Opens a folder of which one file is a mutant: the rest is linked beside it."""

    def call(target):
        twin = target.parent / "twin"
        shutil.rmtree(twin, ignore_errors=True)
        shutil.copytree(root, twin, copy_function=os.link)
        (place,) = [path for path in twin.rglob(target.name) if path.is_file()]
        place.unlink()
        shutil.copy(target, place)
        return opened(twin)

    return call


def formats(folder, real=None):
    """The kinds of files that users and servers give us, each with seeds made in a folder or taken from a real one."""
    import fuzz_formats
    import torch

    torch.set_num_threads(1)  # a process that has started threads cannot be forked
    return fuzz_formats.formats(Path(folder), Path(real) if real else None)


def main():
    """Runs the formats one after the other, and prints a table of what became of their mutants."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="formats, by default all")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="build/fuzz")
    parser.add_argument("--real", help="folder of real files, which become seeds, too")
    given = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        kinds = [kind for kind in formats(folder, given.real) if not given.names or kind.name in given.names]
        print("| format | mutants | opened | refused | bad | minutes |\n|---|---|---|---|---|---|", flush=True)
        ends = time.monotonic() + 60 * given.minutes
        for number, kind in enumerate(kinds):
            started = time.monotonic()
            share = (ends - started) / (len(kinds) - number)
            outcome = run(kind, given.mutants, given.seed, share, given.out)
            counts, took = outcome.counts, (time.monotonic() - started) / 60
            print(
                f"| {kind.name} | {counts.total():,} | {counts['opened']:,} | {counts['refused']:,} | {counts['bad']} "
                f"| {took:.1f} |",
                flush=True,
            )
            for seed, error in outcome.bad[:5]:
                print(f"{kind.name} {seed}: {error.strip().splitlines()[-1][:300]}", file=sys.stderr, flush=True)
            bad += counts["bad"]
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
