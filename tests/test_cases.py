"""Each row of the tables of wrong and hostile input is tested: the row itself and at least two siblings."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = [TESTS.parent / "docs" / "results" / name for name in ("input.md", "security.md")]


def rows(page):
    """Names in the first column of the tables whose head begins with `row`."""
    text = page.read_text(encoding="utf8")
    tables = re.findall(r"^\| row \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.M)
    return [name for table in tables for line in table.splitlines() for name in line.split("|")[1].strip().split(", ")]


def length(node, tables):
    """How many values a list of parameters has: a literal, a table of the module, or its items or values."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    if isinstance(node, ast.Name):
        node = tables.get(node.id)
    return len(getattr(node, "elts", None) or getattr(node, "keys", None) or [None])


def cases(decorator, tables):
    """How many times a decorator repeats its test, at least, and the case that it names."""
    kind = getattr(getattr(decorator, "func", None), "attr", None)
    if kind == "case":
        return 1, ast.literal_eval(decorator.args[0])
    return (length(decorator.args[1], tables) if kind == "parametrize" else 1), None


def counted():
    """Tests of each case, those of a table of parameters one by one."""
    counts = Counter()
    for path in TESTS.rglob("test_*.py"):
        module = ast.parse(path.read_text(encoding="utf8"))
        tables = {
            node.targets[0].id: node.value
            for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef):
                repeats, names = 1, []
                for times, name in (cases(decorator, tables) for decorator in node.decorator_list):
                    repeats *= times
                    names += [name] if name else []
                counts.update(dict.fromkeys(names, repeats))
    return counts


COUNTED = counted()


@pytest.mark.parametrize("name", [name for page in PAGES for name in rows(page)])
def test_a_row_and_two_siblings_are_tested(name):
    assert COUNTED[name] >= 3


def test_every_case_is_a_row():
    assert set(COUNTED) == {name for page in PAGES for name in rows(page)}
