"""A streaming standby of a server of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import Server, start_postgres, stop
from deploy.local.binaries import find_postgres
from deploy.local.privileges import unprivileged_account
from tests.databases import ask
from tests.faults.own_server import OwnServer
from tests.processes import wait_until


@contextmanager
def standby_of(primary: OwnServer, folder: Path, archive_folder: Path) -> Iterator[Server]:
    """Copy the primary with its archive into ``folder``, and run the copy as its hot standby."""
    programs, account = find_postgres(), unprivileged_account()
    folder.mkdir(mode=0o700)
    password = folder / "password"
    password.write_text((primary.folder / "password").read_text())
    for each in (folder, password):
        account.own(each)
    command = [
        *(*account.prefix, programs.path("pg_basebackup"), f"--dbname={primary.url}"),
        *(f"--pgdata={folder / f'data-{programs.major}'}", "--write-recovery-conf"),
        f"--tablespace-mapping={archive_folder}={folder / 'archive'}",
        *("--checkpoint=fast", "--wal-method=stream", "--no-sync"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    running = start_postgres(folder, durable=True)
    try:
        yield running
    finally:
        stop(running)


def wait_for_replay(primary: OwnServer, standby: Server) -> None:
    """Wait until the standby has all that the primary has written until now."""
    written = ask(primary.url, "SELECT pg_current_wal_flush_lsn()")
    query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    wait_until(lambda: ask(standby.url, query, written))


def promote(standby: Server) -> None:
    """Make the standby a primary, and return when it takes writes."""
    assert ask(standby.url, "SELECT pg_promote(true, 30)") is True
