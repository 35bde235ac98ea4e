"""Run of the demo: start everything, print what happens, sum it up. Needs Django set up."""

from __future__ import annotations

import sys
import time
from http.client import HTTPConnection, HTTPException

from django.db import connections

from deploy.demo import demo_data, formatting, history
from deploy.demo.environment import Environment
from deploy.demo.errors import DemoError
from deploy.demo.options import Options
from deploy.demo.screen import Screen
from deploy.demo.verdict import Verdict, count, count_referred
from deploy.demo.write_counts import WriteCountsReader
from deploy.local.ports import HOST
from pg_timepart.constants import ActionKind
from pg_timepart.status import statuses

_START_SECONDS = 30.0
_POLL_SECONDS = 0.5
_PLAIN_EVERY_SECONDS = 10.0
_REFERRED_SECONDS = 8.0
"""How long rows refer to a partition past retention, once a pass has said so."""


class DemoRun:
    """One showing, from the first row to the summary."""

    def __init__(self, options: Options, environment: Environment) -> None:
        self._options, self._environment = options, environment
        self._database, self._children = environment.database, environment.children
        self._screen = Screen(sys.stdout)
        self._history = history.History()
        told = environment.children.folder / "writing.jsonl"
        self._counts_reader = WriteCountsReader(told)
        self._are_lines_deleted = False
        self._referred: dict[str, float] = {}
        """When a pass said first that a partition stays attached, by its name."""

        self._application_command = (sys.executable, "-m", "deploy.demo.application", str(told))

    def run(self) -> int:
        """Run the show to its end and return the exit status."""
        say, environment = self._screen.say, self._environment
        password = demo_data.make_admin()
        rows_before = demo_data.make_old_partitions(demo_data.now())
        self._history.follow()
        environment.refuse_stop()
        environment.start("web", *self._web_command())
        self._wait_for_web()
        application = environment.start("application", *self._application_command)
        say(f"{self._database.server}, tables with a past, and an application that writes to them.")
        say(f"Admin:  http://{HOST}:{self._options.port}/admin/  {demo_data.ADMIN} / {password}")
        say(f"Health: http://{HOST}:{self._options.port}/healthz")
        say(f"Logs:   {self._children.where}")
        say()
        if not self._database.archive:
            say("Nothing will move: this server, or this role, can make no second tablespace.")
        for sentence in demo_data.apply_operator_choices(self._database.archive):
            say(f"By hand, as in the admin: {sentence}.")
        say(f"Now a worker and beat start. Times are UTC. {self._ending()}")
        say()
        worker = environment.celery("worker", "worker", "--concurrency=2", "--pool=prefork")
        beat = environment.celery("beat", "beat", "--pidfile=")
        begun = time.monotonic()
        self._watch(begun)
        seconds = time.monotonic() - begun
        self._screen.clear()
        say()
        say("Stopping.")
        for each in (application, beat, worker):
            self._children.stop(each)
        return self._conclude(self._verdict(seconds, rows_before))

    def _watch(self, begun: float) -> None:
        """Tell what happens until the time is up, somebody stops it, or a process has ended."""
        told = begun - _PLAIN_EVERY_SECONDS
        while not self._environment.stop.wait(_POLL_SECONDS):
            now = time.monotonic()
            self._children.refuse_deaths()
            self._tell_steps()
            self._end_references(now)
            pace = self._counts_reader.rows_per_second(now)
            if self._screen.is_live or now - told >= _PLAIN_EVERY_SECONDS:
                told = now
                found = statuses()
                block = formatting.status_block(
                    now - begun, self._counts_reader.read(), pace, found
                )
                self._screen.show(block)
            if self._options.seconds is not None and now - begun >= self._options.seconds:
                return

    def _tell_steps(self) -> None:
        for run in self._history.follow():
            if not run.actions:
                self._screen.say(f"{run.started_at:%H:%M:%S}  {run}. {run.message}")
            for step in history.steps([run]):
                if not (step.is_referred and step.partition in self._referred):
                    self._screen.say(formatting.step_line(step, self._database.archive))
                if step.is_referred:
                    self._referred.setdefault(step.partition, time.monotonic())

    def _end_references(self, now: float) -> None:
        """Delete, as a person, the rows that keep a partition attached, when that has been seen."""
        since = min(self._referred.values(), default=now)
        if not self._are_lines_deleted and now - since >= _REFERRED_SECONDS:
            self._are_lines_deleted = True
            self._screen.say(f"By hand: {demo_data.delete_old_lines(demo_data.now())}.")

    def _verdict(self, seconds: float, rows_before: int) -> Verdict:
        steps = history.all_steps()
        return Verdict(
            created=count(steps, ActionKind.CREATE),
            retired=count(steps, *history.RETIRING),
            kept=count_referred(steps),
            moved=count(steps, ActionKind.MOVE) if self._database.archive else None,
            seconds=seconds,
            counts=self._counts_reader.read(),
            rows_before=rows_before,
            rows_after=demo_data.count_rows(),
            failures=tuple(history.failures()),
        )

    def _conclude(self, verdict: Verdict) -> int:
        self._tell_steps()
        for line in ("", *verdict.lines(), ""):
            self._screen.say(line)
        connections.close_all()
        if not verdict.complaints:
            self._screen.say("All as it should be.")
            return 0
        for line in verdict.complaints:
            self._screen.say(f"Wrong: {line}")
        self._screen.say(f"The logs are in {self._children.where}")
        return 1

    def _ending(self) -> str:
        if self._options.seconds is None:
            return "Ctrl-C ends the show."
        return f"The show ends after {self._options.seconds:g} seconds, or with Ctrl-C."

    def _web_command(self) -> tuple[str, ...]:
        bind = f"--bind={HOST}:{self._options.port}"
        program = (sys.executable, "-m", "gunicorn", "deploy.wsgi:application")
        return (*program, bind, "--threads=4", "--access-logfile=-", "--graceful-timeout=3")

    def _wait_for_web(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self._options.port):
            self._environment.refuse_stop(0.1)
            self._children.refuse_deaths()
            if time.monotonic() > deadline:
                raise DemoError(f"The web server does not answer. See {self._children.where}")


def _answers(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
