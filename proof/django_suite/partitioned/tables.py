"""Partitions of the tests' tables: three, with room for every value."""

from __future__ import annotations

import itertools
from typing import Any

from django.db import connections, models

from proof.django_suite.partitioned.models_of_tests import KEYS

HAS_PARTITIONS = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass(%s))"

SPLITS: tuple[tuple[type[Any], tuple[str, str]], ...] = (
    (models.DateField, ("2005-07-28", "2010-01-01")),
    (models.CharField, ("c", "p")),
    (models.TextField, ("c", "p")),
    (
        models.UUIDField,
        ("55555555-0000-0000-0000-000000000000", "aaaaaaaa-0000-0000-0000-000000000000"),
    ),
)
NUMBERS = ("2", "10")
"""Where one partition ends and the next begins, so that rows of one test are in several."""


def attach_partitions(using: str, **_: Any) -> None:
    """Give each partitioned table that is there and has none its partitions."""
    connection = connections[using]
    there = {*connection.introspection.table_names()}
    with connection.cursor() as cursor:
        for table, key in KEYS.items():
            name = connection.ops.quote_name(table)
            cursor.execute(HAS_PARTITIONS, [name])
            if table in there and cursor.fetchone() == (False,):
                for number, bounds in enumerate(_bounds(key)):
                    part = connection.ops.quote_name(f"part_{number}_{table}"[:60])
                    cursor.execute(f"CREATE TABLE {part} PARTITION OF {name} FOR VALUES {bounds}")


def _bounds(key: Any) -> list[str]:
    while isinstance(key, models.ForeignKey):
        key = key.target_field
    splits = next((values for kind, values in SPLITS if isinstance(key, kind)), NUMBERS)
    sides = ("MINVALUE", *(f"'{each}'" for each in splits), "MAXVALUE")
    return [f"FROM ({start}) TO ({end})" for start, end in itertools.pairwise(sides)]
