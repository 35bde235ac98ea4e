"""Read partitions and moments from the JSON of a task's message, and check them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from pg_timepart import conf
from pg_timepart.errors import InvalidPolicy
from pg_timepart.maintenance.lookup import Shown
from pg_timepart.partitions.time_zones import representable

Partitions = Sequence[str | dict[str, Any]]
"""Names, or names with the OIDs that were shown with them."""

Names = Sequence[str | Shown]


def names_in(partitions: Partitions) -> Names:
    """Return the partitions that the entries name; raises InvalidPolicy."""
    if isinstance(partitions, list | tuple):
        found = [_name(each) for each in partitions]
        known = [each for each in found if each is not None]
        if len(known) == len(found):
            return known
    raise InvalidPolicy(
        f"partitions must be a list of table names, not {partitions!r}. A table name may come with"
        ' the OID that it was shown with, as {"name": ..., "oid": ...}.'
    )


def without(names: Names, tables: Collection[str]) -> Names:
    """Return the names, except those of these tables that come without an OID."""
    return [each for each in names if isinstance(each, Shown) or not _is_one_of(each, tables)]


def moment_in(text: str) -> datetime:
    """Return the moment of an ISO 8601 text; raises InvalidPolicy.

    Without an offset it is read in ``PARTITION_TIMEZONE``. Moments that cannot be stored are
    refused.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise InvalidPolicy(f"{text!r} is not a moment such as 2024-01-31T00:00+00:00.") from error
    zone = conf.zone()
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return representable("A moment", aware, zone)


def _name(entry: object) -> str | Shown | None:
    """Return the partition that one entry names, or None where the entry is malformed."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict) or entry.keys() != {"name", "oid"}:
        return None
    name, oid = entry["name"], entry["oid"]
    return Shown(name=name, oid=oid) if isinstance(name, str) and type(oid) is int else None


def _is_one_of(name: str, tables: Collection[str]) -> bool:
    return any(name == each or name.endswith(f".{each}") for each in tables)
