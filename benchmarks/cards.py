"""The small table of docs/results/cards.md, from what `olmoearth-nb card` wrote.

    python benchmarks/cards.py FOLDER FOLDER=WORDS ... > data/published/cards.csv

Kept are the last layers, and of the questions the summary and the own parts of bands. The data of FOLDER=WORDS get the
words behind their name.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

COLUMNS = ("data", "model", "source", "question", "value", "low", "high", "seeds")
LAST = ("norm", "raw bands")


def main() -> None:
    """Writes the table."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    seen = set()
    for word in sys.argv[1:]:
        folder, _, words = word.partition("=")
        with (Path(folder) / "card.csv").open(encoding="utf8") as file:
            for row in csv.DictReader(file):
                row["data"] += words and f", {words}"
                trivial = row["kind"] == "own part" and row["source"] == "raw bands"
                kept = row["layer"] in LAST and row["kind"] != "band" and not trivial
                key = tuple(row[name] for name in ("data", "model", "question"))
                if kept and key not in seen:
                    seen.add(key)
                    writer.writerow(row | {name: f"{float(row[name]):.3f}" for name in ("value", "low", "high")})


if __name__ == "__main__":
    main()
