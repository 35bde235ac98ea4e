"""Format values for the admin's pages. Everything that comes back is plain, unescaped text."""

from __future__ import annotations

from datetime import datetime, timedelta

from pg_timepart import conf
from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.periods import period_in_words
from pg_timepart.partitions.time_zones import in_zone
from pg_timepart.status import PartitionStatus, TableStatus, formatting

NOTHING = "-"


def minute(moment: datetime | None) -> str:
    """Return a local date and time to the minute, in the zone of the partitions."""
    return NOTHING if moment is None else formatting.minute(moment, conf.zone())


def moment(moment: datetime | None) -> str:
    """Return a local date, and the time where that is not midnight."""
    return NOTHING if moment is None else formatting.moment(moment, conf.zone())


def bounds(limits: Bounds | None) -> str:
    """Return both ends of a range; a default partition has none."""
    return formatting.bounds(limits, conf.zone())


def literals(written: BoundLiterals | None) -> tuple[str, ...]:
    """Return both bounds as values of the key, or none where the moments say the same."""
    return formatting.literals(written)


def duration(span: timedelta | None) -> str:
    """Return the two largest units of a duration."""
    return NOTHING if span is None else formatting.duration(span)


def seconds(count: float) -> str:
    """Return a number of seconds as a duration."""
    return formatting.duration(timedelta(seconds=count))


def size(count: int | None) -> str:
    """Return a number of bytes, in units of 1024."""
    return formatting.size(count)


def rows(estimate: int | None) -> str:
    """Return an estimated number of rows, or ``?`` where nobody has counted."""
    return "?" if estimate is None else f"~{estimate:,}"


def runway(status: TableStatus) -> str:
    """Return for how long INSERTs will succeed."""
    if status.read_at is None:
        return "unknown"
    return "without end" if status.runway is None else formatting.duration(status.runway)


def retention(period: str, count: int, interval: int | None, drop_after: timedelta | None) -> str:
    """Return how long partitions stay attached, and then kept."""
    if interval is None:
        return "all stay attached"
    one = period if count == 1 else f"{count}-{period} period"
    kept = f"{period_in_words(one, interval)} attached"
    return kept if drop_after is None else f"{kept}, dropped {duration(drop_after)} after"


def remarks(partition: PartitionStatus) -> str:
    """Return what is special about one partition."""
    return formatting.remarks(partition, conf.zone())


def day(value: datetime) -> str:
    """Return the local date alone."""
    return in_zone(value, conf.zone()).date().isoformat()
