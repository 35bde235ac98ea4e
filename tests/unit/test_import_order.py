"""Each module of pg_timepart imports only modules above it in the layout, also inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "pg_timepart"
ROOT = Path(__file__).parents[2] / PACKAGE

LAYOUT = (
    "errors",
    "texts",
    "log_lines",
    "constants",
    "declaration",
    "declaring",
    "periods",
    "keys",
    "bounds",
    "relations",
    "drivers",
    "search_path",
    "naming",
    "addressing",
    "marks",
    "plans",
    "covering",
    "resuming",
    "retention",
    "planning",
    "ddl",
    "deferral",
    "orphans",
    "steps",
    "procedures",
    "own_checks",
    "conf",
    "catalog",
    "hierarchy",
    "anatomy",
    "ownership",
    "differences",
    "alignment",
    "holders",
    "rights",
    "other_managers",
    "faults",
    "threads",
    "cancelling",
    "locks",
    "advisory",
    "guarding",
    "leftovers",
    "flushing",
    "widening",
    "statements",
    "partition_keys",
    "tablespaces",
    "schema",
    "signals",
    "models",
    "migrations",
    "frequency",
    "beat_rows",
    "punctuality",
    "dispatching",
    "schedules",
    "timetable",
    "maintenance",
    "manager",
    "following",
    "provisioning",
    "messages",
    "tasks",
    "console",
    "admin",
    "checks",
    "apps",
    "management",
    "__init__",
)
RANK = {name: rank for rank, name in enumerate(LAYOUT)}


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def layer_of(source: Path) -> str:
    """Return the module, or the folder, of the package's root that ``source`` belongs to."""
    return source.relative_to(ROOT).with_suffix("").parts[0]


def imported_layers(source: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the layer of each import from this package."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from layer_named(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = absolute_module(source, node)
            if module == PACKAGE:
                for alias in node.names:
                    yield node.lineno, alias.name if alias.name in RANK else "__init__"
            else:
                yield from layer_named(node.lineno, module)


def absolute_module(source: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    packages = (PACKAGE, *source.relative_to(ROOT).parent.parts)
    base = packages[: len(packages) - node.level + 1]
    return ".".join((*base, *filter(None, [node.module])))


def layer_named(line: int, module: str) -> Iterator[tuple[int, str]]:
    package, _, rest = module.partition(".")
    if package == PACKAGE:
        yield line, rest.partition(".")[0] or "__init__"


def violations(source: Path) -> list[str]:
    own = layer_of(source)
    return [
        f"{source.relative_to(ROOT)}:{line} imports {layer}"
        for line, layer in imported_layers(source)
        if layer != own and RANK.get(layer, 0) > RANK.get(own, len(LAYOUT))
    ]


def test_every_module_has_its_place_in_the_layout() -> None:
    unplaced = {layer_of(source) for source in sources()} - RANK.keys()

    assert unplaced == set()


@pytest.mark.parametrize("source", sources(), ids=lambda source: str(source.relative_to(ROOT)))
def test_imports_go_up_the_layout_only(source: Path) -> None:
    assert violations(source) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from pg_timepart.models import PartitionLog",
        "from pg_timepart import models",
        "from pg_timepart import TimeRangePartitioningSupport",
        "import pg_timepart.models",
        "from .models import PartitionLog",
        "from . import models",
        "def late():\n    from pg_timepart.models import PartitionLog",
    ],
)
def test_an_import_of_a_lower_module_is_found(
    statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    source = tmp_path / "periods.py"
    source.write_text(statement)

    assert len(violations(source)) == 1


def test_an_import_of_a_lower_module_from_a_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    source = tmp_path / "maintenance" / "record.py"
    source.parent.mkdir()
    source.write_text("from ..tasks import maintain\nfrom .apply import apply\n")

    assert violations(source) == ["maintenance/record.py:1 imports tasks"]
