"""The README's quickstart, run to its end with the programs of some environment."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from deploy.local.binaries import find_postgres
from deploy.local.ports import HOST, free_port
from tests.installation.readme import Block, blocks, write_files
from tests.support.deployed_project import Running, run, running, until

SERVICES = re.compile(r"celery -A \w+ (?P<celery>worker|beat)|.* (?P<web>runserver)")
READY = {"worker": " ready.", "beat": "beat: Starting", "runserver": "Quit the server"}
SOONER = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
entry = PeriodicTask.objects.get(task="pg_timepart.maintain")
entry.interval = IntervalSchedule.objects.create(every=1, period="seconds")
entry.save()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickstartUser:
    """Somebody who follows the quickstart in an empty folder."""

    folder: Path
    environ: dict[str, str]
    redis_url: str

    def type(self, command: str) -> str:
        """Run a command line of a shell and return what it prints; it must end well."""
        return run(["sh", "-c", command], self.environ, self.folder)

    def shell(self, statements: str) -> str:
        """Run statements in ``manage.py shell``; the value of the last one is printed."""
        *before, last = statements.splitlines()
        script = "\n".join([*before, f"print(repr({last}))"] if before else [last])
        return self.type(f"python manage.py shell -c {shlex.quote(script)}").splitlines()[-1]

    def follow(self, stack: ExitStack, *, installed: bool) -> dict[str, Running]:
        """Do what the quickstart says; return the processes that it starts, which go on."""
        services: dict[str, Running] = {}
        first, *others = blocks()
        for command in first.commands:
            if not (installed and command.startswith("pip install")):
                self.type(command)
        write_files(self.folder, self.redis_url)
        for block in others:
            self._do(block, stack, services)
        return services

    def _do(self, block: Block, stack: ExitStack, services: dict[str, Running]) -> None:
        if block.language == "pycon":
            assert ast.literal_eval(self.shell(block.statements)) == ast.literal_eval(block.printed)
        for command in block.commands if block.language == "console" else ():
            service = SERVICES.match(command)
            if service is None:
                self.type(command)
            else:
                name = service["celery"] or service["web"]
                services[name] = self._start(name, command, stack)

    def _start(self, name: str, command: str, stack: ExitStack) -> Running:
        words = shlex.split(command, comments=True)
        if name == "runserver":
            words.append(f"{HOST}:{self.environ['PORT']}")
        log = self.folder / f"{name}.log"
        process = stack.enter_context(running(["sh", "-c", shlex.join(words)], self.environ, log))
        until(lambda: process.has_ended() or READY[name] in process.said(), 90)
        assert not process.has_ended(), process.said()
        return process


@contextmanager
def quickstart_user(folder: Path, bin_folder: Path, **more: str) -> Iterator[QuickstartUser]:
    """Give an empty folder, with the programs of an environment and PostgreSQL's on the PATH."""
    server = urlsplit(os.environ["DATABASE_URL"])
    programs = Path(find_postgres().path("postgres")).parent
    environ = {
        "PATH": os.pathsep.join([str(bin_folder), str(programs), os.environ["PATH"]]),
        "HOME": os.environ.get("HOME", "/"),
        "PGHOST": server.hostname or "",
        "PGPORT": str(server.port or ""),
        "PGUSER": unquote(server.username or ""),
        "PGPASSWORD": unquote(server.password or ""),
        "PYTHONUNBUFFERED": "1",
        "PORT": str(free_port()),
        **more,
    }
    person = QuickstartUser(folder=folder, environ=environ, redis_url=own_redis())
    try:
        yield person
    finally:
        person.type("dropdb --if-exists --force mysite")


def own_redis() -> str:
    """Return a database of the tests' Redis that nobody else uses."""
    return urlsplit(os.environ["REDIS_URL"])._replace(path="/13").geturl()


def assert_rotates(person: QuickstartUser, services: dict[str, Running]) -> None:
    """Beat sends passes and the worker runs them, status is well, and the admin answers."""
    assert "shop.event: ok" in person.type("python manage.py timepart status")
    assert "no issues" in person.type("python manage.py check")
    person.shell(SOONER.strip() + "\nentry.pk")
    done = "Task pg_timepart.maintain["
    until(lambda: "Sending due task" in services["beat"].said() or _ended(services), 60)
    until(lambda: services["worker"].said().count(done) > 1 or _ended(services), 60)
    address = f"http://{HOST}:{person.environ['PORT']}/admin/login/"
    with urlopen(address, timeout=10) as answer:
        assert b"csrfmiddlewaretoken" in answer.read()
    assert not _ended(services), {name: each.said() for name, each in services.items()}


def _ended(services: dict[str, Any]) -> bool:
    return any(each.has_ended() for each in services.values())
