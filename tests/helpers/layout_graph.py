"""The package as a graph of imports."""

import ast
from pathlib import Path

PACKAGE = "olmoearth_nb"


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file of every module."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: set[str], later: bool = False) -> set[str]:
    """Modules of the package that a file imports when it is loaded; with `later`, in functions and for types too."""
    found: set[str] = set()

    def visit(nodes: list[ast.AST]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names if alias.name in known)
            elif isinstance(node, ast.ImportFrom) and node.module in known:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found.update(inner & known)
                if inner - known:
                    found.add(node.module)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not later:
                visit(node.orelse)
            elif later or isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
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


def graph_of(root: Path, later: bool = False) -> dict[str, set[str]]:
    """Module -> modules that it imports when it is loaded; with `later`, in functions and for types too."""
    files = modules(root)
    return {name: imports(path, set(files), later) - {name} for name, path in files.items()}
