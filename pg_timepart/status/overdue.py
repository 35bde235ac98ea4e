"""Findings about scheduled passes that have not come in time."""

from __future__ import annotations

from datetime import datetime

from pg_timepart import conf
from pg_timepart.beat.timetable import Delay
from pg_timepart.findings import Code, Finding
from pg_timepart.models import PartitionConfig

_SENTENCES = {
    Code.NO_SCHEDULE: (
        "No entry of beat sends its passes. One is made when beat starts, by migrate, and when its"
        " config is saved."
    ),
    Code.SCHEDULE_OFF: (
        "Its entry in beat, {entry!r}, is switched off or over: no schedule makes or retires"
        " partitions until it is switched on."
    ),
    Code.PASS_NOT_SENT: (
        "Its scheduled pass is overdue: it should have come {due}, and beat has not sent it"
        " ({sent}). See that beat runs and reads its schedules from the database, and that a"
        " worker takes the queue {queue!r}."
    ),
    Code.PASS_NOT_TAKEN: (
        "Its scheduled pass is overdue: it should have come {due}. Beat sends it ({sent}), and no"
        " worker runs it: see that one takes the queue {queue!r}, and is not busy with other tasks."
    ),
    Code.NO_PASS: (
        "No pass has run since {seen}, for longer than two partitions span. Beat is not installed"
        " here: see that whatever runs timepart maintain in its place, such as cron, does."
    ),
}


def overdue(config: PartitionConfig, delay: Delay) -> Finding:
    """Return the finding that no scheduled pass will come, or that it is late."""
    words = {
        "due": _moment(delay.due_at),
        "sent": f"the last one was sent {_moment(delay.sent_at)}" if delay.sent_at else "never did",
        "seen": _moment(config.last_checked_at),
        "queue": delay.queue,
        "entry": delay.entry,
    }
    return Finding(delay.code, _SENTENCES[delay.code].format(**words))


def _moment(moment: datetime | None) -> str:
    return conf.local_time(moment) if moment else "never"
