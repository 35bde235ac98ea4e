"""PostgreSQL, Redis and PgBouncer, for as long as they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from . import server
from .errors import ServiceError
from .folders import scratch_folder
from .pgbouncer import start_pgbouncer
from .postgresql import start_postgres
from .redis_server import start_redis
from .server import Server

DATABASE_URL = "DATABASE_URL"
REDIS_URL = "REDIS_URL"


@contextmanager
def postgres(
    folder: Path, *, version: str | None = None, port: int | None = None, durable: bool = False
) -> Iterator[Server]:
    """Run PostgreSQL in ``folder`` for as long as the block runs. See start_postgres."""
    with _stopped(start_postgres(folder, version=version, port=port, durable=durable)) as running:
        yield running


@contextmanager
def redis(folder: Path, *, port: int | None = None, durable: bool = False) -> Iterator[Server]:
    """Run Redis in ``folder`` for as long as the block runs. See start_redis."""
    with _stopped(start_redis(folder, port=port, durable=durable)) as running:
        yield running


@contextmanager
def pgbouncer(
    folder: Path,
    database_url: str,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run PgBouncer in ``folder`` for as long as the block runs. See start_pgbouncer."""
    with _stopped(start_pgbouncer(folder, database_url, port=port, settings=settings)) as running:
        yield running


@contextmanager
def services(
    *,
    version: str | None = None,
    durable: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[dict[str, str]]:
    """Give DATABASE_URL and REDIS_URL of running servers, for as long as the block runs.

    A URL that ``environ`` has is given back as it is, and nothing is started for it. What is
    started has empty data in a folder of its own, and is stopped and removed afterwards.

    Raises ServiceError when a server does not start.
    """
    starters: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
        DATABASE_URL: lambda folder: postgres(
            folder / "postgresql", version=version, durable=durable
        ),
        REDIS_URL: lambda folder: redis(folder / "redis", durable=durable),
    }
    urls = {name: environ[name] for name in starters if environ.get(name)}
    missing = starters.keys() - urls.keys()
    if version and DATABASE_URL in urls:
        raise ServiceError(
            f"PostgreSQL {version} was asked for, but {DATABASE_URL} names a running server."
        )
    with ExitStack() as stack:
        if missing:
            folder = stack.enter_context(scratch_folder())
            for name in sorted(missing):
                urls[name] = stack.enter_context(starters[name](folder)).url
        yield urls


@contextmanager
def _stopped(running: Server) -> Iterator[Server]:
    try:
        yield running
    finally:
        server.stop(running)
