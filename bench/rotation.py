"""Benchmark of one rotation beside a busy application and a report open on the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import median

from django.db import models

from bench.application import Job, Traffic, busy, open_report
from bench.database import execute, tables_of
from bench.models import Customer, Event, Sale
from bench.sizes import Sizes
from bench.table import Table, milliseconds, ratio
from pg_timepart.errors import OperationDeferred
from pg_timepart.models import PartitionLog

PREPARED_DAYS = 30
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A partitioned table and the application that uses it."""

    title: str
    model: type[models.Model]
    others: tuple[type[models.Model], ...]
    """Models that must have tables before it."""

    fill: tuple[str, ...]
    """Statements that put rows into the tables."""

    jobs: tuple[Job, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the application's processes do, each kind once."""
        return tuple(dict.fromkeys(job.kind for job in self.jobs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One rotation, and the quiet time of the same length after it."""

    began: float
    ended: float
    retries: int
    """How often an operation gave way to the report and was asked for again."""

    @property
    def seconds(self) -> float:
        """How long the rotation took."""
        return self.ended - self.began

    def worst(self, traffic: Traffic, kind: str) -> float:
        """Return the worst that the application saw during the rotation."""
        return traffic.worst(kind, self.began, self.ended)

    def quiet_worst(self, traffic: Traffic, kind: str) -> float:
        """Return the worst that it saw in the quiet time."""
        return traffic.worst(kind, self.ended, self.ended + self.seconds)


_RECENT = "timestamp > now() - interval '1 minute' ORDER BY timestamp DESC LIMIT 20"
_PAST = f"SELECT now() - n % {PREPARED_DAYS} * interval '1 day'"

SCENES = (
    Case(
        title="one table, 4 processes inserting and 2 reading",
        model=Event,
        others=(),
        fill=(
            (
                "INSERT INTO bench_event (timestamp, kind, payload)"
                f" {_PAST}, 'old', repeat('x', 100) FROM generate_series(1, 30000) n"
            ),
        ),
        jobs=(
            Job(
                kind="INSERT",
                statement="INSERT INTO bench_event (timestamp, kind, payload)"
                " VALUES (now(), 'new', 'x')",
            ),
        )
        * 4
        + (Job(kind="SELECT", statement=f"SELECT * FROM bench_event WHERE {_RECENT}"),) * 2,
    ),
    Case(
        title="a table with a foreign key, 2 processes inserting, 2 writing its target, 2 reading",
        model=Sale,
        others=(Customer,),
        fill=(
            "INSERT INTO bench_customer (visits) SELECT 0 FROM generate_series(1, 1000)",
            (
                "INSERT INTO bench_sale (timestamp, customer_id, note)"
                f" {_PAST}, 1 + n % 1000, repeat('x', 100) FROM generate_series(1, 30000) n"
            ),
        ),
        jobs=(
            Job(
                kind="INSERT",
                statement="INSERT INTO bench_sale (timestamp, customer_id, note)"
                " VALUES (now(), 1 + floor(random() * 1000), 'x')",
            ),
        )
        * 2
        + (
            Job(
                kind="UPDATE",
                statement="UPDATE bench_customer SET visits = visits + 1"
                " WHERE id = (SELECT 1 + floor(random() * 1000)::int)",
            ),
        )
        * 2
        + (Job(kind="SELECT", statement=f"SELECT * FROM bench_sale WHERE {_RECENT}"),) * 2,
    ),
)


def measure(sizes: Sizes) -> Iterator[Table]:
    """Yield for each scene the worst of each round beside its quiet time."""
    for case in SCENES:
        with tables_of(*case.others, case.model):
            yield _case(case, sizes)


def _case(case: Case, sizes: Sizes) -> Table:
    _prepare(case)
    with busy(case.jobs) as traffic:
        time.sleep(WARM_UP_SECONDS)
        rounds = [_round(case, sizes.report_seconds) for _ in range(sizes.rounds)]
    return _table(case, sizes, traffic, rounds)


def _prepare(case: Case) -> None:
    manager = case.model.partitioning  # type: ignore[attr-defined]
    now = datetime.now(UTC)
    manager.create_range(now - timedelta(days=PREPARED_DAYS), now + timedelta(days=4))
    for statement in case.fill:
        execute(statement)
    execute("ANALYZE")


def _round(case: Case, report_seconds: float) -> Round:
    with open_report(f"SELECT count(*) FROM {case.model._meta.db_table}", report_seconds):
        began = time.monotonic()
        retries = _rotate(case.model)
    ended = time.monotonic()
    time.sleep(ended - began)
    return Round(began=began, ended=ended, retries=retries)


def _rotate(model: type[models.Model]) -> int:
    """Create one, retire one, attach it back, retire it again and drop it; count the retries."""
    manager = model.partitioning  # type: ignore[attr-defined]
    oldest: PartitionLog = manager.config.logs.order_by("end")[0]
    return sum(
        _until_done(operation)
        for operation in (
            lambda: manager.create_partition(0),
            lambda: manager.detach_partition(oldest),
            lambda: manager.attach_partition(oldest),
            lambda: manager.detach_partition(oldest),
            lambda: manager.delete_partition(oldest),
        )
    )


def _until_done(operation: Callable[[], object]) -> int:
    for retries in count():
        with suppress(OperationDeferred):
            operation()
            return retries
    raise AssertionError


def _table(case: Case, sizes: Sizes, traffic: Traffic, rounds: list[Round]) -> Table:
    pairs = {kind: [_pair(each, traffic, kind) for each in rounds] for kind in case.kinds}
    lengths = ", ".join(f"{each.seconds:.1f} s" for each in rounds)
    return Table(
        title=f"Worst statement during a rotation: {case.title}",
        headers=("", "ratio", "rotation", "quiet", "each round"),
        rows=tuple(_row(kind, pairs[kind]) for kind in case.kinds),
        notes=(
            (
                f"Medians of {sizes.rounds} rounds, each with a report open for"
                f" {sizes.report_seconds:g} s. Aim: a ratio of at most 2.00 and no errors."
            ),
            (
                f"Rotations took {lengths}, with {sum(each.retries for each in rounds)} retries;"
                f" the application ran {len(traffic.account.samples)} statements,"
                f" {len(traffic.account.errors)} with an error."
            ),
            *sorted(set(traffic.account.errors)),
        ),
    )


def _pair(each: Round, traffic: Traffic, kind: str) -> tuple[float, float]:
    return each.worst(traffic, kind), each.quiet_worst(traffic, kind)


def _row(kind: str, pairs: list[tuple[float, float]]) -> tuple[str, ...]:
    rotation, quiet = (median(times) for times in zip(*pairs, strict=True))
    rounds = "  ".join(f"{busy * 1000:.1f}/{still * 1000:.1f}" for busy, still in pairs)
    return (kind, ratio(rotation, quiet), milliseconds(rotation), milliseconds(quiet), rounds)
