"""Tables, sizes, durations and bounds as text for a terminal. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta, tzinfo

from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.time_zones import FOR_EVER, in_zone
from pg_timepart.status.types import PartitionStatus
from pg_timepart.text import printable

GAP = "  "
WIDE = {"W", "F"}
WIDTHLESS = {"Mn", "Me", "Cf"}
UNITS = ("kB", "MB", "GB", "TB", "PB")
KILO = 1024


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> list[str]:
    """Return lines of aligned columns under their headings; ``right`` are columns of numbers.

    Columns stay aligned for names in any script; control characters in a name are shown as escapes.
    """
    lines = [headings, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    numbers = frozenset(right)
    return [
        GAP.join(
            _padded(cell, widths[index], is_right=index in numbers)
            for index, cell in enumerate(line)
        ).rstrip()
        for line in lines
    ]


def width(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    return sum(map(_width_of, text))


def size(count: int | None) -> str:
    """Return such as ``12.3 MB`` (of 1024 kB), or ``?`` where the size is not known."""
    if count is None:
        return "?"
    if count < KILO:
        return f"{count} B"
    amount = float(count)
    for unit in UNITS:
        amount /= KILO
        if round(amount, 1) < KILO or unit == UNITS[-1]:
            break
    return f"{amount:.1f} {unit}"


def duration(span: timedelta) -> str:
    """Return such as ``3 d 4 h``, ``5 min``, ``2.5 s`` or ``8 ms``: the two largest units."""
    seconds = span.total_seconds()
    if seconds < 0:
        return f"-{duration(-span)}"
    if round(seconds * 1000) < 1000:  # noqa: PLR2004
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    return " ".join(_two_largest(round(seconds)))


def bounds(limits: Bounds | None, zone: tzinfo) -> str:
    """Return such as ``2024-01-01 .. 2024-02-01`` in the zone; the end is not inside.

    A default partition has none, and takes everything else.
    """
    if limits is None:
        return "everything else"
    start = "MINVALUE" if limits.start is None else moment(limits.start, zone)
    end = "MAXVALUE" if limits.end is None else moment(limits.end, zone)
    return f"{start} .. {end}"


def literals(written: BoundLiterals | None) -> tuple[str, ...]:
    """Return both bounds as values of the key, or none where the moments say the same."""
    if written is None:
        return ()
    return written.lower or "MINVALUE", written.upper or "MAXVALUE"


def remarks(partition: PartitionStatus, zone: tzinfo) -> str:
    """Return remarks on one partition in a few words (pending, pinned, ...), or nothing."""
    found = []
    if partition.detached_at is not None:
        found.append(f"detached {minute(partition.detached_at, zone)}")
    if partition.pinned_until is not None:
        found.append(pin(partition.pinned_until, zone))
    if partition.unfinished:
        found.append(f"{partition.unfinished} interrupted")
    if partition.obstacles:
        found.append("cannot be attached as it is")
    return ", ".join(found)


def moment(value: datetime, zone: tzinfo) -> str:
    """Return the local date, and the time where that is not midnight.

    Minutes are enough unless seconds count; a time that the zone's clocks show twice gets its
    offset.
    """
    local = in_zone(value, zone)
    if local.timetz().replace(tzinfo=None) == time():
        return local.date().isoformat()
    text = local.replace(tzinfo=None).isoformat(" ")
    text = text.removesuffix(":00") if local.microsecond == 0 else text
    return f"{text}{local:%z}" if _is_ambiguous(local) else text


def minute(value: datetime, zone: tzinfo) -> str:
    """Return as moment() does when something happened, to the minute."""
    return moment(value.replace(second=0, microsecond=0), zone)


def pin(until: datetime, zone: tzinfo) -> str:
    """Return until when a partition is pinned, such as ``pinned until 2030-01-01``."""
    return "pinned for ever" if until >= FOR_EVER else f"pinned until {minute(until, zone)}"


def _is_ambiguous(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _two_largest(seconds: int) -> Iterator[str]:
    parts: list[str] = []
    for unit, count in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, seconds = divmod(seconds, count)
        if parts or amount:
            parts.append(f"{amount} {unit}")
    return (part for part in parts[:2] if not part.startswith("0 "))


def _padded(cell: str, wanted: int, *, is_right: bool) -> str:
    blank = " " * (wanted - width(cell))
    return blank + cell if is_right else cell + blank


def _width_of(character: str) -> int:
    if unicodedata.category(character) in WIDTHLESS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1
