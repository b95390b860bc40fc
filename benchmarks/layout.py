"""What the package looks like from outside: modules, lines, floors and circles of imports, comments, import time.

    python benchmarks/layout.py [FOLDER OF A CHECKOUT]

A *floor* of a module is one more than the highest floor of what it imports when it is loaded; modules of one circle
share a floor. Imports inside functions and under TYPE_CHECKING do not count.
"""

import ast
import io
import json
import subprocess
import sys
import tokenize
from pathlib import Path

PACKAGE = "olmoearth_nb"
MODEL_FILES = (
    "config",
    "patch_embed",
    "encodings",
    "transformer",
    "packing",
    "encoder",
    "predictor",
    "model",
    "olmoearth",
)


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file of every module."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a file imports when it is loaded."""
    found: set[str] = set()

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names if alias.name in known)
            elif isinstance(node, ast.ImportFrom) and node.module in known:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found.update(inner & known)
                if inner - known:
                    found.add(node.module)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                visit(node.orelse)
            elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
                visit(list(ast.iter_child_nodes(node)))

    visit(ast.parse(path.read_text(encoding="utf8")).body)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts, each after all that it imports (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    parts: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            parts.append(stack[at:])
            del stack[at:]

    for name in graph:
        if name not in index:
            visit(name)
    return parts


def floors(graph: dict[str, set[str]], parts: list[list[str]]) -> dict[str, int]:
    """Floor of every module."""
    floor: dict[str, int] = {}
    for part in parts:
        below = {other for name in part for other in graph[name]} - set(part)
        level = 1 + max((floor[other] for other in below), default=0)
        floor |= dict.fromkeys(part, level)
    return floor


def comment_lines(path: Path) -> int:
    """Lines that hold a comment (tool directives such as noqa and type: ignore left out)."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf8")).readline)
    directives = ("# noqa", "# type:", "# fmt:", "# pragma")
    return len({t.start[0] for t in tokens if t.type == tokenize.COMMENT and not t.string.startswith(directives)})


def loaded(root: Path, statement: str) -> tuple[float, int, int]:
    """Seconds (the best of three new processes), modules of the package, and all modules that a statement loads."""
    code = (
        f"import json, sys, time; before = time.perf_counter(); {statement}; took = time.perf_counter() - before; "
        f"ours = sum(name.split('.')[0] == '{PACKAGE}' for name in sys.modules); print(json.dumps([took, ours, len(sys.modules)]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True).stdout)
        for _ in range(3)
    ]
    return min(runs)


def main(root: Path) -> None:
    """Prints the measures of a checkout."""
    files = modules(root)
    graph = {name: imports(path, set(files)) - {name} for name, path in files.items()}
    parts = circles(graph)
    floor = floors(graph, parts)
    lines = {name: len(path.read_text(encoding="utf8").splitlines()) for name, path in files.items()}
    side_by_side = max(len(list(folder.glob("*.py"))) for folder in {path.parent for path in files.values()})
    comments = sum(map(comment_lines, files.values()))
    model = [n for n in files if n.rpartition(".")[2] in MODEL_FILES and ("model" in n or n.count(".") == 1)]
    print(f"modules {len(files)}, most in one folder {side_by_side}, lines {sum(lines.values()):,}")
    print(f"floors {max(floor.values())}, circles {[part for part in parts if len(part) > 1]}")
    print(f"lines with a comment {comments} of {sum(lines.values()):,} ({comments / sum(lines.values()):.2%})")
    noted = sum(comment_lines(files[name]) for name in model)
    total = sum(lines[name] for name in model)
    print(f"model ({', '.join(model)}): {total} lines, {noted} with a comment ({noted / total:.1%})")
    for statement in sys.argv[2:] or [f"import {PACKAGE}"]:
        seconds, ours, every = loaded(root, statement)
        print(f"{statement}: {seconds:.2f} s, {ours} modules of the package, {every} in all")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
