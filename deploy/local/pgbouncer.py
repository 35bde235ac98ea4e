"""A PgBouncer of one's own, in transaction mode before a server."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from . import server
from .debian import Program, unpacked
from .ports import HOST
from .privileges import Account, unprivileged_account

_SETTINGS = {
    "listen_addr": HOST,
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "default_pool_size": "4",
    "max_client_conn": "200",
}
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_DEBIAN_PROGRAM = Path("/usr/sbin/pgbouncer")


def get_pgbouncer() -> Program:
    """Return the pgbouncer to start: the machine's, or else Debian's, fetched without root.

    Raises ServiceError when there is none and it cannot be fetched.
    """
    on_path = shutil.which("pgbouncer")
    if on_path or _DEBIAN_PROGRAM.exists():
        return Program(path=Path(on_path or _DEBIAN_PROGRAM))
    return unpacked("pgbouncer", "usr/sbin/pgbouncer")


def start_pgbouncer(
    folder: Path,
    database_url: str,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> server.Server:
    """Start PgBouncer before the server of ``database_url`` and return it when it answers.

    Its URL is the given one with another port; any database of that server is reached by its name.
    The user of the URL is the only one that is let in, and may use the console, which is the
    database ``pgbouncer``. ``settings`` go before those in this module.

    Raises ServiceError when there is no pgbouncer or it does not start.
    """
    program = get_pgbouncer()
    account = unprivileged_account()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    account.own(folder)
    behind = urlsplit(database_url)
    users = _write(folder / "users.txt", _user_line(database_url), account)

    def command(port: int) -> list[str]:
        own = {
            "auth_file": str(users),
            "admin_users": unquote(behind.username or ""),
            "listen_port": str(port),
        }
        wanted = {**_SETTINGS, **own, **(settings or {})}
        text = _configuration(behind.hostname, behind.port, wanted)
        configuration = _write(folder / "pgbouncer.ini", text, account)
        return [*program.command, str(configuration)]

    place = behind.netloc.rpartition("@")[0]
    launch = server.Launch(
        name="PgBouncer",
        folder=folder,
        account=account,
        command=command,
        url=lambda port: behind._replace(netloc=f"{place}@{HOST}:{port}").geturl(),
        is_ready=_answers,
        # At once, in all versions: what SIGTERM and SIGINT wait for has changed in between, and
        # SIGQUIT is ignored in what a shell has started in the background. It keeps nothing.
        stop_signals=(signal.SIGKILL, signal.SIGKILL),
    )
    return server.start(launch, port)


def _configuration(host: str | None, port: int | None, settings: Mapping[str, str]) -> str:
    lines = [f"{name} = {value}" for name, value in settings.items()]
    behind = f"* = host={host or HOST} port={port or 5432}"
    return "\n".join(["[databases]", behind, "", "[pgbouncer]", *lines, ""])


def _user_line(database_url: str) -> str:
    """Return the user with the plain password, which a login at the server by SCRAM needs."""
    behind = urlsplit(database_url)
    name, password = unquote(behind.username or ""), unquote(behind.password or "")
    quoted = (text.replace('"', '""') for text in (name, password))
    return " ".join(f'"{text}"' for text in quoted) + "\n"


def _write(file: Path, text: str, account: Account) -> Path:
    """Write a file that only the account can read, as others can read passwords in arguments."""
    file.touch(mode=0o600)
    account.own(file)
    file.write_text(text)
    return file


def _answers(port: int) -> bool:
    """Return whether somebody on ``port`` knows the protocol, and says that it has no TLS."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(_SSL_REQUEST)
            return connection.recv(1) == b"N"
    except OSError:
        return False
