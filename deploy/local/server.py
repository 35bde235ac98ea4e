"""One server process: start it, wait until it is ready, find it again, stop it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import ServiceError
from .locks import is_locked, try_lock
from .ports import free_port, is_free
from .privileges import Account

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02
_PORT_ATTEMPTS = 5
_LAST_LINES = 5

# Kept so that a stopped child is waited for, and does not stay behind as a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that was started in a folder of its own."""

    name: str
    """What people call it, such as "PostgreSQL 18"."""

    url: str
    """How to connect, password included."""

    port: int
    """Where it listens on 127.0.0.1."""

    pid: int
    """Its (main) process."""

    folder: str
    """Its data, log and state."""

    stop_signals: tuple[int, int]
    """The signal that asks it to stop, and the one that makes it."""

    @property
    def log(self) -> Path:
        """The file that it writes its log to."""
        return log_of(Path(self.folder))

    def is_alive(self) -> bool:
        """Return whether a process of the server still runs."""
        return is_locked(_life_of(Path(self.folder)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is needed to start a server on one port."""

    name: str
    """What people call it, such as "PostgreSQL 18"."""

    folder: Path
    """Its data, log and state. It must exist."""

    account: Account
    """Whom it runs as."""

    command: Callable[[int], Sequence[str]]
    """From a port to the command."""

    url: Callable[[int], str]
    """From a port to the URL."""

    is_ready: Callable[[int], bool]
    """From a port to whether the server accepts connections."""

    stop_signals: tuple[int, int]
    """The signal that asks it to stop, and the one that makes it."""


def log_of(folder: Path) -> Path:
    """Return the log file of the server in ``folder``."""
    return folder / "log"


def find(folder: Path) -> Server | None:
    """Return the server that runs in ``folder``, or None."""
    state = _state_of(folder)
    if not is_locked(_life_of(folder)) or not state.exists():
        return None
    fields = json.loads(state.read_text())
    return Server(**{**fields, "stop_signals": tuple(fields["stop_signals"])})


def start(launch: Launch, port: int | None = None) -> Server:
    """Start a server and return it when it accepts connections.

    ``port`` is where it shall listen; without one it is any that is free.

    Raises ServiceError when the port is taken, when a server runs in the folder already, or when
    the server ends or is not ready in time: then nothing of it is left running.
    """
    if port is not None:
        if not is_free(port):
            raise ServiceError(f"{launch.name} cannot start: port {port} of 127.0.0.1 is taken.")
        return _start_on(launch, port)
    for _ in range(_PORT_ATTEMPTS - 1):
        chosen = free_port()
        try:
            return _start_on(launch, chosen)
        except ServiceError:
            if is_free(chosen):
                raise
            # Somebody was quicker to take it: the next port.
    return _start_on(launch, free_port())


def stop(server: Server) -> None:
    """Stop a server and return when its processes are gone; do nothing if they are.

    Raises ServiceError when it does not stop.
    """
    for signum in server.stop_signals:
        _signal(server, signum)
        if _wait_for_end(server):
            _state_of(Path(server.folder)).unlink(missing_ok=True)
            return
    raise ServiceError(f"{server.name} (process {server.pid}) does not stop. See {server.log}")


def _start_on(launch: Launch, port: int) -> Server:
    life = try_lock(_life_of(launch.folder))
    if life is None:
        raise ServiceError(f"{launch.name} cannot start: one runs in {launch.folder} already.")
    try:
        process = _spawn(launch, port, life)
    finally:
        os.close(life)
    server = Server(
        name=launch.name,
        url=launch.url(port),
        port=port,
        pid=process.pid,
        folder=str(launch.folder),
        stop_signals=launch.stop_signals,
    )
    try:
        _remember(server)
        _wait_until_ready(launch, process, port)
    except BaseException:
        stop(server)
        raise
    return server


def _spawn(launch: Launch, port: int, life: int) -> subprocess.Popen[bytes]:
    with log_of(launch.folder).open("ab") as log:
        # A session of its own: Ctrl-C in a terminal must not reach the server before its users.
        process = subprocess.Popen(
            [*launch.account.prefix, *launch.command(port)],
            cwd=launch.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(life,),
            start_new_session=True,
        )
    _children[process.pid] = process
    return process


def _wait_until_ready(launch: Launch, process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not launch.is_ready(port):
        if process.poll() is not None:
            raise _not_started(launch, f"it ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise _not_started(launch, f"it was not ready after {START_SECONDS:.0f} seconds")
        time.sleep(_POLL_SECONDS)


def _not_started(launch: Launch, reason: str) -> ServiceError:
    log = log_of(launch.folder)
    return ServiceError(f"{launch.name} did not start: {reason}. {last_words(log)}")


def last_words(log: Path) -> str:
    """Return a sentence with the last lines of a log, and where the log is."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = [line.strip() for line in lines if line.strip()][-_LAST_LINES:]
    return f"It said: {' / '.join(said) or 'nothing'} (log: {log})"


def _signal(server: Server, signum: int) -> None:
    # Its lock is held, so the process with this number is the server and nobody else.
    if server.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.Signals(signum))


def _wait_for_end(server: Server) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    while server.is_alive():
        if time.monotonic() > deadline:
            return False
        _reap(server.pid)
        time.sleep(_POLL_SECONDS)
    child = _children.pop(server.pid, None)
    if child is not None:
        child.wait(STOP_SECONDS)  # it has let go of its files, and is about to end
    return True


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]


def _remember(server: Server) -> None:
    state = _state_of(Path(server.folder))
    state.touch(mode=0o600)
    state.write_text(json.dumps(asdict(server)))


def _state_of(folder: Path) -> Path:
    return folder / "server.json"


def _life_of(folder: Path) -> Path:
    return folder / "alive"
