"""A streaming standby of a server of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from deploy.local import Server, start_postgres, stop
from deploy.local.binaries import find_postgres
from deploy.local.privileges import unprivileged_account
from tests.faults.own_server import OwnServer
from tests.support.other_database import ask
from tests.support.processes import wait_until


@contextmanager
def standby_of(primary: OwnServer, folder: Path, archive_folder: Path) -> Iterator[Server]:
    """Copy the primary with its archive into ``folder``, and run the copy as its hot standby.

    The primary is stopped for the copy: not every PostgreSQL comes with pg_basebackup.
    """
    account = unprivileged_account()
    folder.mkdir(mode=0o700)
    account.own(folder)
    data = _data_of(folder)
    connection.close()
    primary.stop()
    _run("cp", "-a", primary.folder / "password", _data_of(primary.folder), folder)
    _run("cp", "-a", archive_folder, folder / "archive")
    primary.start()
    for link in (data / "pg_tblspc").iterdir():
        assert link.readlink() == archive_folder
        _run("ln", "-sfn", folder / "archive", link)
    _write(data / "standby.signal", "")
    _write(data / "postgresql.auto.conf", f"primary_conninfo = '{primary.url}'\n")
    running = start_postgres(folder, durable=True)
    try:
        yield running
    finally:
        stop(running)


def _data_of(folder: Path) -> Path:
    return folder / f"data-{find_postgres().major}"


def _run(*command: str | Path) -> None:
    """Run it as the account that the servers have."""
    subprocess.run([*unprivileged_account().prefix, *command], check=True, capture_output=True)


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    unprivileged_account().own(file)


def wait_for_replay(primary: OwnServer, standby: Server) -> None:
    """Wait until the standby has all that the primary has written until now."""
    written = ask(primary.url, "SELECT pg_current_wal_flush_lsn()")
    query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    wait_until(lambda: ask(standby.url, query, written))


def promote(standby: Server) -> None:
    """Make the standby a primary, and return when it takes writes."""
    assert ask(standby.url, "SELECT pg_promote(true, 30)") is True
