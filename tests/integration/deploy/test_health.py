"""What /healthz says while parts of the system are away, and for how long it thinks about it."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from tests.support.deployed_project import (
    compose_services,
    environment,
    own_database,
    run,
    running,
    until,
)

BOUND_SECONDS = 8.0
TOKEN = "a token for tests"
CROWD = 24
VISITORS = {
    "staff view_partitionconfig view_partitionrun": True,
    "staff change_partitionconfig view_partitionrun": True,
    "staff view_partitionconfig": False,  # what is wrong may have the message of a run in it
    "staff": False,
    "guest view_partitionconfig view_partitionrun": False,
    "former view_partitionconfig view_partitionrun": False,
}
SESSIONS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
import django
django.setup()
from django.contrib.auth.models import Permission, User
from django.test import Client
for name in sys.argv[1:]:
    kind, *permissions = name.split()
    user = User.objects.create(username=name, is_staff=kind != "guest")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    User.objects.filter(pk=user.pk, username__startswith="former").update(is_active=False)
    print(client.cookies["sessionid"].value)
"""
NAMES = re.compile("sensors|shop|traffic|pg_timepart|postgres|deployed|127|localhost|redis")
SERVICES = compose_services()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A web server with a database and a broker of its own."""

    environ: dict[str, str]
    database_url: str
    redis: Server
    redis_folder: Path
    port: int

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return the status and the body of an answer that comes in time."""
        connection = HTTPConnection(HOST, self.port, timeout=BOUND_SECONDS)
        with closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def answers(self) -> bool:
        """Return whether it does, each of both processes, as far as may be said."""
        try:
            return all(self.get("/livez")[0] == 200 for _ in range(4))
        except OSError:
            return False

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return the status of /healthz and all that it says, in which there is no secret."""
        status, body = self.get("/healthz", Authorization=f"Bearer {TOKEN}")
        for url in (self.database_url, self.redis.url):
            password = urlsplit(url).password
            assert password is None or password not in body
        assert TOKEN not in body
        assert self.get("/livez") == (200, "ok\n")
        told: dict[str, Any] = json.loads(body)
        return status, told

    def tells_of(self, part: str, problem: str) -> bool:
        """Return whether this is all that is wrong with one part; the status then tells of it."""
        status, told = self.health()
        problems = told[part]["problems"]
        if len(problems) != 1 or not re.fullmatch(problem, problems[0]):
            return False
        assert (status, told["status"], told[part]["ok"]) == (503, "wrong", False)
        return True

    def age_of(self, part: str) -> float:
        """Return for how many seconds the answer about one part has been remembered."""
        age: float = self.health()[1][part]["age_seconds"]
        return age

    def is_well(self) -> bool:
        """Return whether all is well, as far as either process knows."""
        return all(self.health()[0] == 200 for _ in range(4))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("health")
    redis = start_redis(folder / "redis")
    try:
        with own_database() as database_url:
            port = free_port()
            environ = environment(database_url, redis.url, PORT=str(port), HEALTH_TOKEN=TOKEN)
            run(SERVICES["migrate"]["command"], environ, folder)
            with running(SERVICES["web"]["command"], environ, folder / "web.log") as web:
                found = Site(
                    environ=environ,
                    database_url=database_url,
                    redis=redis,
                    redis_folder=folder / "redis",
                    port=port,
                )
                until(lambda: web.has_ended() or found.answers())
                yield found
    finally:
        stop(redis)


@pytest.fixture(scope="module")
def sessions(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The session of each visitor, who is active unless a former one."""
    command = [sys.executable, "-c", f"import sys{SESSIONS}", *VISITORS]
    said = run(command, site.environ, tmp_path_factory.mktemp("sessions"))
    return dict(zip(VISITORS, said.split(), strict=True))


