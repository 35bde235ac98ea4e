"""TimestampKey: a partition key of the type ``timestamp with time zone``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import ClassVar

from django.db import models

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.key_formats.base import Beyond, KeyFormat
from pg_timepart.partitions.key_formats.iso_dates import beyond_calendar, edge_near, unreadable
from pg_timepart.partitions.key_formats.registry import register
from pg_timepart.partitions.time_zones import in_utc

DECLARED = re.compile(r"timestamptz *(\( *\d *\))?|timestamp *(\( *\d *\))? *with +time +zone")
"""The type in a column's declaration, in lower case, of whatever precision."""


@dataclass(frozen=True, slots=True)
class TimestampKey(KeyFormat):
    """A ``DateTimeField``. Literals are written in UTC, the same whatever the zone."""

    name: ClassVar[str] = "timestamp"
    field_class = models.DateTimeField
    column_types: ClassVar[tuple[str, ...]] = ("timestamp with time zone",)
    is_implied: ClassVar[bool] = True

    def value(self, moment: datetime, zone: tzinfo) -> datetime:
        """Return the moment in UTC."""
        return in_utc(moment)

    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:
        """Return the instant; the offset in ``literal`` rules, not the zone."""
        beyond = beyond_calendar(literal)
        if beyond is not None:
            return beyond
        try:
            written = datetime.fromisoformat(literal)
        except ValueError as error:
            raise unreadable(self, literal) from error
        if written.tzinfo is None:
            raise unreadable(self, literal)
        try:
            return in_utc(written)
        except InvalidPolicy:  # aware, so this is 9999-12-31 23:00-05 or its like at the year 1
            return edge_near(written)

    def is_declared_by(self, db_type: str) -> bool:
        """Return whether ``db_type`` is a timestamp with time zone, of whatever precision."""
        return DECLARED.fullmatch(db_type.strip().lower()) is not None


register(TimestampKey())
