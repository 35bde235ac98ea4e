"""Other processes with connections of their own: workers to race, to block and to kill.

A process is forked from the warm one, which is quick. It must not inherit an open connection: both
would talk on the same socket. ``fork`` sees to that.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from pg_timepart.errors import TimepartError
from pg_timepart.postgres.search_path import SAFE_PATH

_fork = get_context("fork")

barrier = _fork.Barrier
event = _fork.Event
shared_number = partial(_fork.Value, "i")
KILLED = -signal.SIGKILL
_CATALOG_PATH = f"SET LOCAL search_path = {SAFE_PATH}; "

Act = Callable[[str, BaseDatabaseWrapper], object]
"""What to do at a point: gets the statement there, and the connection that runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """How work ended that was interrupted by a fault."""

    place: str | None
    """The statement; None where the work ended before it got to the point."""

    error: Exception | None
    """What the work raised."""


class Worker:
    """A forked process; ``ask`` gets what its work returned."""

    def __init__(self, work: Callable[[], Any], application: str) -> None:
        self._answers, theirs = _fork.Pipe(duplex=False)
        connections.close_all()
        self.process: BaseProcess = _fork.Process(target=_run, args=(work, application, theirs))
        self.process.start()
        theirs.close()

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join(10)

    def result(self, timeout_seconds: float = 30.0) -> Any:
        """Wait for its end and return what the work returned; raise what it raised."""
        try:
            if not self._answers.poll(timeout_seconds):
                raise AssertionError(f"the worker did not end within {timeout_seconds} s")
            answer = self._answers.recv()
        finally:
            self.close()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def ending(self, timeout_seconds: float = 30.0) -> int | None:
        """Wait for its end and return its exit code: 0, or KILLED."""
        self.process.join(timeout_seconds)
        code = self.process.exitcode
        self.close()
        return code

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.exitcode is None:
            self.process.join(5)
        if self.process.exitcode is None:
            self.kill()


@contextmanager
def forked(work: Callable[[], Any], application: str) -> Iterator[Worker]:
    """Run ``work`` in another process, by connections of this application name."""
    worker = Worker(work, application)
    try:
        yield worker
    finally:
        if worker.process.exitcode is None:
            worker.kill()


def killed_at(point: int, work: Callable[[], Any], application: str) -> tuple[int | None, str]:
    """Run ``work`` in a process that kills itself when it gets to the ``point``.

    Return its exit code, and the statement that it died at. Points are before each statement that
    changes or locks something, and after each in a transaction, which is before its commit; the
    moment after a commit is the one before the next statement, for nothing changes between reads.
    Connections that the work opens by itself count as well.
    """
    receiving, sending = _fork.Pipe(duplex=False)
    worker = Worker(lambda: _with_failpoint(point, work, sending), application)
    sending.close()
    code = worker.ending()
    try:
        words = receiving.recv() if receiving.poll() else ""
    except EOFError:
        words = ""
    return code, words


def interrupted_at(point: int | str, work: Callable[[], Any], act: Act) -> Interruption:
    """Do ``work`` in this process, and ``act`` when it gets to the ``point``; see ``killed_at``.

    A point may also be words: the first statement, with its "before" or "after", that has them.
    Errors of the database, and reports of it, that the work then raises are returned.
    """
    places: list[str] = []

    def interrupt(where: str, connection: BaseDatabaseWrapper) -> None:
        places.append(where)
        act(where, connection)

    error: Exception | None = None
    with _failpoint(point, interrupt):
        try:
            work()
        except (DatabaseError, InterfaceError, TimepartError) as caught:
            error = caught
    close_old_connections()  # as Django does after a request, and Celery after a task
    return Interruption(place=places[0] if places else None, error=error)


def die_at(words: str, work: Callable[[], Any]) -> None:
    """Do ``work``, and leave it as a dying worker does, at the first statement that has the words.

    What it wrote before is committed, and what a transaction had open is rolled back. In this
    process: cheaper than ``killed_at``, but blocks that clean up are run.
    """

    def die(_where: str, _connection: BaseDatabaseWrapper) -> None:
        raise SystemExit(words)

    try:
        interrupted_at(words, work, die)
    except SystemExit:
        return
    raise AssertionError(f"the work did not get to {words!r}")