@contextmanager
def cursor(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as found:
            yield found


@contextmanager
def locked(site: Site, table: str = "pg_timepart_partitionconfig") -> Iterator[None]:
    """Let every query of a table wait; without its name, every question about the tables."""
    with cursor(site.database_url) as rows:
        rows.execute("BEGIN")
        rows.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        rows.execute("ROLLBACK")


def test_all_is_well(site: Site) -> None:
    until(site.is_well)
    status, told = site.health()
    assert status == 200, told
    assert told["status"] == "ok"
    assert told["broker"]["ok"]
    assert told["broker"]["problems"] == []
    tables = {each["model"]: each for each in told["database"]["tables"]}
    assert tables.keys() == {"sensors.reading", "shop.invoice", "shop.order", "traffic.webevent"}
    assert tables["traffic.webevent"]["runway_seconds"] >= 7 * 86_400
    assert tables["traffic.webevent"]["attached"] == 8


def test_anybody_gets_the_status_alone(site: Site) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
        status, body = site.get("/healthz", **headers)
        assert status == 200
        assert json.loads(body).keys() == {"status", "age_seconds"}


@pytest.mark.parametrize("visitor", VISITORS)
def test_staff_who_may_see_the_tables_are_told_of_them(
    visitor: str, site: Site, sessions: dict[str, str]
) -> None:
    status, body = site.get("/healthz", Cookie=f"sessionid={sessions[visitor]}")
    assert status == 200
    assert ("database" in json.loads(body)) is VISITORS[visitor]


def test_an_answer_is_remembered_for_seconds(site: Site) -> None:
    """However many ask, the database is asked once in two seconds by each of two processes."""
    begun = time.monotonic()
    with ThreadPoolExecutor(CROWD) as crowd:
        answers = [*crowd.map(lambda _: site.health()[1], range(CROWD * 4))]
    periods = 1 + (time.monotonic() - begun) // 2
    read_at = {each["database"]["tables"][0]["read_at"] for each in answers if "database" in each}
    assert 1 <= len(read_at) <= 2 * (periods + 1)
    assert {each["status"] for each in answers} == {"ok"}


def test_a_crowd_holds_no_threads_while_the_database_hangs(site: Site) -> None:
    def ask_until_wrong(_: int) -> list[str]:
        bodies: list[str] = []
        until(lambda: keep(bodies, site.get("/healthz")) == 503)
        return bodies

    with locked(site), ThreadPoolExecutor(CROWD) as crowd:
        asked = [crowd.submit(ask_until_wrong, number) for number in range(CROWD)]
        waits = [seconds_of(lambda: site.get("/livez"))]
        while not all(each.done() for each in asked):
            waits.append(seconds_of(lambda: site.get("/livez")))
        assert max(waits) < 1
        told = {body for each in asked for body in each.result()}
        assert not [body for body in told if NAMES.search(body)]
        # What hangs for longer than an answer may take is known without waiting.
        until(lambda: seconds_of(site.health) < 1 and seconds_of(site.health) < 1)
    until(site.is_well)


def test_sessions_that_cannot_be_looked_up_hold_no_threads(site: Site) -> None:
    with ThreadPoolExecutor(CROWD) as crowd, locked(site, "django_session"):
        cookie = {"Cookie": f"sessionid={'x' * 32}"}
        asked = [crowd.submit(site.get, "/healthz", **cookie) for _ in range(CROWD)]
        # Two requests of each of two processes may wait.
        until(lambda: sum(each.done() for each in asked) >= CROWD - 4)
        assert seconds_of(lambda: site.get("/livez")) < 1
    assert {each.result()[0] for each in asked} == {200}  # the rest, as soon as it was let go


def keep(bodies: list[str], answer: tuple[int, str]) -> int:
    status, body = answer
    bodies.append(body)
    return status


def seconds_of(act: Callable[[], object]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def test_table_without_room_is_named(site: Site) -> None:
    with cursor(site.database_url) as rows:
        rows.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'shop_order'::regclass"
        )
        for (partition,) in rows.fetchall():
            rows.execute(f"DROP TABLE {partition}")
    until(lambda: site.tells_of("database", "shop.order: No partition covers now.*"))


def test_answers_while_the_database_hangs(site: Site) -> None:
    with locked(site):
        silence = r"The database has not answered for \d+ seconds\."
        until(lambda: site.tells_of("database", silence), BOUND_SECONDS)
    until(lambda: "tables" in site.health()[1]["database"])


def test_answers_while_the_database_is_away(site: Site) -> None:
    name = urlsplit(site.database_url).path[1:]
    with cursor(os.environ["DATABASE_URL"]) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            until(lambda: site.tells_of("database", "The database cannot be reached; .*"))
        finally:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    until(lambda: "tables" in site.health()[1]["database"])


def test_answers_while_the_broker_hangs(site: Site) -> None:
    silence = r"The broker (has not answered for \d+ seconds|cannot be reached; the log says why)\."
    os.kill(site.redis.pid, signal.SIGSTOP)
    try:
        until(lambda: site.tells_of("broker", silence), 2 * BOUND_SECONDS)
    finally:
        os.kill(site.redis.pid, signal.SIGCONT)
    until(lambda: site.health()[1]["broker"]["ok"])


def test_answers_while_the_broker_is_away(site: Site) -> None:
    away = "The broker cannot be reached; the log says why."
    stop(site.redis)
    until(lambda: site.tells_of("broker", away))
    redis, moment = start_redis(site.redis_folder, port=site.redis.port), time.monotonic()
    try:
        # Its password is another one now.
        until(lambda: site.age_of("broker") < time.monotonic() - moment)
        assert site.tells_of("broker", away)
    finally:
        stop(redis)
