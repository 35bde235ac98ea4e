"""Packages of pg_timepart import only packages above them, and no modules in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

PACKAGE = "pg_timepart"
ROOT = CHECKOUT / PACKAGE

LAYOUT = (
    "errors",
    "constants",
    "signals",
    "findings",
    "text",
    "logger",
    "partitions",
    "postgres",
    "schema",
    "conf",
    "instances",
    "models",
    "migrations",
    "beat",
    "maintenance",
    "status",
    "post_migrate",
    "manager",
    "tasks",
    "testing",
    "admin",
    "checks",
    "apps",
    "management",
    "__init__",
)
"""The packages, and the modules beside them; docs/architecture.md says what each is for."""

RANK = {name: rank for rank, name in enumerate(LAYOUT)}


def sources(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def layer_of(module: str) -> str:
    """Return the module, or the folder, of the package's root that ``module`` belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def name_of(source: Path, root: Path) -> str:
    """Return the dotted name of a module; of a package for its ``__init__``."""
    parts = source.relative_to(root).with_suffix("").parts
    return ".".join((PACKAGE, *(each for each in parts if each != "__init__")))


def imports_of(source: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each module of this package that ``source`` imports."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = absolute_module(source, node, root)
            named = [_imported(module, alias.name, root) for alias in node.names]
        else:
            continue
        yield from ((node.lineno, each) for each in named if each.split(".")[0] == PACKAGE)


def _imported(module: str, name: str, root: Path) -> str:
    """Return ``module.name`` where that is a module, or one of the layout, else ``module``."""
    path = root.joinpath(*module.split(".")[1:], name)
    is_module = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
    is_placed = module == PACKAGE and name in RANK
    return f"{module}.{name}" if is_module or is_placed else module


def absolute_module(source: Path, node: ast.ImportFrom, root: Path) -> str:
    if not node.level:
        return node.module or ""
    packages = (PACKAGE, *source.relative_to(root).parent.parts)
    base = packages[: len(packages) - node.level + 1]
    return ".".join((*base, *filter(None, [node.module])))


def upward(source: Path, root: Path) -> list[str]:
    """Return the imports of ``source`` that go to a package below its own."""
    own = layer_of(name_of(source, root))
    return [
        f"{source.relative_to(root)}:{line} imports {module}"
        for line, module in imports_of(source, root)
        if layer_of(module) != own and RANK.get(layer_of(module), 0) > RANK[own]
    ]


def circle(root: Path) -> list[str]:
    """Return modules that import each other in a circle, or none."""
    modules = {name_of(each, root): each for each in sources(root)}
    graph = {
        name: {module for _, module in imports_of(source, root)} - {name}
        for name, source in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_has_its_place_in_the_layout() -> None:
    unplaced = {layer_of(name_of(each, ROOT)) for each in sources(ROOT)} - RANK.keys()

    assert unplaced == set()


def test_the_page_on_the_architecture_names_each_in_the_same_order() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()

    assert tuple(re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)) == LAYOUT


@pytest.mark.parametrize("source", sources(ROOT), ids=lambda source: str(source.relative_to(ROOT)))
def test_imports_go_up_the_layout_only(source: Path) -> None:
    assert upward(source, ROOT) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(ROOT) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from pg_timepart.models import PartitionLog",
        "from pg_timepart import models",
        "from pg_timepart import TimeRangePartitioningSupport",
        "import pg_timepart.models",
        "from ..models import PartitionLog",
        "from .. import models",
        "def late():\n    from pg_timepart.models import PartitionLog",
    ],
)
def test_an_import_of_a_lower_package_is_found(statement: str, tmp_path: Path) -> None:
    source = tmp_path / "partitions" / "periods.py"
    source.parent.mkdir()
    source.write_text(statement)

    assert len(upward(source, tmp_path)) == 1


def test_an_import_within_the_package_is_right(tmp_path: Path) -> None:
    source = tmp_path / "maintenance" / "record.py"
    source.parent.mkdir()
    source.write_text("from .apply import apply\nfrom ..errors import TimepartError\n")

    assert upward(source, tmp_path) == []


def test_a_circle_within_a_package_is_found(tmp_path: Path) -> None:
    for name, other in (("periods", "bounds"), ("bounds", "periods")):
        source = tmp_path / "partitions" / f"{name}.py"
        source.parent.mkdir(exist_ok=True)
        source.write_text(f"from pg_timepart.partitions import {other}\n")

    found = circle(tmp_path)

    assert set(found) == {f"{PACKAGE}.partitions.periods", f"{PACKAGE}.partitions.bounds"}
