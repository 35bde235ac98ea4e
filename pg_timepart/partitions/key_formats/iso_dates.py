"""Dates and times in the ISO DateStyle of PostgreSQL that Python's datetime cannot hold. Pure."""

from __future__ import annotations

from datetime import MAXYEAR, date

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.key_formats.base import Beyond, KeyFormat


def beyond_calendar(literal: str) -> Beyond | None:
    """Return the side of ``infinity``, ``... BC`` or a year above 9999; None for other text."""
    year = literal.partition("-")[0]
    if literal == "-infinity" or literal.endswith(" BC"):
        return Beyond.EARLIER
    is_far = year.isdecimal() and int(year) > MAXYEAR
    return Beyond.LATER if literal == "infinity" or is_far else None


def edge_near(day: date) -> Beyond:
    """Return the side of a first or last day that is out of range in another zone."""
    return Beyond.LATER if day.year == MAXYEAR else Beyond.EARLIER


def unreadable(key_format: KeyFormat, literal: str) -> InvalidPolicy:
    """Return the error for a literal in any other form."""
    return InvalidPolicy(
        f"The bound {literal!r} is not a {key_format.column_types[0]} in the ISO DateStyle of"
        " PostgreSQL."
    )
