"""A PostgreSQL server of one's own."""

from __future__ import annotations

import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from . import server
from .binaries import PostgresPrograms, find_postgres
from .errors import ServiceError
from .ports import HOST
from .privileges import Account, unprivileged_account

_FAST_SHUTDOWN = signal.SIGINT
_IMMEDIATE_SHUTDOWN = signal.SIGQUIT
_FIRST_WITH_IN_PLACE_TABLESPACES = 15
# Lines of postmaster.pid, counted from 0.
_PORT_LINE = 3
_READY_LINE = 7

_SETTINGS = {
    "listen_addresses": HOST,
    # A socket's path is limited to 107 bytes, which the folder of a checkout may exceed.
    "unix_socket_directories": "",
    "max_connections": "200",
    # One transaction of the tests may touch hundreds of partitions.
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
_QUICK_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start_postgres(
    folder: Path,
    *,
    version: str | None = None,
    port: int | None = None,
    durable: bool = False,
    settings: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
) -> server.Server:
    """Start PostgreSQL with its data in ``folder`` and return it when it accepts connections.

    ``version`` is as find_postgres says. ``durable`` keeps what is committed over a crash of the
    machine, as a server in production does; without it, commits are quicker. ``settings`` go
    before those that every server here has. ``within`` are words to put before the command of
    the server, such as those that give it a file system of its own.

    Raises ServiceError when there is no such version, when the cluster cannot be made, or when the
    server does not start.
    """
    programs = find_postgres(version)
    account = unprivileged_account()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    account.own(folder)
    # Major versions cannot read each other's data.
    data = folder / f"data-{programs.major}"
    password = _password(folder, account)
    if not (data / "PG_VERSION").exists():
        _initialise(programs, account, data)
    chosen = _settings(programs, durable) | dict(settings or {})
    launch = server.Launch(
        name=f"PostgreSQL {programs.major}",
        folder=folder,
        account=replace(account, prefix=(*within, *account.prefix)),
        command=lambda port: _command(programs, data, chosen | {"port": str(port)}),
        url=lambda port: f"postgresql://postgres:{password}@{HOST}:{port}/postgres",
        is_ready=lambda port: _is_ready(data, port),
        stop_signals=(_FAST_SHUTDOWN, _IMMEDIATE_SHUTDOWN),
    )
    return server.start(launch, port)


def _settings(programs: PostgresPrograms, durable: bool) -> dict[str, str]:
    settings = dict(_SETTINGS)
    if programs.major >= _FIRST_WITH_IN_PLACE_TABLESPACES:
        settings["allow_in_place_tablespaces"] = "on"
    # Where the build has it: `timepart advise` reads it, and a database makes the extension.
    if programs.has_library("pg_stat_statements"):
        settings["shared_preload_libraries"] = "pg_stat_statements"
    return settings if durable else settings | _QUICK_SETTINGS


def _command(programs: PostgresPrograms, data: Path, settings: dict[str, str]) -> Sequence[str]:
    options = [f"--{name}={value}" for name, value in settings.items()]
    return [programs.path("postgres"), "-D", str(data), *options]


def _initialise(programs: PostgresPrograms, account: Account, data: Path) -> None:
    command = [
        *account.prefix,
        programs.path("initdb"),
        f"--pgdata={data}",
        f"--pwfile={_password_file(data.parent)}",
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]
    log = data.parent / "initdb.log"
    with log.open("wb") as output:
        done = subprocess.run(
            command,
            cwd=data.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise ServiceError(
            f"initdb of PostgreSQL {programs.major} failed. {server.last_words(log)}"
        )


def _password(folder: Path, account: Account) -> str:
    file = _password_file(folder)
    if not file.exists():
        file.touch(mode=0o600)
        account.own(file)
        file.write_text(secrets.token_hex(16))
    return file.read_text()


def _password_file(folder: Path) -> Path:
    return folder / "password"


def _is_ready(data: Path, port: int) -> bool:
    """Return whether the postmaster has written into its pid file that it is ready on ``port``."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    if len(lines) <= _READY_LINE:
        return False
    return lines[_PORT_LINE] == str(port) and lines[_READY_LINE].strip() == "ready"
