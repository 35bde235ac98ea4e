"""Redis keys of one run: a prefix of its own, deleted when the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis import Redis, RedisError

from deploy.demo.errors import DemoError

_TIMEOUT_SECONDS = 10


@contextmanager
def own_keys(redis_url: str, name: str, token: str) -> Iterator[str]:
    """Give the prefix of the run's keys, and delete them afterwards.

    Raises DemoError where Redis is away or refuses.
    """
    try:
        client = Redis.from_url(redis_url, socket_connect_timeout=_TIMEOUT_SECONDS)
        client.ping()
    except (RedisError, ValueError) as error:
        raise DemoError(f"The broker that REDIS_URL names cannot be used: {error}") from error
    prefix = f"timepart-{name}-{token}:"
    try:
        yield prefix
    finally:
        # Redis may have been stopped before the run: then there is nothing to delete from.
        with suppress(RedisError):
            for key in client.scan_iter(match=f"{prefix}*"):
                client.delete(key)
        client.close()
