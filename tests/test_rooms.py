"""The laws of the house: rooms import only rooms below, nothing goes in a circle, light things stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from layout_graph import PACKAGE, circles, graph_of, imports, modules

ROOT = Path(__file__).parents[1]
FILES = modules(ROOT)
ROOMS = (
    "vocabulary io model weights data pretrain evaluation points insight finetune comparison maps plots ablation "
    "notebook cli"
).split()
"""From the ground up; the vocabulary is the modules that lie flat in the package."""

SCREEN = 48
"""Lines of a function, its docstring included."""


def room(module):
    parts = module.split(".")
    return ROOMS.index(parts[1] if len(parts) > 1 and parts[1] in ROOMS else "vocabulary")


def test_every_folder_is_a_room():
    folders = {
        path.parent.relative_to(ROOT / PACKAGE).parts[0] for path in FILES.values() if path.parent.name != PACKAGE
    }
    assert folders == set(ROOMS[1:])


def test_rooms_import_only_rooms_below():
    """Imports inside functions and for types count as well."""
    up = [
        f"{name} imports {other}"
        for name, path in FILES.items()
        if name not in (PACKAGE, f"{PACKAGE}.__main__")  # the front door opens every room
        for other in sorted(imports(path, set(FILES), later=True) - {PACKAGE})
        if room(other) > room(name)
    ]
    assert not up, "\n".join(up)


@pytest.mark.parametrize("later", [False, True], ids=["when loaded", "in functions and for types too"])
def test_nothing_imports_in_a_circle(later):
    assert [part for part in circles(graph_of(ROOT, later)) if len(part) > 1] == []


LIGHT = {
    "import olmoearth_nb": ["torch", "numpy", "matplotlib"],
    "import olmoearth_nb.data": ["torch", "h5py"],
    "import olmoearth_nb.pretrain.crops": ["olmoearth_nb.data", "olmoearth_nb.model"],
    "import olmoearth_nb.ablation.report": [
        f"olmoearth_nb.{name}" for name in ("data.load", "model", "pretrain", "weights")
    ],
    "import olmoearth_nb.data.load": ["h5py", "rasterio", "pandas", "matplotlib"],
    "import olmoearth_nb.model.encoder": ["matplotlib", "sklearn", "h5py", "olmoearth_nb.data", "olmoearth_nb.weights"],
    "import olmoearth_nb.cli.app": ["papermill", "distributed", "rasterio", "sklearn"],
}
"""What is imported, and what it must not load."""


@pytest.mark.parametrize("statement", LIGHT)
def test_light_things_stay_light(statement):
    code = f"import sys; {statement}; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(done.stdout)
    assert [name for name in LIGHT[statement] if name in loaded] == []


def lines_of_code(function):
    """Lines of a function without its docstring."""
    first, lines = function.body[0], function.end_lineno - function.lineno + 1
    return lines - (first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0)


def test_a_function_fits_on_a_screen():
    """Signature and code; a docstring is as long as there is to say of the arguments."""
    long = [
        f"{path.relative_to(ROOT)}: {node.name} has {lines} lines"
        for path in FILES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8")))
        if isinstance(node, ast.FunctionDef) and (lines := lines_of_code(node)) > SCREEN
    ]
    assert not long, "\n".join(long)


def test_no_exception_is_swallowed():
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8")))
        if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body)
    ]
    assert not silent, "\n".join(silent)
