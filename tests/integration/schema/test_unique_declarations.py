"""Unique declarations of several columns, in CREATE TABLE of a partitioned model."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.expressions import OrderBy
from django.db.models.functions import Collate, ExtractYear, Lower
from django.db.models.indexes import IndexExpression

from tests.support.migration_operations import MigrationRunner, create

pytestmark = pytest.mark.django_db


@pytest.fixture
def runner() -> MigrationRunner:
    return MigrationRunner()


def code(**options: Any) -> tuple[str, models.Field[Any, Any]]:
    return "code", models.CharField(max_length=20, **options)


def test_unique_together_is_widened_unless_it_has_the_key(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code(), unique_together={("code", "id"), ("at", "code")}))
    assert runner.constraints("lab_reading", "u") == {"UNIQUE (code, id, at)", "UNIQUE (at, code)"}


UNIQUE_CONSTRAINTS = {
    "fields": (
        models.UniqueConstraint(fields=["code"], name="u"),
        "UNIQUE btree (code, at)",
    ),
    "with key": (
        models.UniqueConstraint(fields=["at", "code"], name="u"),
        "UNIQUE btree (at, code)",
    ),
    "condition": (
        models.UniqueConstraint(fields=["code"], condition=models.Q(id__gt=5), name="u"),
        "UNIQUE btree (code, at) WHERE (id > 5)",
    ),
    "include": (
        models.UniqueConstraint(fields=["code"], include=["id"], name="u"),
        "UNIQUE btree (code, at) INCLUDE (id)",
    ),
    "include key": (
        models.UniqueConstraint(fields=["code"], include=["at"], name="u"),
        "UNIQUE btree (code, at) INCLUDE (at)",
    ),
    "opclasses": (
        models.UniqueConstraint(fields=["code"], opclasses=["varchar_pattern_ops"], name="u"),
        "UNIQUE btree (code varchar_pattern_ops, at)",
    ),
    "opclasses with key": (
        models.UniqueConstraint(
            fields=["at", "code"], opclasses=["timestamptz_ops", "varchar_pattern_ops"], name="u"
        ),
        "UNIQUE btree (at, code varchar_pattern_ops)",
    ),
    "deferrable": (
        models.UniqueConstraint(fields=["code"], deferrable=models.Deferrable.DEFERRED, name="u"),
        "UNIQUE btree (code, at)",
    ),
    "expressions": (
        models.UniqueConstraint(Lower("code").desc(), "id", name="u"),
        "UNIQUE btree (lower((code)::text) DESC, id, at)",
    ),
    "expression of the key only": (
        models.UniqueConstraint(Lower("code"), ExtractYear("at", tzinfo=dt.UTC), name="u"),
        "UNIQUE btree (lower((code)::text), EXTRACT(year FROM (at AT TIME ZONE 'UTC'::text)), at)",
    ),
    "expressions with key": (
        models.UniqueConstraint(models.F("at").desc(), Lower("code"), name="u"),
        "UNIQUE btree (at DESC, lower((code)::text))",
    ),
}


@pytest.mark.parametrize(
    ("constraint", "expected"), UNIQUE_CONSTRAINTS.values(), ids=UNIQUE_CONSTRAINTS
)
def test_unique_constraint(
    runner: MigrationRunner, constraint: models.UniqueConstraint, expected: str
) -> None:
    runner.run(create("Reading", code(), constraints=[constraint]))
    assert expected in runner.indexes("lab_reading")
    assert len(runner.indexes("lab_reading")) == 2


def test_unique_expression_with_an_operator_class(
    runner: MigrationRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What django.contrib.postgres does at start-up, where it is installed.
    monkeypatch.setattr(IndexExpression, "wrapper_classes", (OrderBy, OpClass, Collate))
    constraint = models.UniqueConstraint(OpClass(Lower("code"), "text_pattern_ops"), name="u")
    runner.run(create("Reading", code(), constraints=[constraint]))
    expected = "UNIQUE btree (lower((code)::text) text_pattern_ops, at)"
    assert expected in runner.indexes("lab_reading")


def test_deferrable_unique_constraint_stays_deferrable(runner: MigrationRunner) -> None:
    constraint = models.UniqueConstraint(
        fields=["code"], deferrable=models.Deferrable.DEFERRED, name="u"
    )
    runner.run(create("Reading", code(), constraints=[constraint]))
    assert runner.constraints("lab_reading", "u") == {
        "UNIQUE (code, at) DEFERRABLE INITIALLY DEFERRED"
    }


def test_nulls_not_distinct(runner: MigrationRunner) -> None:
    if not runner.connection.features.supports_nulls_distinct_unique_constraints:
        pytest.skip("needs PostgreSQL 15")
    constraint = models.UniqueConstraint(fields=["code"], nulls_distinct=False, name="u")
    runner.run(create("Reading", code(null=True), constraints=[constraint]))
    assert runner.constraints("lab_reading", "u") == {"UNIQUE NULLS NOT DISTINCT (code, at)"}
