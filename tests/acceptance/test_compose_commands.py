"""Every command of docker-compose.yml does its work without Docker, until its check passes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psycopg2
import pytest

from deploy.local.ports import HOST, free_port
from tests.deployed import (
    CHECKOUT,
    compose_services,
    environment,
    health_command,
    own_database,
    resolved,
    run,
    running,
    until,
)
from tests.tablespaces import server_folder

PASSWORD = "a-password"
HEALTH_TOKEN = "a-token"
SERVICES = compose_services()
WORDS = {"web": "Listening at", "worker": " ready.", "beat": "beat: Starting"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compose")


@pytest.fixture(scope="module")
def redis_url(folder: Path) -> Iterator[str]:
    """The broker, by the command of the compose file."""
    port = str(free_port())
    command = [
        resolved(each, {"REDIS_PASSWORD": PASSWORD}) for each in SERVICES["redis"]["command"]
    ]
    environ = environment("", "", REDISCLI_AUTH=PASSWORD, REDISCLI_PORT=port)
    with running(
        [*command, "--port", port, "--bind", HOST], environ, folder / "redis.log"
    ) as redis:
        check = [
            "sh",
            "-c",
            health_command(SERVICES["redis"])[-1].replace("-cli", f"-cli -p {port}"),
        ]
        until(lambda: is_healthy(check, environ, folder))
        yield f"redis://:{PASSWORD}@{HOST}:{port}/0"
        assert redis.stop() == 0
        assert not is_healthy(check, environ, folder)


@pytest.fixture(scope="module")
def environ(folder: Path, redis_url: str) -> Iterator[dict[str, str]]:
    """A migrated database, by the command of the compose file."""
    with own_database() as database_url:
        environ = environment(
            database_url, redis_url, PORT=str(free_port()), HEALTH_TOKEN=HEALTH_TOKEN
        )
        said = run(SERVICES["migrate"]["command"], environ, folder)
        assert "Applying sensors.0001_initial... OK" in said
        yield environ


def is_healthy(command: list[str], environ: dict[str, str], folder: Path) -> bool:
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, timeout=40, check=False
    )
    return done.returncode == 0


def test_postgres_check(environ: dict[str, str], folder: Path) -> None:
    server = urlsplit(environ["DATABASE_URL"])
    here = environ | {"PGHOST": server.hostname or "", "PGPORT": str(server.port)}
    check = health_command(SERVICES["postgres"])
    assert is_healthy(check, here, folder)
    assert not is_healthy(check, here | {"PGPORT": str(free_port())}, folder)


def test_tablespaces_are_made_as_the_server_starts(environ: dict[str, str]) -> None:
    statements = (CHECKOUT / "deploy/docker/tablespaces.sql").read_text()
    connection = psycopg2.connect(environ["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor, server_folder(connection.cursor) as own_folder:
        folder = SERVICES["tablespaces"]["command"][-1]
        assert f"'{folder}'" in statements
        name = f"archive_{os.getpid()}"
        ours = statements.replace(f"'{folder}'", f"'{own_folder}'").replace(
            "TABLESPACE archive", f"TABLESPACE {name}"
        )
        try:
            for statement in ours.split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
        finally:
            cursor.execute(f"DROP TABLESPACE IF EXISTS {name}")
    connection.close()


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_service_gets_healthy_and_ends_in_peace(
    name: str, environ: dict[str, str], folder: Path
) -> None:
    service = SERVICES[name]
    check = health_command(service)
    with running(service["command"], environ, folder / f"{name}.log") as process:
        until(lambda: process.has_ended() or WORDS[name] in process.said(), 60)
        until(lambda: process.has_ended() or is_healthy(check, environ, folder), 60)
        assert not process.has_ended(), process.said()
        if name == "web":
            assert_serves(environ["PORT"])
        assert process.stop(getattr(signal, service["stop_signal"])) == 0, process.said()
    assert "Traceback" not in process.said()
    if name != "beat":
        assert not is_healthy(check, environ, folder)


def assert_serves(port: str) -> None:
    """The tables, and the admin with its style: DEBUG is off."""
    question = Request(
        f"http://{HOST}:{port}/healthz", headers={"Authorization": f"Bearer {HEALTH_TOKEN}"}
    )
    with urlopen(question, timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)
    assert told["status"] == "ok"
    models = [each["model"] for each in told["database"]["tables"]]
    assert models == ["sensors.reading", "shop.order", "traffic.webevent"]
    assert all(each["runway_seconds"] > 0 for each in told["database"]["tables"])
    with urlopen(f"http://{HOST}:{port}/admin/login/", timeout=10) as answer:
        assert b"admin/css/base.css" in answer.read()
    with urlopen(f"http://{HOST}:{port}/static/admin/css/base.css", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("days", [-1, 1])
def test_beat_check_notices_a_schedule_that_is_not_followed(
    days: int, environ: dict[str, str], folder: Path
) -> None:
    """It was sent long ago, or in the future: then beat's clock was set back since."""
    check = health_command(SERVICES["beat"])
    connection = psycopg2.connect(environ["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_celery_beat_periodictask"
            " SET last_run_at = now() + %(days)s * interval '1 day',"
            " date_changed = now() + %(days)s * interval '1 day'",
            {"days": days},
        )
        done = subprocess.run(
            check, cwd=folder, env=environ, capture_output=True, text=True, timeout=40, check=False
        )
    connection.close()
    assert done.returncode == 1
    assert "maintain sensors.reading" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("makemigrations", "--check", "--dry-run"), ("check", "--database", "default")],
)
def test_project_is_sound(
    arguments: tuple[str, ...], environ: dict[str, str], folder: Path
) -> None:
    said = run(["python", "-m", "deploy", *arguments], environ, folder)
    assert said.splitlines()[-1] in {
        "No changes detected",
        "System check identified no issues (0 silenced).",
    }
