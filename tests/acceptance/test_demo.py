"""The demo, shortened: as a person starts it, and as it is ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from redis import Redis

from deploy.demo.options import read_options
from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import Running, running, until

DEMO = [sys.executable, "-m", "deploy.demo"]


def environ(**more: str) -> dict[str, str]:
    names = {"DJANGO_SETTINGS_MODULE", "DEMO_SECONDS", "DEMO_PORT"}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", **more}


def databases() -> set[str]:
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'timepart_demo%'"
                " UNION ALL SELECT spcname FROM pg_tablespace WHERE spcname LIKE 'archive_%'"
            )
            return {name for (name,) in cursor.fetchall()}


def keys_of(token: str) -> list[bytes]:
    with Redis.from_url(os.environ["REDIS_URL"]) as client:
        return list(client.scan_iter(match=f"*{token}*"))


def processes_of(folder: Path) -> list[int]:
    """Return the processes that write into this folder of logs."""
    found = []
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            target = output.readlink()
        except OSError:
            continue
        if target.is_relative_to(folder):
            found.append(int(output.parts[2]))
    return found


def logs_of(demo: Running) -> Path:
    found = re.search(r"^Logs: +(.+)$", demo.said(), re.MULTILINE)
    assert found is not None, demo.said()
    return Path(found[1])


def recorded(demo: Running) -> set[str]:
    """Return what the demo has found in the record of the worker's runs."""
    return set(re.findall(r"  beat  \S+ +(\w+)  ", demo.said()))


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Running]:
    """A demo without an end whose worker has created and retired something."""
    with running(DEMO, environ(), tmp_path / "log") as demo:
        until(lambda: demo.has_ended() or {"create", "retire"} <= recorded(demo), 60)
        assert not demo.has_ended(), demo.said()
        yield demo


def test_demo_creates_and_retires_on_schedule_and_refuses_no_row(tmp_path: Path) -> None:
    before = databases()
    with running(DEMO, environ(DEMO_SECONDS="20"), tmp_path / "log") as demo:
        status = demo.process.wait(100)
    said = demo.said()
    assert status == 0, said
    assert re.search(
        r"^\d\d:\d\d:\d\d  beat  sensors.reading +create  sensors_reading_", said, re.M
    )
    assert re.search(
        r"^\d\d:\d\d:\d\d  beat  sensors.reading +retire  sensors_reading_", said, re.M
    )
    assert re.search(
        r"  beat  shop.invoice +retire .* deferred: .* stays attached, .*"
        r"shop_invoiceline refers to [1-9]\d* of its rows",
        said,
    )
    assert re.search(r"^  retired +[1-9]", said, re.M)
    assert re.search(r"^  kept +[1-9]", said, re.M)
    written = re.search(r"^  wrote +([\d,]+) rows \([\d,]+ a second\), 0 refused", said, re.M)
    found = re.search(r"^  finds +([\d,]+) of them", said, re.M)
    assert written is not None
    assert found is not None
    assert written[1] == found[1] != "0"
    assert re.search(r"Admin:  http://127.0.0.1:\d+/admin/  demo / \S+", said)
    assert "\x1b" not in said, "output that is no terminal is plain"
    assert processes_of(logs_of(demo)) == []
    assert databases() <= before
    assert keys_of(logs_of(demo).name) == []


def test_demo_outlives_its_worker_and_sums_up_when_it_is_asked_to_end(begun: Running) -> None:
    """Celery's worker ends now and then whose broker was restarted: it is started again."""
    folder = logs_of(begun)
    os.kill(celery_worker_of(begun), signal.SIGKILL)
    until(lambda: (folder / "worker.log").read_text().count(" ready.") == 2, 60)
    retired = begun.said().count(" retire ")
    until(lambda: begun.has_ended() or begun.said().count(" retire ") > retired, 90)
    begun.process.send_signal(signal.SIGINT)
    assert begun.process.wait(40) == 0, begun.said()
    assert "All as it should be." in begun.said()
    assert processes_of(folder) == []


def celery_worker_of(demo: Running) -> int:
    """Return the process that started all others of the worker."""
    writing = processes_of(logs_of(demo))
    workers = {pid for pid in writing if "worker" in command_of(pid) and "-m" in command_of(pid)}
    supervisors = {pid for pid in workers if "deploy.local.supervisor" in command_of(pid)}
    (worker,) = (pid for pid in workers - supervisors if parent_of(pid) in supervisors)
    return worker


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_children_die_with_a_demo_that_is_killed(begun: Running) -> None:
    folder = logs_of(begun)
    assert len(processes_of(folder)) >= 4
    os.kill(begun.process.pid, signal.SIGKILL)
    begun.process.wait()
    until(lambda: not processes_of(folder), 30)
    drop_leftovers(folder.name)


def drop_leftovers(token: str) -> None:
    """Drop what a demo that was killed could not."""
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE timepart_demo_{token} WITH (FORCE)")
            cursor.execute(f"DROP TABLESPACE IF EXISTS archive_{token}")


def refusal(**more: str) -> str:
    done = subprocess.run(
        DEMO,
        env=environ(**more),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_taken_port_gets_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert f"Port {port} of 127.0.0.1 is taken" in refusal(DEMO_PORT=port)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"DEMO_SECONDS": "soon"}, "DEMO_SECONDS must be a number of at least 1, not 'soon'"),
        ({"DEMO_PORT": "70000"}, "DEMO_PORT must be a port, 1 to 65535, not '70000'"),
        ({"DATABASE_URL": "", "REDIS_URL": ""}, "DATABASE_URL and REDIS_URL must name servers"),
        ({"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/x"}, "cannot be used: connection"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "The broker that REDIS_URL names cannot be used"),
    ],
)
def test_wrong_input_gets_a_sentence(wrong: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(**wrong)


def test_options_without_an_end_and_with_a_free_port() -> None:
    options = read_options({"DATABASE_URL": "postgresql://here", "REDIS_URL": "redis://here"})
    assert options.seconds is None
    assert options.port > 1023
