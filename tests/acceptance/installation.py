"""One deployment: PostgreSQL, Redis, workers and beats, each a real process that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from celery import Celery
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.local import Server, start_postgres, start_redis, stop
from deploy.local.binaries import find_redis
from deploy.local.folders import scratch_folder
from deploy.local.privileges import own_account
from deploy.local.server import Launch, start
from tests.support.checkout import CHECKOUT
from tests.support.clocks import Clock
from tests.support.other_database import using_database

CELERY = (sys.executable, "-m", "celery", "-A", "tests.celery_app")
SUPERVISOR = (sys.executable, "-m", "deploy.local.supervisor")
START_SECONDS = 40.0
END_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A worker or a beat, in a session of its own with all its children."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Return what it wrote until now."""
        return self.log.read_text(errors="replace")

    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return self.popen.poll() is None

    def kill(self) -> None:
        """End it and its children at once, as when its machine dies."""
        if self.is_alive():
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(END_SECONDS)


class Installation:
    """The servers, and how to start what uses them."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.postgres = start_postgres(folder / "postgresql", durable=durable)
        self._stack.callback(lambda: stop(self.postgres))
        self.redis = start_redis(folder / "redis", durable=True)
        self._stack.callback(lambda: stop(self.redis))

    @classmethod
    @contextmanager
    def migrated(cls) -> Iterator[Self]:
        """Servers of one's own, migrated, for as long as the block runs."""
        with scratch_folder() as folder:
            installation = cls(folder)
            try:
                installation.run("-m", "django", "migrate", "--verbosity=0")
                yield installation
            finally:
                installation.close()

    @property
    def database_url(self) -> str:
        """How what is deployed gets to the database."""
        return self.postgres.url

    def close(self) -> None:
        """Stop the servers."""
        self._stack.close()

    def environment(self, visibility_seconds: int = 3_600, **options: Any) -> dict[str, str]:
        """Return what a process of this deployment gets; ``options`` are of PG_TIMEPART."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.settings",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis.url,
            "ACCEPTANCE_OPTIONS": json.dumps(options),
            "ACCEPTANCE_VISIBILITY_SECONDS": str(visibility_seconds),
        }

    def run(self, *arguments: str, clock: Clock | None = None) -> str:
        """Run Python with these arguments to its end and return what it printed."""
        return run_python(self.environment() | _environment_of(clock), *arguments)

    @contextmanager
    def worker(
        self,
        name: str,
        *,
        queue: str = "celery",
        concurrency: int = 1,
        is_supervised: bool = False,
        clock: Clock | None = None,
        pool: str = "prefork",
        packages: Path | None = None,
        **options: Any,
    ) -> Iterator[Process]:
        """Run a worker, ready to work; see ``environment`` for the options.

        Where it is supervised, as in every deployment, it is started again when it ends.
        ``packages`` is a folder of more of them than this environment has.
        """
        command = [
            *(SUPERVISOR if is_supervised else ()),
            *(*CELERY, "worker", f"--pool={pool}", "--loglevel=INFO", f"--hostname={name}@here"),
            *("--without-gossip", "--without-mingle", f"--concurrency={concurrency}"),
            f"--queues={queue}",
        ]
        environment = self.environment(**options) | _environment_of(clock)
        if packages is not None:
            environment["PYTHONPATH"] = str(packages)
        with self._process(name, command, environment) as process:
            wait_until(lambda: " ready." in process.said(), START_SECONDS, process)
            yield process

    @contextmanager
    def beat(self, name: str, *, clock: Clock | None = None) -> Iterator[Process]:
        """Run a supervised beat with the database scheduler, started."""
        command = [*SUPERVISOR, *CELERY, "beat", "--loglevel=INFO", "--pidfile="]
        environment = self.environment() | _environment_of(clock)
        with self._process(name, command, environment) as process:
            wait_until(lambda: "beat: Starting" in process.said(), START_SECONDS, process)
            yield process

    @contextmanager
    def client(self) -> Iterator[Celery]:
        """Be somebody who sends tasks and waits for results."""
        app = Celery("client", broker=self.redis.url, backend=self.redis.url, set_as_current=False)
        yield app
        backend: Any = app.backend
        backend.result_consumer.stop()
        backend.result_consumer._pubsub = None  # else results that go later would open it again
        backend.client.close()
        app.close()

    def database(self) -> AbstractContextManager[None]:
        """Make it the default database of this process for a while."""
        return using_database(self.postgres.url)

    def crash_postgres(self) -> None:
        """End PostgreSQL as a crash does, without a checkpoint and in the middle of things."""
        stop(replace(self.postgres, stop_signals=(signal.SIGQUIT, signal.SIGKILL)))

    def restart_postgres(self) -> None:
        """Start it again with its data, on its port."""
        folder, port = Path(self.postgres.folder), self.postgres.port
        self.postgres = start_postgres(folder, port=port, durable=True)

    def restart_redis(self) -> None:
        """Stop Redis, and start it again."""
        self.stop_redis()
        self.start_redis()

    def stop_redis(self) -> None:
        """Stop Redis; it writes down first what it holds."""
        stop(self.redis)

    def start_redis(self) -> None:
        """Start Redis again with its data and its password, on its port."""
        running = self.redis
        configuration = Path(running.folder) / "redis.conf"
        launch = Launch(
            name=running.name,
            folder=Path(running.folder),
            account=own_account(),
            command=lambda port: [str(find_redis()), str(configuration), "--port", str(port)],
            url=lambda _port: running.url,
            is_ready=lambda _port: _answers(running),
            stop_signals=running.stop_signals,
        )
        self.redis = start(launch, running.port)

    def wait_until_idle(self) -> None:
        """Wait until no message is in the usual queue, or with a worker."""
        with Redis.from_url(self.redis.url) as redis:
            wait_until(lambda: redis.llen("celery") == redis.hlen("unacked") == 0, 40)

    @contextmanager
    def _process(
        self, name: str, command: Sequence[str], environment: dict[str, str]
    ) -> Iterator[Process]:
        path = self.folder / f"{name}.log"
        with path.open("ab") as log:
            popen = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name=name, popen=popen, log=path)
        try:
            yield process
        finally:
            process.kill()  # a polite end takes a worker seconds, and shows nothing here


def run_python(environment: Mapping[str, str], *arguments: str) -> str:
    """Run Python with these arguments to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_until(
    condition: Callable[[], Any], timeout_seconds: float = 20.0, process: Process | None = None
) -> Any:
    """Return the first true answer of ``condition``; fail if there is none in time."""
    deadline = time.monotonic() + timeout_seconds
    while not (answer := condition()):
        words = process.said()[-3_000:] if process else ""
        assert process is None or process.is_alive(), f"the process has ended: {words}"
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s {words}"
        time.sleep(0.05)
    return answer


def _environment_of(clock: Clock | None) -> dict[str, str]:
    return clock.environment if clock else {}


def _answers(running: Server) -> bool:
    with Redis.from_url(running.url) as client:
        try:
            return bool(client.ping())
        except RedisConnectionError:
            return False
