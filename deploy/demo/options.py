"""Options of the demo, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.demo.errors import DemoError
from deploy.local.ports import HOST, free_port, is_free

_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrls:
    """The servers that a run uses."""

    database: str
    """A server on which the run makes a database of its own."""

    redis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One showing of the demo."""

    urls: ServerUrls
    seconds: float | None
    """How long to run; None until somebody stops it."""

    port: int
    """Where the admin listens on 127.0.0.1."""


def read_options(environ: Mapping[str, str]) -> Options:
    """Return the options; raise DemoError for what is missing, wrong or taken."""
    return Options(
        urls=server_urls(environ, "demo", "deploy.demo"),
        seconds=_seconds(environ.get("DEMO_SECONDS", "")),
        port=_port(environ.get("DEMO_PORT", "")),
    )


def server_urls(environ: Mapping[str, str], target: str, module: str) -> ServerUrls:
    """Return the servers; raise DemoError, which names who starts them, where one is missing."""
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not environ.get(name)]
    if missing:
        raise DemoError(
            f"{' and '.join(missing)} must name servers to use. `make {target}` starts them; so"
            f" does `python -m deploy.local run -- python -m {module}`."
        )
    return ServerUrls(database=environ["DATABASE_URL"], redis=environ["REDIS_URL"])


def _seconds(given: str) -> float | None:
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < float("inf"):
        raise DemoError(f"DEMO_SECONDS must be a number of at least 1, not {given!r}.")
    return seconds


def _port(given: str) -> int:
    if not given:
        return free_port()
    if not given.isdecimal() or not 1 <= int(given) <= _MAX_PORT:
        raise DemoError(f"DEMO_PORT must be a port, 1 to {_MAX_PORT}, not {given!r}.")
    if not is_free(int(given)):
        raise DemoError(
            f"Port {given} of {HOST} is taken: choose another one as DEMO_PORT, or leave it out and"
            " the demo takes one that is free."
        )
    return int(given)
