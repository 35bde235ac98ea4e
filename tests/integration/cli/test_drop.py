"""``timepart drop``: nothing goes without a yes."""

from __future__ import annotations

import datetime as dt
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable

import pytest

from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.checkout import CHECKOUT
from tests.support.command_line import environment, program, run_timepart, timepart
from tests.support.database import Database

PROMPT = "Type yes to drop them: "


@pytest.fixture
def detached(database: Database) -> PartitionLog:
    """A detached partition with three rows, counted."""
    database.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01")
    for _ in range(3):
        Ship.objects.create(sailed_at=dt.datetime(2001, 1, 5, tzinfo=dt.UTC))
    log = database.log(Ship, "2001-01-01")
    database.execute(f"ANALYZE {log.table_name}")
    Ship.partitioning.detach_partition(log)
    return log


def answer(
    text: str, *arguments: str, meanwhile: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """Run the command at a terminal, type ``text`` when it asks, return status and screen.

    ``meanwhile`` is done while it waits for an answer.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        program(*arguments),
        env=environment(),
        cwd=CHECKOUT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    try:
        screen = read_until(ours, PROMPT)
        meanwhile()
        os.write(ours, f"{text}\n".encode())
        screen += read_until(ours, None)
        return process.wait(30), screen
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, text: str | None) -> str:
    """Return what appears up to ``text``, or up to the end of the process."""
    seen, deadline = b"", time.monotonic() + 30
    while text is None or text.encode() not in seen:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, f"still waiting for {text!r} after {seen!r}"
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other side is closed
            piece = b""
        if not piece:
            break
        seen += piece
    return seen.decode()


def test_it_names_tables_sizes_and_rows_and_asks(
    database: Database, detached: PartitionLog
) -> None:
    status, screen = answer("yes", "drop", "fleet.ship", "--partition", detached.table_name)
    assert status == 0
    (row,) = (line for line in screen.splitlines() if line.startswith(detached.table_name))
    assert "2001-01-01 .. 2001-02-01  detached" in row
    assert "24.0 kB" in row
    assert "~3" in row
    assert f"dropped {detached.table_name}, " in screen
    assert not database.exists(detached.table_name)


@pytest.mark.parametrize("text", ["", "no", "y", "YES"])
def test_anything_but_yes_drops_nothing(
    database: Database, detached: PartitionLog, text: str
) -> None:
    status, screen = answer(text, "drop", "fleet.ship", "--partition", detached.table_name)
    assert status == 1
    assert "Nothing was dropped." in screen
    assert database.exists(detached.table_name)


def test_without_a_terminal_it_refuses(database: Database, detached: PartitionLog) -> None:
    ended = run_timepart("drop", "fleet.ship", "--partition", detached.table_name)
    assert ended.status == 1
    assert "Nobody is there to ask: add --yes" in ended.error
    assert database.exists(detached.table_name)


def test_with_yes_it_does_not_ask(database: Database, detached: PartitionLog) -> None:
    ended = run_timepart("drop", "fleet.ship", "--partition", detached.table_name, "--yes")
    assert (ended.status, ended.error) == (0, "")
    assert not database.exists(detached.table_name)
    assert [each.table_name for each in database.logs(Ship)] == [
        database.log(Ship, "2001-02-01").table_name
    ]


def test_an_attached_partition_is_refused_before_anything_is_dropped(
    database: Database, detached: PartitionLog
) -> None:
    attached = database.log(Ship, "2001-02-01").table_name
    ended = timepart("drop", "fleet.ship", "--partition", detached.table_name, attached, "--yes")
    assert ended.status == 1
    assert f"{attached} is attached: only what was detached first can be dropped." in ended.error
    assert database.exists(detached.table_name)


def test_the_grace_of_the_config_holds_here_too(database: Database, detached: PartitionLog) -> None:
    database.configure(Ship, drop_after=dt.timedelta(days=30))
    ended = timepart("drop", "fleet.ship", "--partition", detached.table_name, "--yes")
    assert ended.status == 1
    assert "is kept until" in ended.out
    assert database.exists(detached.table_name)


def test_json_stays_json_at_a_terminal(database: Database, detached: PartitionLog) -> None:
    ended = timepart("drop", "fleet.ship", "--partition", detached.table_name, "--yes", "--json")
    (action,) = ended.json[0]["actions"]
    assert (action["action"], action["outcome"]) == ("drop", "done")
