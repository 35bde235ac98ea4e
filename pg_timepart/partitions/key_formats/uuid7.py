"""Uuid7: version 7 UUIDs, whose first 48 bits are Unix time in milliseconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.db import models

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import EPOCH
from pg_timepart.partitions.key_formats.counted import MILLISECOND, CountedKey
from pg_timepart.partitions.key_formats.registry import register

TIME_BITS, OTHER_BITS = 48, 80
LENGTH = 36
"""Characters of a UUID as the server prints it."""

# The version is the upper half of the seventh byte (RFC 9562). uuid_extract_version() comes with
# PostgreSQL 17. Qualified, as the server keeps the expression but searches the names once.
IS_VERSION_7 = (
    "pg_catalog.get_byte(pg_catalog.uuid_send({column}), 6) OPERATOR(pg_catalog.>>) 4"
    " OPERATOR(pg_catalog.=) 7"
)

OTHER_VERSIONS = frozenset(
    [
        "uuid1",
        "uuid3",
        "uuid4",
        "uuid5",
        "uuid6",
        "uuid8",
        "uuidv4",
        "gen_random_uuid",
        "uuid_generate_v1",
        "uuid_generate_v1mc",
        "uuid_generate_v3",
        "uuid_generate_v4",
        "uuid_generate_v5",
    ]
)
"""Functions that make UUIDs of other versions, in Python and in PostgreSQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uuid7(CountedKey):
    """Key format of version 7 UUIDs. Bounds are the 12 hexadecimal digits of the time, then zeros.

    Bounds refuse most UUIDs of other versions, but not those that happen to begin with digits of a
    partition's time, and a default partition takes all. Where ``check_version`` is not turned off,
    a CHECK constraint of the table refuses every other version.
    """

    name: ClassVar[str] = "uuid7"
    field_class = models.UUIDField
    column_types: ClassVar[tuple[str, ...]] = ("uuid",)
    usual_default: ClassVar[str] = (
        "UUIDField(primary_key=True, default=pg_timepart.uuid7), or on PostgreSQL 18"
        " db_default=Func(function='uuidv7')"
    )
    timeless_defaults: ClassVar[frozenset[str]] = OTHER_VERSIONS
    duration = MILLISECOND
    epoch = EPOCH
    last_count: ClassVar[int] = 2**TIME_BITS - 1

    check_version: bool = True

    def __post_init__(self) -> None:
        given: object = self.check_version
        if not isinstance(given, bool):
            raise InvalidPolicy(f"check_version must be True or False, not {given!r}.")

    def first_value(self, count: int) -> UUID:
        """Return the UUID with nothing after its time."""
        return UUID(int=count << OTHER_BITS)

    def number(self, literal: str) -> int:
        """Return the UUID's 128 bits."""
        if len(literal) != LENGTH:
            raise ValueError(f"{literal!r} is no UUID")
        return int(literal.replace("-", ""), 16)  # in a third of the time of UUID()

    def count(self, number: int) -> int:
        """Return the milliseconds in the first 48 bits."""
        return number >> OTHER_BITS

    def value_check(self, column: str) -> str:
        """Return the condition that the version is 7."""
        return IS_VERSION_7.format(column=column) if self.check_version else ""

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return what migrations write: the public name, and what is not as usual."""
        options = {} if self.check_version else {"check_version": False}
        return "pg_timepart.Uuid7", [], options


register(Uuid7())
