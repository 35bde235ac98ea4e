"""A Redis server of one's own."""

from __future__ import annotations

import secrets
import signal
import socket
from pathlib import Path

from . import server
from .binaries import find_redis
from .ports import HOST
from .privileges import own_account

_CONFIGURATION = """\
bind {host}
dir .
requirepass {password}
save ""
appendonly {append_only}
"""


def start_redis(folder: Path, *, port: int | None = None, durable: bool = False) -> server.Server:
    """Start Redis with its data in ``folder`` and return it when it accepts connections.

    ``durable`` keeps what it holds over a restart; without it, Redis writes nothing to disk.

    Raises ServiceError when there is no redis-server or it does not start.
    """
    program = find_redis()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    password = secrets.token_hex(16)
    configuration = _write_configuration(folder, password, durable)
    launch = server.Launch(
        name="Redis",
        folder=folder,
        account=own_account(),
        command=lambda port: [str(program), str(configuration), "--port", str(port)],
        url=lambda port: f"redis://:{password}@{HOST}:{port}/0",
        is_ready=lambda port: _answers(port, password),
        stop_signals=(signal.SIGTERM, signal.SIGKILL),
    )
    return server.start(launch, port)


def _write_configuration(folder: Path, password: str, durable: bool) -> Path:
    """Return a file, because everybody can read the arguments of a process."""
    file = folder / "redis.conf"
    file.touch(mode=0o600)
    text = _CONFIGURATION.format(
        host=HOST, password=password, append_only="yes" if durable else "no"
    )
    file.write_text(text)
    return file


def _answers(port: int, password: str) -> bool:
    """Return whether the server that knows ``password`` answers, and has loaded its data."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answers = connection.makefile("rb")
            return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False
