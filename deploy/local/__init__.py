"""Local services: PostgreSQL and Redis without root, Docker or anything installed.

>>> with postgres(folder) as server:
...     connect(server.url)
"""

from __future__ import annotations

from .errors import ServiceError
from .postgresql import start_postgres
from .redis_server import start_redis
from .server import Server, find, stop
from .services import postgres, redis, services

__all__ = [
    "Server",
    "ServiceError",
    "find",
    "postgres",
    "redis",
    "services",
    "start_postgres",
    "start_redis",
    "stop",
]
