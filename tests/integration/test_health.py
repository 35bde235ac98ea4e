"""What /healthz says while parts of the system are away, and for how long it thinks about it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from deploy.local import Server, start_redis, stop
from deploy.local.ports import HOST, free_port
from tests.deployed import compose_services, environment, own_database, run, running, until

BOUND_SECONDS = 8.0
SERVICES = compose_services()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A web server with a database and a broker of its own."""

    database_url: str
    redis: Server
    redis_folder: Path
    port: int

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the body of an answer that comes in time."""
        connection = HTTPConnection(HOST, self.port, timeout=BOUND_SECONDS)
        with closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return the status of /healthz and what it says, in which there is no secret."""
        status, body = self.get("/healthz")
        for url in (self.database_url, self.redis.url):
            password = urlsplit(url).password
            assert password is None or password not in body
        assert self.get("/livez") == (200, "ok\n")
        told: dict[str, Any] = json.loads(body)
        return status, told

    def problems(self, part: str) -> list[str]:
        """Return what is wrong with one part, of which the status must tell."""
        status, told = self.health()
        problems: list[str] = told[part]["problems"]
        assert (status, told["status"], told[part]["ok"]) == (503, "wrong", False)
        return problems


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("health")
    redis = start_redis(folder / "redis")
    try:
        with own_database() as database_url:
            port = free_port()
            environ = environment(database_url, redis.url, PORT=str(port))
            run(SERVICES["migrate"]["command"], environ, folder)
            with running(SERVICES["web"]["command"], environ, folder / "web.log") as web:
                until(lambda: web.has_ended() or "Booting worker" in web.said())
                yield Site(
                    database_url=database_url,
                    redis=redis,
                    redis_folder=folder / "redis",
                    port=port,
                )
    finally:
        stop(redis)


@contextmanager
def cursor(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as found:
            yield found


def test_all_is_well(site: Site) -> None:
    status, told = site.health()
    assert status == 200, told
    assert told["status"] == "ok"
    assert told["broker"] == {"ok": True, "problems": []}
    tables = {each["model"]: each for each in told["database"]["tables"]}
    assert tables.keys() == {"sensors.reading", "shop.order", "traffic.webevent"}
    assert tables["traffic.webevent"]["runway_seconds"] >= 7 * 86_400
    assert tables["traffic.webevent"]["attached"] == 8


def test_table_without_room_is_named(site: Site) -> None:
    with cursor(site.database_url) as rows:
        rows.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'shop_order'::regclass"
        )
        for (partition,) in rows.fetchall():
            rows.execute(f"DROP TABLE {partition}")
    [problem] = site.problems("database")
    assert problem.startswith("shop.order: No partition covers now")


def test_answers_while_the_database_hangs(site: Site) -> None:
    with cursor(site.database_url) as rows:
        rows.execute("BEGIN")
        rows.execute("LOCK TABLE pg_timepart_partitionconfig IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        assert site.problems("database") == ["The database has not answered for 4 seconds."]
        assert time.monotonic() - begun < BOUND_SECONDS
        rows.execute("ROLLBACK")
    until(lambda: "tables" in site.health()[1]["database"])


def test_answers_while_the_database_is_away(site: Site) -> None:
    name = urlsplit(site.database_url).path[1:]
    with cursor(os.environ["DATABASE_URL"]) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            problems = site.problems("database")
        finally:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert problems == ["The database cannot be reached; the log says why."]
    assert "tables" in site.health()[1]["database"]


def test_answers_while_the_broker_hangs(site: Site) -> None:
    os.kill(site.redis.pid, signal.SIGSTOP)
    try:
        [problem] = site.problems("broker")
    finally:
        os.kill(site.redis.pid, signal.SIGCONT)
    assert problem in {
        "The broker has not answered for 4 seconds.",
        "The broker cannot be reached; the log says why.",
    }
    until(lambda: site.health()[1]["broker"]["ok"])


def test_answers_while_the_broker_is_away(site: Site) -> None:
    stop(site.redis)
    assert site.problems("broker") == ["The broker cannot be reached; the log says why."]
    begun = start_redis(site.redis_folder, port=site.redis.port)
    try:
        # Its password is another one now.
        assert site.problems("broker") == ["The broker cannot be reached; the log says why."]
    finally:
        stop(begun)
