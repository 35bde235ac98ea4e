"""Every command of docker-compose.yml does its work without Docker, until its check passes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psycopg2
import pytest

from deploy.local.ports import HOST, free_port
from tests.support.deployed_project import (
    compose_services,
    environment,
    health_command,
    resolved,
    run,
    running,
    until,
)
from tests.support.image_server import PASSWORD, ImageServer, image_server

HEALTH_TOKEN = "a-token"
SERVICES = compose_services()
PASSES = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
import django
django.setup()
from datetime import timedelta
from django.utils.timezone import now
from deploy.shop.models import Order
from pg_timepart import tasks
Order.partitioning.create_range(now() - timedelta(days=460), now() - timedelta(days=420))
config = Order.partitioning.config
config.premake += 1
config.detach_tablespace = "archive"
config.save()
reports = [tasks.maintain("shop.order")]
config.drop_after = timedelta(0)
config.save()
reports += [tasks.maintain("shop.order")]
for report in reports:
    for action in report["actions"]:
        print(action["action"], action["outcome"])
"""
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
def server(folder: Path) -> Iterator[ImageServer]:
    """The database, made by the scripts that the compose file gives to the image."""
    with image_server(folder / "postgres") as server:
        server.initialise()
        yield server


@pytest.fixture(scope="module")
def environ(folder: Path, redis_url: str, server: ImageServer) -> dict[str, str]:
    """A migrated database, by the command of the compose file."""
    environ = environment(server.url, redis_url, PORT=str(free_port()), HEALTH_TOKEN=HEALTH_TOKEN)
    said = run(SERVICES["migrate"]["command"], environ, folder)
    assert "Applying sensors.0001_initial... OK" in said
    return environ


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


def test_nobody_is_the_superuser(environ: dict[str, str], server: ImageServer) -> None:
    rights = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    assert server.ask(f"SELECT {rights} FROM pg_roles WHERE rolname = 'timepart'") == "f"
    assert server.owners() == ["timepart"]
    assert not server.refuses("timepart")
    assert server.refuses("postgres")


def test_the_role_may_do_all_that_passes_do(environ: dict[str, str], folder: Path) -> None:
    said = run([sys.executable, "-c", PASSES], environ, folder)
    done = {tuple(line.split()) for line in said.splitlines()}
    assert {("create", "done"), ("detach", "done"), ("move", "done"), ("drop", "done")} <= done
    assert {outcome for _, outcome in done} == {"done"}


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
    assert models == ["sensors.reading", "shop.invoice", "shop.order", "traffic.webevent"]
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
