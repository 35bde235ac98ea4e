"""The bounds of a partition, as the catalog prints them. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, tzinfo

from pg_timepart.partitions.key_formats import KeyKind
from pg_timepart.partitions.periods import Bounds, start_of_day

# Stand for a bound that is beyond what datetime holds, such as 'infinity' or a year before Christ,
# where None would say that there is no bound. They leave room for every zone's offset.
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)

_BOUNDS = re.compile(r"FOR VALUES FROM \((?P<start>.+)\) TO \((?P<end>.+)\)\Z", re.DOTALL)


def read_bounds(expression: str | None, kind: KeyKind | None, zone: tzinfo) -> Bounds | None:
    """Return what ``pg_get_expr`` prints of a partition's bounds in the ISO DateStyle.

    None for a default partition, and for what is not partitioned by range of one supported key.
    """
    match = _BOUNDS.match(expression or "")
    if match is None or kind is None:
        return None
    return Bounds(start=_start(match["start"], kind, zone), end=_end(match["end"], kind, zone))


def _start(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    """Return the first moment inside; None only where all that is earlier is inside too."""
    moment = _moment(text, kind, zone)
    if moment is not None or text == "MINVALUE" or _is_before_calendar(text):
        return moment
    return start_of_day(LAST_DAY, zone)


def _end(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    """Return the first moment after; None only where all that is later is inside."""
    moment = _moment(text, kind, zone)
    if moment is not None or text == "MAXVALUE" or not _is_before_calendar(text):
        return moment
    return start_of_day(FIRST_DAY, zone)


def _moment(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    return None if text in {"MINVALUE", "MAXVALUE"} else kind.moment(text.strip("'"), zone)


def _is_before_calendar(text: str) -> bool:
    """Whether a bound that datetime cannot hold is too early for it, rather than too late."""
    bound = text.strip("'")
    return bound == "-infinity" or bound.endswith(" BC") or bound.startswith("0001-")
