"""Migrations that the plant might have after its first one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command

from pg_timepart.schema.registry import decorated_classes, only_decorated

FIRST = (
    "from importlib import import_module\n"
    'Migration = import_module("tests.apps.plant.migrations.0001_initial").Migration\n'
)
LATER = """
from django.db import models
from django.db.migrations import *

from tests.support.migration_operations import partitioned_by

class Migration(Migration):
    dependencies = [("plant", "{before}")]
    operations = [{operations}]
"""


def write_history(folder: Path, *operations: str) -> str:
    """Let each text be the operations of one more migration, 0002 and on; return the package."""
    package = folder / f"history_{secrets.token_hex(4)}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "0001_initial.py").write_text(FIRST)
    before = "0001_initial"
    for number, text in enumerate(operations, 2):
        (package / f"{number:04}.py").write_text(LATER.format(before=before, operations=text))
        before = f"{number:04}"
    return package.name


def migrate(*target: str, **options: Any) -> None:
    """Run the stock command on the plant."""
    call_command("migrate", "plant", *target, verbosity=0, **options)


@contextmanager
def code_without(*labels: str) -> Iterator[None]:
    """Let the code be of a release that has not these models."""
    kept = (each for each in decorated_classes() if each._meta.label_lower not in labels)
    with only_decorated(*kept):
        yield
