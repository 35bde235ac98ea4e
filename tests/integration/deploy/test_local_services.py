"""Local services on real programs: started, used and gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis as redis_client
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local import Server, ServiceError, find, postgres, redis, services, start_redis, stop
from deploy.local.binaries import find_postgres, find_redis
from deploy.local.folders import scratch_folder, servers_in
from deploy.local.locks import waiting_lock
from deploy.local.privileges import own_account
from deploy.local.server import Launch, start
from tests.support.checkout import CHECKOUT

RUN = [sys.executable, "-m", "deploy.local", "run", "--"]


def setting(server: Server, name: str) -> str:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_postgres_is_gone_after_its_block(tmp_path: Path) -> None:
    with postgres(tmp_path / "a folder") as server:
        assert setting(server, "fsync") == "off"
        assert setting(server, "timezone") == "UTC"
        assert is_running(server.pid)
        assert find(tmp_path / "a folder") == server

    assert not is_running(server.pid)
    assert not server.is_alive()
    assert find(tmp_path / "a folder") is None


def test_one_that_lets_go_of_its_files_before_it_ends_is_waited_for(tmp_path: Path) -> None:
    slow = "import os, signal, time; signal.sigwait({signal.SIGTERM}); os.closerange(3, 99);"
    launch = Launch(
        name="something slow",
        folder=tmp_path,
        account=own_account(),
        command=lambda _port: [sys.executable, "-c", f"{slow} time.sleep(0.5)"],
        url=str,
        is_ready=lambda _port: True,
        stop_signals=(signal.SIGTERM, signal.SIGKILL),
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        server = start(launch)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    stop(server)
    assert not is_running(server.pid)


def test_durable_postgres_syncs_and_keeps_its_data(tmp_path: Path) -> None:
    with postgres(tmp_path, durable=True) as server:
        assert setting(server, "fsync") == "on"
        with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept ()")
            connection.commit()

    with postgres(tmp_path) as again:
        with closing(psycopg2.connect(again.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 'kept'::regclass::text")
            assert cursor.fetchone() == ("kept",)


def test_postgres_asks_for_a_password_that_only_its_owner_can_read(tmp_path: Path) -> None:
    with postgres(tmp_path) as server:
        assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "server.json").stat().st_mode & 0o777 == 0o600
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(server.url, password="another")


def test_redis_is_gone_after_its_block(tmp_path: Path) -> None:
    with redis(tmp_path / "a folder") as server:
        with redis_client.Redis.from_url(server.url) as client:
            assert client.set("key", "value")
        with redis_client.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger:
            with pytest.raises(redis_client.AuthenticationError):
                stranger.get("key")

    assert not is_running(server.pid)


def test_a_taken_port_is_named(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(ServiceError, match=f"port {taken_port} of 127.0.0.1 is taken"):
        start_redis(tmp_path, port=taken_port)

    assert servers_in(tmp_path.parent) == []


def test_one_folder_has_one_server(tmp_path: Path) -> None:
    with redis(tmp_path), pytest.raises(ServiceError, match=r"one runs in .* already"):
        start_redis(tmp_path)


def test_stopping_twice_does_nothing(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    stop(server)
    stop(server)

    assert not is_running(server.pid)


def test_a_failed_initdb_says_why_and_where_the_log_is(tmp_path: Path) -> None:
    major = find_postgres().major
    in_the_way = tmp_path / f"data-{major}"
    in_the_way.mkdir()
    (in_the_way / "something").touch()

    with pytest.raises(ServiceError, match=r"initdb of PostgreSQL .* not empty .*initdb\.log"):
        with postgres(tmp_path):
            pass


def test_a_server_that_ends_at_once_says_why_and_where_the_log_is(tmp_path: Path) -> None:
    with postgres(tmp_path) as server:
        major = setting(server, "server_version").partition(".")[0]
    configuration = tmp_path / f"data-{major}" / "postgresql.conf"
    configuration.write_text("no_such_setting = on\n")

    with pytest.raises(ServiceError, match=r"ended with status 1\..*no_such_setting.*log: "):
        with postgres(tmp_path):
            pass

    assert find(tmp_path) is None


def test_an_unknown_version_names_the_known_ones() -> None:
    newest = find_postgres(environ={}).major

    with pytest.raises(ServiceError, match=rf"There is no PostgreSQL 7\.4 here.*\b{newest}\b"):
        find_postgres("7.4", environ={})


def test_the_environment_chooses_the_version() -> None:
    with pytest.raises(ServiceError, match=r"no PostgreSQL 9 here"):
        find_postgres(environ={"PG_VERSION": "9"})

    newest = find_postgres(environ={})
    chosen = {"PG_BIN": str(newest.folder), "PG_VERSION": str(newest.major)}
    assert find_postgres(environ=chosen) == newest


def test_a_folder_without_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=f"There is no PostgreSQL in PG_BIN={tmp_path}"):
        find_postgres(environ={"PG_BIN": str(tmp_path)})


def test_redis_is_found() -> None:
    assert os.access(find_redis(), os.X_OK)


def test_given_servers_are_used_as_they_are() -> None:
    given = {"DATABASE_URL": "postgresql://mine/db", "REDIS_URL": "redis://mine/0"}

    with services(environ=given) as urls:
        assert urls == given


def test_a_version_cannot_be_asked_of_a_given_server() -> None:
    with pytest.raises(ServiceError, match="DATABASE_URL names a running server"):
        with services(version="18", environ={"DATABASE_URL": "postgresql://mine/db"}):
            pass


def test_only_what_is_not_given_is_started() -> None:
    given = {"DATABASE_URL": "postgresql://mine/db"}

    with services(environ=given) as urls:
        assert urls["DATABASE_URL"] == given["DATABASE_URL"]
        with redis_client.Redis.from_url(urls["REDIS_URL"]) as client:
            assert client.ping()


def test_runs_at_the_same_time_have_folders_of_their_own(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as other:
        assert one != other
        assert one.is_dir()

    assert not one.exists()
    assert not other.exists()


def test_a_folder_is_not_removed_while_another_run_looks_for_abandoned_ones(tmp_path: Path) -> None:
    folders: list[Path] = []

    def use() -> None:
        with scratch_folder(tmp_path) as folder:
            folders.append(folder)
            may_end.wait()

    may_end = threading.Event()
    thread = threading.Thread(target=use)
    thread.start()
    assert until(lambda: bool(folders))
    with waiting_lock(tmp_path / "lock"):
        may_end.set()
        thread.join(0.3)
        assert (folders[0] / "owner").exists()
    thread.join()
    assert not folders[0].exists()


def test_what_a_killed_run_left_is_stopped_and_removed_by_the_next(tmp_path: Path) -> None:
    abandoned = tmp_path / "run-abandoned"
    left = start_redis(abandoned / "redis")

    with scratch_folder(tmp_path):
        assert not abandoned.exists()

    assert not is_running(left.pid)


def run(command: Sequence[str], **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *command],
        cwd=CHECKOUT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_gives_the_urls_and_returns_the_status_of_the_command() -> None:
    done = run(
        ["sh", "-c", "echo $DATABASE_URL $REDIS_URL; exit 7"], DATABASE_URL="one", REDIS_URL="two"
    )

    assert (done.stdout, done.returncode) == ("one two\n", 7)


def test_run_says_that_there_is_no_such_command(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    done = run([missing], DATABASE_URL="one", REDIS_URL="two")

    assert done.stderr == f"Cannot run {missing}: No such file or directory.\n"
    assert done.returncode == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_what_was_started(signum: signal.Signals) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    script = 'echo "$REDIS_URL"; exec sleep 60'
    with subprocess.Popen(
        [*RUN, "sh", "-c", script],
        cwd=CHECKOUT,
        env=environ | {"DATABASE_URL": "postgresql://mine/db"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as runner:
        assert runner.stdout is not None
        url = runner.stdout.readline().strip()
        with redis_client.Redis.from_url(url) as client:
            pid = client.info("server")["process_id"]
        runner.send_signal(signum)
        status = runner.wait()

    assert status == 128 + signum
    assert until(lambda: not is_running(pid))
