"""Disks of a server that are full, really: a small one, a limit of the kernel, and /dev/full."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from deploy.local.privileges import unprivileged_account
from tests.faults.own_server import OwnServer
from tests.support.scenarios import execute

FILLER = "repeat('x', 7000)"

_LIMIT = """\
import resource, sys
pid, limit = map(int, sys.argv[1:])
_, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit if limit >= 0 else most, most))
"""


def on_a_small_disk(folder: Path, megabytes: int) -> Sequence[str]:
    """Return words that run a command with a disk of its own on ``folder``, which only it sees.

    The disk is gone with the command. Skips the test on a machine that lets nobody mount: neither
    root, nor others in a user namespace of their own. Root in continuous integration (``CI``) is
    expected to be able to, and fails the test instead.
    """
    account = unprivileged_account()
    options = f"size={megabytes}m,mode=0700"
    if account.uid is not None:
        options += f",uid={account.uid},gid={account.gid}"
    mount = f'mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))} && exec "$@"'
    words: tuple[str, ...] = ("unshare", "--mount", "sh", "-c", mount, "sh")
    if account.uid is None:
        ids = (f"--map-user={os.getuid()}", f"--map-group={os.getgid()}")
        words = ("unshare", "--user", "--map-root-user", *words[1:], "unshare", "--user", *ids)
    if not _succeeds((*words, "true")):
        is_expected = account.uid is not None and "CI" in os.environ
        end = pytest.fail if is_expected else pytest.skip
        end("this machine lets nobody mount a disk: tests/faults/test_full_disk.py has more")
    return words


def fill(tablespace: str) -> None:
    """Make a table ``ballast`` in the tablespace that leaves no room for another page."""
    execute(f"CREATE TABLE ballast (filler text) TABLESPACE {tablespace}")
    execute("ALTER TABLE ballast ALTER filler SET STORAGE PLAIN")
    for rows in (100, 1):
        with pytest.raises(DatabaseError, match="No space left on device"):
            _insert_forever(f"INSERT INTO ballast SELECT {FILLER} FROM generate_series(1, {rows})")


def _insert_forever(statement: str) -> None:
    while True:
        execute(statement)


@contextmanager
def files_limited(megabytes: int) -> Iterator[None]:
    """Let the server process of the default connection write no file beyond this size."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    _limit(pid, megabytes * 2**20)
    try:
        yield
    finally:
        _limit(pid, -1)


@contextmanager
def replaced_by_dev_full(table: str, server: OwnServer) -> Iterator[None]:
    """Put an empty table on a device that is always full."""
    execute(f"TRUNCATE {table}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('data_directory'), pg_relation_filepath(%s)", [table]
        )
        file = Path(*cursor.fetchone())
    kept = file.with_name(f"{file.name}.kept")
    with _stopped(server):
        file.rename(kept)
        file.symlink_to("/dev/full")
    try:
        yield
    finally:
        with _stopped(server):
            file.unlink()
            kept.rename(file)


@contextmanager
def _stopped(server: OwnServer) -> Iterator[None]:
    connection.close()
    server.stop()
    yield
    server.start()


def _limit(pid: int, limit: int) -> None:
    # The server's own account may do this without any capability.
    prefix = unprivileged_account().prefix
    subprocess.run([*prefix, sys.executable, "-c", _LIMIT, str(pid), str(limit)], check=True)


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
