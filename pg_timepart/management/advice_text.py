"""Render advice on statements as lines of text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta, tzinfo

from pg_timepart.status import formatting
from pg_timepart.status.advice_types import StatementAdvice, TableAdvice
from pg_timepart.text import printable

SHORT_MS = 10

MOST_TEXT = 300
"""How many characters of a statement are shown; ``--json`` has all."""


def advice_lines(advice: TableAdvice, zone: tzinfo) -> Iterator[str]:
    """Yield what is advised on the statements of one table."""
    yield f"{advice.label}: {_summary(advice, zone)}"
    yield from (f"  ! {printable(str(each))}" for each in advice.problems)
    for each in advice.statements:
        yield ""
        yield from _statement_lines(each)
    if advice.notes:
        yield ""
    yield from (f"  note: {printable(str(each))}" for each in advice.notes)


def _summary(advice: TableAdvice, zone: tzinfo) -> str:
    if advice.problems:
        return "nothing can be said"
    since = f" since {formatting.minute(advice.since, zone)}" if advice.since else ""
    return (
        f"{len(advice.statements)} of {advice.examined} statements recorded{since} ask all"
        " partitions"
    )


def _statement_lines(advice: StatementAdvice) -> Iterator[str]:
    total, mean = (_duration(each) for each in (advice.total_ms, advice.mean_ms))
    yield (f"  {advice.calls} calls, {total} in all, {mean} each; {advice.partitions} partitions")
    yield f"    {_shortened(' '.join(advice.query.split()))}"
    yield f"    {printable(advice.sentence)}"


def _shortened(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= MOST_TEXT else f"{shown[:MOST_TEXT]} ..."


def _duration(ms: float) -> str:
    is_short = ms < SHORT_MS
    return f"{ms:.1f} ms" if is_short else formatting.duration(timedelta(milliseconds=ms))
