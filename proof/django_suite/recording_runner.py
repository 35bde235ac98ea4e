"""A test runner for Django's ``runtests.py`` that writes down how each test ended, and whether
our schema editor was installed meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

from django.db import connection, connections, models
from django.db.migrations.state import ModelState, ProjectState
from django.test.runner import DiscoverRunner

PARTITIONED = """
SELECT count(DISTINCT i.inhparent) FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
"""
RELATION_KIND = "SELECT relkind::text FROM pg_catalog.pg_class WHERE oid = %s::regclass"


class RecordingResult(unittest.TextTestResult):
    """Prints as ever, and remembers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.endings: dict[str, list[str]] = {}
        self.reasons: dict[str, str] = {}
        self.editors: Counter[str] = Counter()

    def startTest(self, test: Any) -> None:
        """Look whose the schema editors are, while the test runs."""
        self.editors["ours" if has_our_editors() else "others"] += 1
        super().startTest(test)

    def addSuccess(self, test: Any) -> None:
        """Remember a test that passed."""
        super().addSuccess(test)
        self._remember(test, "passed")

    def addError(self, test: Any, err: Any) -> None:
        """Remember a test, or what stands around one, that could not go on."""
        super().addError(test, err)
        self._remember(test, "error", err)

    def addFailure(self, test: Any, err: Any) -> None:
        """Remember a test that failed."""
        super().addFailure(test, err)
        self._remember(test, "failed", err)

    def addSkip(self, test: Any, reason: str) -> None:
        """Remember a test that was skipped."""
        super().addSkip(test, reason)
        self._remember(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        """Remember a test that failed as it should."""
        super().addExpectedFailure(test, err)
        self._remember(test, "failed as expected")

    def addUnexpectedSuccess(self, test: Any) -> None:
        """Remember a test that should have failed."""
        super().addUnexpectedSuccess(test)
        self._remember(test, "unexpected success")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """Remember a part of a test that failed; its whole passes or is remembered with it."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._remember(subtest, "failed" if failed else "error", err)

    def _remember(self, test: Any, ending: str, err: Any = None) -> None:
        self.endings.setdefault(test.id(), []).append(ending)
        if err is not None:
            self.reasons[test.id()] = f"{err[0].__name__}: {err[1]}"


class RecordingRunner(DiscoverRunner):
    """The one of Django, with a record in the file that DJANGO_SUITE_RECORD names."""

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        """Return the class of results that remembers."""
        return RecordingResult

    def run_suite(self, suite: Any, **kwargs: Any) -> Any:
        """Run the tests, and write the record while their databases are still there."""
        result: Any = super().run_suite(suite, **kwargs)
        record = {
            "endings": result.endings,
            "reasons": result.reasons,
            "editors": result.editors,
            "partitioned": _count_of_partitioned_tables(),
            "partitions": _makes_partitioned_tables(),
        }
        Path(os.environ["DJANGO_SUITE_RECORD"]).write_text(json.dumps(record))
        return result


def has_our_editors() -> bool:
    """Return whether each connection would open a schema editor of pg_timepart's."""
    module = sys.modules.get("pg_timepart.schema.editor")
    if module is None:
        return False
    return all(
        issubclass(each.SchemaEditorClass or object, module.PartitioningSchemaEditor)
        for each in connections.all()
    )


def _count_of_partitioned_tables() -> int:
    """Return how many tables of the tests have partitions."""
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONED)
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def _makes_partitioned_tables() -> bool:
    """Return whether a declared model gets a partitioned table; false without pg_timepart."""
    module = sys.modules.get("pg_timepart.manager")
    if module is None:
        return False
    probe = _probe(module.TimeRangePartitioningManager("at"))
    with connection.schema_editor() as editor:
        editor.create_model(probe)
    try:
        with connection.cursor() as cursor:
            cursor.execute(RELATION_KIND, [probe._meta.db_table])
            return bool(cursor.fetchone() == ("p",))
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(probe)


def _probe(manager: Any) -> Any:
    """Return a model as migrations see one that is decorated."""
    fields: dict[str, models.Field[Any, Any]] = {
        "id": models.BigAutoField(primary_key=True),
        "at": models.DateTimeField(),
    }
    state = ModelState("probe", "Probe", fields, managers=[("partitioning", manager)])
    return ProjectState({("probe", "probe"): state}).apps.get_model("probe", "Probe")
