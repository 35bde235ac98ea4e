"""A deployment whose database is only reached through PgBouncer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from deploy.local import pgbouncer, start_pgbouncer, stop
from tests.acceptance.installation import Installation
from tests.support.other_database import using_database

POOL_SIZE = 6


class PooledInstallation(Installation):
    """Servers with a pooler before PostgreSQL. What is deployed knows of nothing else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, durable=False)
        self.pooler = start_pgbouncer(
            folder / "pgbouncer",
            self.postgres.url,
            settings={"default_pool_size": str(POOL_SIZE)},
        )
        self._stack.callback(lambda: stop(self.pooler))

    @property
    def database_url(self) -> str:
        """The pooler's."""
        return self.pooler.url

    def environment(self, visibility_seconds: int = 3_600, **options: object) -> dict[str, str]:
        """Return what a process of this deployment gets, with the tests' own settings."""
        given = super().environment(visibility_seconds, **options)
        own = {"DJANGO_SETTINGS_MODULE": "tests.pooler.settings", "SERVER_URL": self.postgres.url}
        return {**given, **own}

    def through(self) -> AbstractContextManager[None]:
        """Have this process use the pooler for a while."""
        return using_database(self.pooler.url)

    @contextmanager
    def narrow(self, default_pool_size: int | str, **settings: str) -> Iterator[None]:
        """Have this process use another pooler for a while, with so many server connections."""
        wanted = {"default_pool_size": str(default_pool_size), **settings}
        with pgbouncer(self.folder / "narrow", self.postgres.url, settings=wanted) as pooler:
            with using_database(pooler.url):
                yield

    def pooled_pids(self) -> set[int]:
        """Return the server processes of the pool's connections, as the pooler's console tells."""
        console = urlsplit(self.pooler.url)._replace(path="/pgbouncer").geturl()
        with closing(psycopg2.connect(console)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SHOW SERVERS")
                names = [each.name for each in cursor.description or ()]
                return {dict(zip(names, row, strict=True))["remote_pid"] for row in cursor}

    def restart_pooler(self) -> None:
        """End it as a crash does, with all connections of both sides; start it on its port."""
        settings = {"default_pool_size": str(POOL_SIZE)}
        folder, port = Path(self.pooler.folder), self.pooler.port
        stop(self.pooler)
        self.pooler = start_pgbouncer(folder, self.postgres.url, port=port, settings=settings)
