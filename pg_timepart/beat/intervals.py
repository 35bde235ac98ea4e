"""Intervals between the passes of a table, from the size of its partitions."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from pg_timepart.errors import InvalidPolicy
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.periods import Period

NICE_SECONDS = (15, 30, 60, 300, 900, 1_800, 3_600, 21_600, 43_200, 86_400)
"""Possible intervals in seconds; at most a day, so that a failure shows within one."""


def default_seconds(config: PartitionConfig) -> int:
    """Return the interval between the passes of a table, in seconds.

    At least two passes a period, and enough that the runway stays above half of ``premake`` even if
    a run is missed. A config that cannot be used is checked once an hour.
    """
    try:
        policy = config.policy()
        length = _shortest_length(policy.period, policy.zone)
    except InvalidPolicy:
        return 3_600
    limit = min(length / 2, length * policy.premake / 4)
    return max((each for each in NICE_SECONDS if each <= limit), default=NICE_SECONDS[0])


def patience(config: PartitionConfig) -> timedelta:
    """Return how long a table may go without a pass where beat has no schedule for it.

    Two periods, and two days at least. A config that cannot be used has the two days.
    """
    try:
        policy = config.policy()
        length = _shortest_length(policy.period, policy.zone)
    except InvalidPolicy:
        length = 0
    return max(timedelta(days=2), 2 * timedelta(seconds=length))


def is_due(config: PartitionConfig, now: datetime, early_seconds: float = 0.0) -> bool:
    """Return whether the last check of the table is longer ago than its default interval.

    Also if it will be within ``early_seconds``.
    """
    if config.last_checked_at is None or config.last_checked_at > now:
        return True
    wait = timedelta(seconds=default_seconds(config) - early_seconds)
    return config.last_checked_at + wait <= now


def _shortest_length(period: Period, zone: tzinfo) -> float:
    """Return the length of a period in seconds, taken in February 2023, the shortest of months."""
    moment = datetime(2023, 2, 14, 12, tzinfo=zone)
    bounds = period.bounds_at(moment, zone)
    assert bounds.start is not None  # noqa: S101
    assert bounds.end is not None  # noqa: S101
    return (bounds.end - bounds.start).total_seconds()
