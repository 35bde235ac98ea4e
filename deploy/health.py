"""``/healthz`` says whether everything works, ``/livez`` whether this process does.

Point an alarm at ``/healthz``: it is 503 if the database, the broker or a partitioned table needs
somebody. Anybody gets its status; sentences and tables are for staff and holders of
``HEALTH_TOKEN``. Point what restarts or unplugs a process at ``/livez``: neither would help any of
those.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import django.db
from celery import current_app
from django.conf import settings
from django.contrib import admin
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from deploy.health_check import Answer, Check, Finding, State, ask_all, place_to_wait
from pg_timepart.status import TableStatus, statuses

_CONNECT_SECONDS = 2
_SHOWN_MODELS = ("pg_timepart.partitionconfig", "pg_timepart.partitionrun")
_TOLD = ("read_at", "runs_out_at", "runway_seconds", "attached", "detached", "last_outcome")


@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer that this process answers. Asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer whether all works: 200 if it does, else 503, and what does not to who may know.

    The answer is some seconds old, and says so. Waits for four seconds at most, also while the
    database or the broker hangs; where many ask at once, most do not wait at all.
    """
    answers = ask_all((_database, _broker))
    state = worst(answers.values())
    body: dict[str, Any] = {
        "status": state.value,
        "age_seconds": max(each.age_seconds for each in answers.values()),
    }
    if _may_know(request, answers["database"]):
        body |= {name: answer.as_json() for name, answer in answers.items()}
    status = HTTPStatus.OK if state is State.OK else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse(body, status=status)


def worst(answers: Iterable[Answer]) -> State:
    """Return the state of all, which is well only where each is known to be."""
    states = {each.state for each in answers}
    return next((each for each in (State.WRONG, State.UNKNOWN) if each in states), State.OK)


def _may_know(request: HttpRequest, database: Answer) -> bool:
    """Return whether who asks may read names of roles, tables and hosts.

    A session is looked up in the database, which may hang: then two requests do, and no more.
    """
    if _has_token(request):
        return True
    if "tables" not in database.finding.facts:
        return False
    with place_to_wait() as is_free:
        return is_free and _is_staff(request)


def _has_token(request: HttpRequest) -> bool:
    token = _token()
    given = request.headers.get("Authorization", "")
    return bool(token) and constant_time_compare(given, f"Bearer {token}")


def _token() -> str:
    token: str = getattr(settings, "HEALTH_TOKEN", "")
    return token


def _is_staff(request: HttpRequest) -> bool:
    """Return whether a member of the staff asks who may see tables and runs in the admin."""
    try:
        is_staff = admin.site.has_permission(request)
        return is_staff and all(_may_see(request, each) for each in _SHOWN_MODELS)
    except django.db.Error:
        return False


def _may_see(request: HttpRequest, model: str) -> bool:
    """Return as Django's admin does: who may change rows of ``app.model`` may see them."""
    app_label, _, name = model.partition(".")
    return any(request.user.has_perm(f"{app_label}.{verb}_{name}") for verb in ("view", "change"))


def ask_database() -> Finding:
    """Return how the partitioned tables are, or that the database cannot be read."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    found = statuses()
    return Finding(
        problems=tuple(
            without_secrets(f"{status.label}: {problem}")
            for status in found
            for problem in status.problems
        ),
        facts={"tables": [_table(each) for each in found]},
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


def _secrets() -> list[str]:
    passwords = [each.get("PASSWORD") for each in settings.DATABASES.values()]
    urls = (settings.CELERY_BROKER_URL, settings.CELERY_RESULT_BACKEND)
    own = (settings.SECRET_KEY, _token())
    return [str(each) for each in (*passwords, *urls, *own) if each]


_database = Check("database", ask_database)
_broker = Check("broker", ask_broker)
