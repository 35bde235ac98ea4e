"""Local services: PostgreSQL, Redis and PgBouncer without root, Docker or anything installed.

>>> with postgres(folder) as server:
...     connect(server.url)
"""

from __future__ import annotations

from .errors import ServiceError
from .pgbouncer import get_pgbouncer, start_pgbouncer
from .postgresql import start_postgres
from .redis_server import start_redis
from .server import Server, find, stop
from .services import pgbouncer, postgres, redis, services

__all__ = [
    "Server",
    "ServiceError",
    "find",
    "get_pgbouncer",
    "pgbouncer",
    "postgres",
    "redis",
    "services",
    "start_pgbouncer",
    "start_postgres",
    "start_redis",
    "stop",
]
