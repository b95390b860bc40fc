"""Memory and time of recording attention: python benchmarks/attention.py [OUT.csv] [SIZE ...]

One sample of 64 x 64 px, twelve dates, patches of 4 px; random weights of v1 (9,216 tokens) and v1.1 (3,072). Each run
is a process of its own, so that its peak is its own. Rows that the file has already are not measured again. By default
docs/results/attention/memory.csv, nano and base.
"""

import csv
import os
import resource
import subprocess
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

OUT = Path(__file__).parents[1] / "docs" / "results" / "attention" / "memory.csv"
COLUMNS = ["size", "tokenization", "run", "tokens", "cpu_seconds", "peak_mib"]
RUNS = {
    "plain": None,
    "tables": {},
    "tables, one row, rollout": {"rows": True, "rollout": True},  # the most that can be recorded
}


def measure(size, tokenization, run):
    """Prints tokens, seconds of CPU and peak MiB of one pass."""
    import torch

    from olmoearth_nb import Batch, Encoder, published_config
    from olmoearth_nb.insight.attention import record_attention
    from olmoearth_nb.insight.token import Token

    torch.manual_seed(0)
    encoder = Encoder(published_config(tokenization, size)).eval()
    steps = torch.tensor([[[15, month, 2023] for month in range(12)]])
    batch = Batch({"sentinel2_l2a": torch.randn(1, 64, 64, 12, 12)}, steps)
    options = dict(RUNS[run] or {})
    if options.pop("rows", False):
        options["rows"] = [Token(8, 8, "B05", time=6)]
    start = time.process_time()
    with torch.inference_mode(), nullcontext() if run == "plain" else record_attention(encoder, **options):
        encoded = encoder(batch, 4)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # Linux counts in KiB
    print(encoded.tokens.shape[1], f"{seconds:.1f}", f"{peak:.0f}")


def measured(out):
    """Rows of a file by what was run."""
    if not out.is_file():
        return {}
    with out.open(newline="", encoding="utf8") as file:
        return {tuple(row[name] for name in COLUMNS[:3]): row for row in csv.DictReader(file)}


def main(out, sizes):
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = measured(out)
    for key in [(size, tokenization, run) for size in sizes for tokenization in ("v1", "v1.1") for run in RUNS]:
        if key not in rows:
            command = [sys.executable, __file__, "--one", *key]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows[key] = dict(zip(COLUMNS, [*key, *done.stdout.split()], strict=True))
            with out.open("w", newline="", encoding="utf8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows.values())
        plain = int(rows[*key[:2], "plain"]["peak_mib"])
        print(*rows[key].values(), f"{int(rows[key]['peak_mib']) - plain} MiB above plain", sep=" | ", flush=True)
    print(f"{os.environ.get('OMP_NUM_THREADS', 'all')} threads of {os.cpu_count()} cores; {out}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--one"]:
        measure(*sys.argv[2:])
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT, sys.argv[2:] or ["nano", "base"])