def wait_until(condition: Callable[[], Any], timeout_seconds: float = 10.0) -> Any:
    """Return the first true answer of ``condition``; fail if there is none in time."""
    deadline = time.monotonic() + timeout_seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
    return answer


def wait_until_gone(application: str) -> None:
    """Wait until the server has noticed that a killed client is dead."""
    wait_until(lambda: not backends(application))


def backends(application: str) -> list[int]:
    """Return the server processes that serve connections of this application name."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            [application],
        )
        return [pid for (pid,) in cursor.fetchall()]


def terminate(connection: BaseDatabaseWrapper) -> None:
    """End the server process of a connection of ours, and wait until it is gone."""
    pid = connection.connection.info.backend_pid
    with session("executioner") as executioner:
        executioner.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        assert executioner.fetchone() == (True,), "it did not end"


def terminate_backends(application: str) -> None:
    """End them as a crash of the server process would, and wait until they are gone."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            [application],
        )
    wait_until_gone(application)


@contextmanager
def session(application: str, alias: str = "default") -> Iterator[Any]:
    """Open a second connection of this process, in autocommit, and give its cursor."""
    connection = connections[alias].copy()
    _name(connection, application)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _run(work: Callable[[], Any], application: str, answers: Connection) -> None:
    for connection in connections.all(initialized_only=True):
        _name(connection, application)
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - the process that asked raises it again
        answer = error
    finally:
        connections.close_all()
    answers.send(answer)


def _name(connection: BaseDatabaseWrapper, application: str) -> None:
    options = connection.settings_dict.setdefault("OPTIONS", {})
    options["application_name"] = application


def _with_failpoint(point: int, work: Callable[[], Any], words: Connection) -> None:
    def die(where: str, _connection: BaseDatabaseWrapper) -> None:
        words.send(where)
        os.kill(os.getpid(), signal.SIGKILL)

    with _failpoint(point, die):
        work()


def points_of(work: Callable[[], Any]) -> list[str]:
    """Do ``work`` in this process; return what is at each of its points, see ``killed_at``."""
    with _failpoint(0, lambda _where, _connection: None) as failpoint:
        work()
    return failpoint.passed


@contextmanager
def _failpoint(point: int | str, act: Act) -> Iterator[_Failpoint]:
    """Have ``act`` done at the ``point`` of what the block does."""
    connections.close_all()  # each is opened anew and then watched
    failpoint = _Failpoint(point, act)
    connection_created.connect(failpoint.install)
    try:
        yield failpoint
    finally:
        connection_created.disconnect(failpoint.install)
        failpoint.remove()


class _Failpoint:
    """Counts points over all connections of the process, and acts at the fatal one."""

    def __init__(self, fatal: int | str, act: Act) -> None:
        self._fatal, self._act = fatal, act
        self.passed: list[str] = []
        self._is_over = False

    def install(self, *, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.append(self)

    def remove(self) -> None:
        for each in connections.all(initialized_only=True):
            if self in each.execute_wrappers:
                each.execute_wrappers.remove(self)

    def __call__(
        self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        statement = " ".join(str(sql).split())
        if _only_reads(statement):
            return execute(sql, params, many, context)
        self._pass(f"before {statement}", context["connection"])
        result = execute(sql, params, many, context)
        if context["connection"].in_atomic_block:
            self._pass(f"after {statement}", context["connection"])
        return result

    def _pass(self, where: str, connection: BaseDatabaseWrapper) -> None:
        self.passed.append(where)
        if not self._is_over and self._is_fatal(where):
            self._is_over = True
            self._act(where[:150], connection)

    def _is_fatal(self, where: str) -> bool:
        if isinstance(self._fatal, str):
            return self._fatal in where
        return self._fatal == len(self.passed)


def _only_reads(statement: str) -> bool:
    read = statement.removeprefix(_CATALOG_PATH)
    return read.startswith(("SELECT", "WITH")) and "advisory" not in read
