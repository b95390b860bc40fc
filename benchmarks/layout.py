"""What the package looks like from outside: modules, lines, floors and circles of imports, comments, import time.

    python benchmarks/layout.py [FOLDER OF A CHECKOUT [STATEMENT ...]]

A *floor* of a module is one more than the highest floor of what it imports when it is loaded; modules of one circle
share a floor. Imports inside functions and under TYPE_CHECKING are counted apart.
"""

import io
import json
import subprocess
import sys
import tokenize
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from layout_graph import PACKAGE, circles, floors, graph_of, modules

MODEL = "config patch_embed encodings transformer packing encoder predictor model olmoearth".split()


def comment_lines(path: Path) -> int:
    """Lines that hold a comment (tool directives such as noqa and type: ignore left out)."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf8")).readline)
    directives = ("# noqa", "# type:", "# fmt:", "# pragma")
    return len({t.start[0] for t in tokens if t.type == tokenize.COMMENT and not t.string.startswith(directives)})


def loaded(root: Path, statement: str) -> tuple[float, int, int]:
    """Seconds (the best of three new processes), modules of the package, and all modules that a statement loads."""
    code = (
        f"import json, sys, time; before = time.perf_counter(); {statement}; took = time.perf_counter() - before; "
        f"ours = sum(name.split('.')[0] == '{PACKAGE}' for name in sys.modules); "
        "print(json.dumps([took, ours, len(sys.modules)]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True).stdout)
        for _ in range(3)
    ]
    return min(runs)


def main(root: Path) -> None:
    """Prints the measures of a checkout."""
    files = modules(root)
    lines = {name: len(path.read_text(encoding="utf8").splitlines()) for name, path in files.items()}
    side_by_side = max(len(list(folder.glob("*.py"))) for folder in {path.parent for path in files.values()})
    comments = sum(map(comment_lines, files.values()))
    model = [n for n in files if n.rpartition(".")[2] in MODEL and ("model" in n or n.count(".") == 1)]
    print(f"modules {len(files)}, most in one folder {side_by_side}, lines {sum(lines.values()):,}")
    for later, words in ((False, "when loaded"), (True, "in functions and for types too")):
        graph = graph_of(root, later)
        parts = circles(graph)
        around = [part for part in parts if len(part) > 1]
        print(f"imports {words}: floors {max(floors(graph, parts).values())}, circles {around}")
    print(f"lines with a comment {comments} of {sum(lines.values()):,} ({comments / sum(lines.values()):.2%})")
    noted = sum(comment_lines(files[name]) for name in model)
    total = sum(lines[name] for name in model)
    print(f"model ({', '.join(model)}): {total} lines, {noted} with a comment ({noted / total:.1%})")
    for statement in sys.argv[2:] or [f"import {PACKAGE}"]:
        seconds, ours, every = loaded(root, statement)
        print(f"{statement}: {seconds:.2f} s, {ours} modules of the package, {every} in all")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
