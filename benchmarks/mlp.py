"""The MLP of a block, all tokens at once against some at a time: python benchmarks/mlp.py

Prints one row a size: medians in milliseconds, forward alone and forward with backward.
"""

import time

import torch

from olmoearth_nb.model import transformer
from olmoearth_nb.model.transformer import Mlp

SIZES = [(6144, 64), (12288, 128), (12288, 192), (6144, 768)]
CHUNKS = (1024, 2048, 4096, 8192, 10**9)


def seconds(mlp, x, backward):
    start = time.perf_counter()
    out = mlp(x)
    if backward:
        out.sum().backward()
    return time.perf_counter() - start


def main():
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}, milliseconds\n")
    print("| tokens, width, pass | " + " | ".join(str(c) if c < 10**9 else "all at once" for c in CHUNKS) + " |")
    print("|---|" + "---|" * len(CHUNKS))
    for tokens, width in SIZES:
        mlp, x = Mlp(width), torch.randn(tokens, width)
        for backward in (False, True):
            times = {chunk: [] for chunk in CHUNKS}
            with torch.set_grad_enabled(backward):
                for _ in range(15):
                    for chunk in CHUNKS:
                        transformer.tokens_at_once = lambda width, chunk=chunk: chunk
                        times[chunk].append(seconds(mlp, x, backward) * 1000)
            cells = [f"{sorted(values)[len(values) // 2]:.1f}" for values in times.values()]
            print(f"| {tokens}, {width}, {'both' if backward else 'forward'} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
