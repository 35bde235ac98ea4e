"""The deployable project, which users copy, imports only what pg_timepart promises to keep."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pg_timepart import status

ROOT = Path(__file__).parents[2]
PUBLIC = (
    "pg_timepart",
    "pg_timepart.conf",
    "pg_timepart.constants",
    "pg_timepart.errors",
    "pg_timepart.findings",
    "pg_timepart.manager",
    "pg_timepart.models",
    "pg_timepart.signals",
    "pg_timepart.status",
    "pg_timepart.tasks",
    "pg_timepart.testing",
)


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_deploy_imports_public_modules_only() -> None:
    modules = {module for each in (ROOT / "deploy").rglob("*.py") for module in imported(each)}

    assert {each for each in modules if each.split(".")[0] == "pg_timepart"} <= set(PUBLIC)


@pytest.mark.parametrize("module", PUBLIC)
def test_public_modules_can_be_imported(module: str) -> None:
    importlib.import_module(module)


def test_what_status_promises_is_there_sorted_and_documented() -> None:
    page = (ROOT / "docs" / "status.md").read_text()

    assert status.__all__ == sorted(status.__all__)
    assert all(hasattr(status, each) for each in status.__all__)
    assert [each for each in ("status_of", "statuses", "TableStatus") if each not in page] == []


@pytest.mark.parametrize("kind", [status.TableStatus, status.PartitionStatus])
def test_each_attribute_of_a_status_is_documented(kind: type) -> None:
    page = (ROOT / "docs" / "status.md").read_text()
    names = {each for each in dir(kind) if not each.startswith("_")} - {"figures_as_json"}

    assert {each for each in names if f"`{each}" not in page} == set()
