"""``/healthz`` says whether everything works, ``/livez`` whether this process does.

Point an alarm at ``/healthz``: it is 503 if the database, the broker or a partitioned table needs
somebody. Point what restarts or unplugs a process at ``/livez``: neither would help any of those.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from pg_timepart.maintenance.condition import TableStatus
from pg_timepart.maintenance.status import all_statuses

logger = logging.getLogger("deploy.health")

DEADLINE_SECONDS = 4.0
"""How long a probe waits for an answer. What hangs longer is wrong, whatever it would say."""

_CONNECT_SECONDS = 2
_TOLD = ("read_at", "runs_out_at", "runway_seconds", "attached", "detached", "last_outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    problems: tuple[str, ...] = ()
    """Sentences for a person; nothing where all is well. The network may read them."""

    facts: dict[str, Any] = field(default_factory=dict)
    """More to show, in JSON types."""

    def as_json(self) -> dict[str, Any]:
        """Return it as the answer shows it."""
        return {"ok": not self.problems, "problems": list(self.problems), **self.facts}


class Check:
    """One question that may hang: asked in a thread, and waited for with a deadline.

    A question that still hangs is not asked a second time, so that probes cannot pile up.
    """

    def __init__(self, name: str, question: Callable[[], Finding]) -> None:
        self.name = name
        self._question = question
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"health-{name}")
        self._under_way: Future[Finding] | None = None

    def begin(self) -> Future[Finding]:
        """Ask, unless an earlier question is still without an answer; return what will be it."""
        if self._under_way is None or self._under_way.done():
            self._under_way = self._executor.submit(self._ask)
        return self._under_way

    def answer(self, asked: Future[Finding]) -> Finding:
        """Return the answer if there is one by now."""
        if not asked.done():
            return _silence(self.name)
        return asked.result()

    def _ask(self) -> Finding:
        try:
            return self._question()
        except Exception:  # whatever a driver raises, it means that the check has failed
            logger.exception("The %s failed its check", self.name)
            return Finding(problems=(f"The {self.name} cannot be reached; the log says why.",))
        finally:
            connections.close_all()


@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer that this process answers. Asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer what works and what does not: 200 if all does, else 503.

    Waits for ``DEADLINE_SECONDS`` at most, also while the database or the broker hangs.
    """
    findings = ask_all((_database, _broker))
    is_well = not any(each.problems for each in findings.values())
    body = {
        "status": "ok" if is_well else "wrong",
        **{name: finding.as_json() for name, finding in findings.items()},
    }
    return JsonResponse(body, status=HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE)


def ask_all(checks: tuple[Check, ...]) -> dict[str, Finding]:
    """Return what each check found, all within one deadline."""
    asked = [(each, each.begin()) for each in checks]
    wait([future for _, future in asked], timeout=DEADLINE_SECONDS)
    return {each.name: each.answer(future) for each, future in asked}


def ask_database() -> Finding:
    """Return how the partitioned tables are, or that the database cannot be read."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    statuses = all_statuses()
    return Finding(
        problems=tuple(
            without_secrets(f"{status.label}: {problem}")
            for status in statuses
            for problem in status.problems
        ),
        facts={"tables": [_table(each) for each in statuses]},
    )


def ask_broker() -> Finding:
    """Return whether the broker takes a connection."""
    with current_app.connection_for_write(connect_timeout=_CONNECT_SECONDS) as connection:
        connection.connect()
    return Finding()


def without_secrets(sentence: str) -> str:
    """Return the sentence without any password of the settings, should a driver repeat it."""
    for secret in _secrets():
        sentence = sentence.replace(secret, "***")
    return sentence


def _table(status: TableStatus) -> dict[str, Any]:
    told = status.as_json()
    return {
        "model": status.label,
        "health": status.health.value,
        **{name: told[name] for name in _TOLD},
    }


def _silence(name: str) -> Finding:
    return Finding(problems=(f"The {name} has not answered for {DEADLINE_SECONDS:g} seconds.",))


def _secrets() -> list[str]:
    passwords = [each.get("PASSWORD") for each in settings.DATABASES.values()]
    urls = (settings.CELERY_BROKER_URL, settings.CELERY_RESULT_BACKEND)
    return [str(each) for each in (*passwords, *urls, settings.SECRET_KEY) if each]


_database = Check("database", ask_database)
_broker = Check("broker", ask_broker)
