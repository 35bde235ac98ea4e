"""Clients of the application: writers, readers and a reporter. Needs Django set up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import cycle
from typing import Any
from uuid import UUID

from django.db import Error, connection, models
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from proof.load.application import Client
from proof.load.models import TABLES, Account, Table
from proof.load.options import Options
from proof.load.samples import INSERT, LATE, StatementLog

ACCOUNTS = 500
LATE_SHARE = 0.05
LATE_PERIODS = 2
"""How many periods late a row is at most: fewer than stay attached."""

UPDATES_A_ROW = 0.2
READS_A_ROW = 0.15
NUMBERS_A_WRITER = 100_000_000
NO_UUID = UUID(int=0)


def clients(options: Options) -> dict[str, Client]:
    """Return the processes by name."""
    writers = {
        f"writer-{number}": Writer(number, options.rate / options.writers)
        for number in range(options.writers)
    }
    reads = options.rate * READS_A_ROW / options.readers
    readers = {f"reader-{number}": Reader(reads) for number in range(options.readers)}
    lengths = [options.report_seconds] * 3 + [options.long_report_seconds]
    reporter = Reporter(1 / options.report_every_seconds, lengths)
    return {**writers, **readers, "reporter": reporter}


class Writer:
    """Inserts rows, each with a number of its own, and updates what some of them refer to."""

    def __init__(self, number: int, rate: float) -> None:
        self.rate = rate
        self._number = number * NUMBERS_A_WRITER

    def warm_up(self) -> None:
        """Look at each table and update an account."""
        _look_at_all()
        _visit()

    def act(self, statement_log: StatementLog) -> None:
        """Insert a row, and now and then update an account."""
        table = random.choice(TABLES)
        self._number += 1
        late = random.random() < LATE_SHARE
        row = self._row(table, _late_moment(table) if late else _moment(table))
        _note(
            statement_log,
            LATE if late else INSERT,
            table,
            lambda: row.save(force_insert=True),
            self._number,
        )
        if random.random() < UPDATES_A_ROW:
            statement_log.timed("UPDATE", Account._meta.label_lower, _visit, errors=Error)

    def _row(self, table: Table, at: Any) -> models.Model:
        account = {"account_id": random.randint(1, ACCOUNTS)} if table.kind.has_account else {}
        row = table.model(at=at, number=self._number, note="x" * 80, **account)
        if table.kind.is_by_id:
            row.pk = table.id_at(at)
        return row


class Reader:
    """Reads in several ways."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._known: dict[str, Any] = {}
        """The newest id that was read of each table, by its label."""

    def warm_up(self) -> None:
        """Look at each table."""
        _look_at_all()

    def act(self, statement_log: StatementLog) -> None:
        """Run one of the queries on one of the tables."""
        queries: dict[str, tuple[int, Callable[[Table], object]]] = {
            "SELECT, recent": (10, self._recent),
            "SELECT, by id": (5, self._by_id),
            "SELECT, join": (4, _joined),
            "SELECT, count": (1, lambda table: table.rows.count()),
        }
        kind = random.choices(list(queries), [weight for weight, _ in queries.values()])[0]
        joins = [each for each in TABLES if each.kind.has_account]
        table = random.choice(joins if kind == "SELECT, join" else TABLES)
        _note(statement_log, kind, table, lambda: queries[kind][1](table))

    def _recent(self, table: Table) -> None:
        newest = list(_recent(table)[:20])
        if newest:
            self._known[table.label] = newest[0].pk

    def _by_id(self, table: Table) -> None:
        newest = self._known.get(table.label)
        if table.kind.is_by_id:
            table.rows.filter(pk=newest or NO_UUID).first()
        else:
            table.rows.filter(pk=random.randint(1, newest or 1)).first()


class Reporter:
    """Opens long transactions."""

    def __init__(self, rate: float, lengths: Sequence[float]) -> None:
        self.rate = rate
        self._lengths = cycle(lengths)

    def warm_up(self) -> None:
        """Look at each table."""
        _look_at_all()

    def act(self, statement_log: StatementLog) -> None:
        """Count one table, wait, and count it again in the same snapshot."""
        table = random.choice(TABLES)
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            if not _note(statement_log, "report, begins", table, table.rows.count):
                return
            time.sleep(next(self._lengths))
            if _note(statement_log, "report, ends", table, table.rows.count):
                cursor.execute("COMMIT")


def _note(
    statement_log: StatementLog,
    kind: str,
    table: Table,
    work: Callable[[], object],
    number: int = 0,
) -> bool:
    is_done = statement_log.timed(kind, table.label, work, number=number, errors=Error)
    if not is_done:
        connection.close()
    return is_done


def _moment(table: Table) -> Any:
    """Return this moment by the server's clock or by ours; an id is made by ours."""
    return timezone.now() if table.kind.is_by_id else random.choice((Now, timezone.now))()


def _late_moment(table: Table) -> Any:
    late: timedelta = random.random() * LATE_PERIODS * table.kind.length
    return _moment(table) - late


def _recent(table: Table) -> Any:
    return table.latest(timezone.now() - table.kind.length)


def _joined(table: Table) -> None:
    list(_recent(table).select_related("account")[:20])


def _visit() -> None:
    Account._default_manager.filter(pk=random.randint(1, ACCOUNTS)).update(visits=F("visits") + 1)


def _look_at_all() -> None:
    for each in TABLES:
        list(_recent(each)[:1])
        each.rows.filter(pk=NO_UUID if each.kind.is_by_id else 0).first()
