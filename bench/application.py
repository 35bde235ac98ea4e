"""Application under measurement: processes that write and read, and time each statement."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection

import django
from django.db import DatabaseError, connection

PAUSE_SECONDS = 0.004
"""Between two statements of one process, so that two cores are busy and not saturated."""

_SPAWN = get_context("spawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process does all the time."""

    kind: str
    """``INSERT``, ``UPDATE`` or ``SELECT``: what its times are shown as."""

    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One statement that the application waited for."""

    kind: str
    started: float
    """By ``time.monotonic``, whose clock the processes of a machine share."""

    seconds: float


@dataclass(slots=True)
class Account:
    """What one process has seen."""

    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Traffic:
    """The running processes, and once they have ended what they saw together."""

    account: Account = field(default_factory=Account)

    def worst(self, kind: str, begin: float, end: float) -> float:
        """Return the longest that a statement of this kind took which ran within the window."""
        return max(
            (
                each.seconds
                for each in self.account.samples
                if each.kind == kind and each.started < end and each.started + each.seconds > begin
            ),
            default=0.0,
        )

    def count(self, begin: float, end: float) -> int:
        """Return how many statements began within the window."""
        return sum(begin <= each.started < end for each in self.account.samples)


@contextmanager
def busy(jobs: Sequence[Job]) -> Iterator[Traffic]:
    """Run one process a job for as long as the block runs; the account is there afterwards."""
    traffic = Traffic()
    ends = [_start(job) for job in jobs]
    for end in ends:
        end.recv()
    try:
        yield traffic
    finally:
        for end in ends:
            end.send("stop")
        for end in ends:
            seen: Account = end.recv()
            traffic.account.samples += seen.samples
            traffic.account.errors += seen.errors


@contextmanager
def open_report(statement: str, seconds: float) -> Iterator[None]:
    """Keep a transaction and its snapshot open that has read with ``statement``, elsewhere."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_report, args=(statement, seconds, theirs), daemon=True)
    process.start()
    ours.recv()
    try:
        yield
    finally:
        process.join()


def _start(job: Job) -> Connection:
    ours, theirs = _SPAWN.Pipe()
    _SPAWN.Process(target=_work, args=(job, theirs), daemon=True).start()
    return ours


def _work(job: Job, orders: Connection) -> None:
    """Run the statement again and again until told to stop, then send the account."""
    _set_up()
    account = Account()
    _run(job, Account())
    orders.send("ready")
    while not orders.poll():
        _run(job, account)
        time.sleep(PAUSE_SECONDS)
    orders.send(account)


def _run(job: Job, account: Account) -> None:
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute(job.statement)
    except DatabaseError as error:
        account.errors.append(f"{job.kind}: {error}".strip())
    taken = time.monotonic() - started
    account.samples.append(Sample(kind=job.kind, started=started, seconds=taken))


def _report(statement: str, seconds: float, orders: Connection) -> None:
    _set_up()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(statement)
        orders.send("open")
        time.sleep(seconds)
        cursor.execute("COMMIT")


def _set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    django.setup()
