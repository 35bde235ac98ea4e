"""Progress of a task that a page has sent: from its PartitionRun, else from Celery's result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from celery.backends.base import DisabledBackend
from celery.result import AsyncResult
from django.core import signing
from django.utils import timezone

from pg_timepart.constants import Outcome
from pg_timepart.logger import logger
from pg_timepart.models import PartitionConfig, PartitionRun

SALT = "pg_timepart.follow"
LONG_WAIT = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of one task."""

    sentence: str
    has_ended: bool
    outcome: str = ""
    run: PartitionRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A task that a user has sent from a page."""

    task_id: str
    user: str
    label: str
    operation: str
    since: datetime


def sealed(sent: Sent) -> str:
    """Return a signed token for a URL, by which only this user can follow the task."""
    return signing.dumps({**asdict(sent), "since": sent.since.isoformat()}, salt=SALT)


def unsealed(text: str, task_id: str, user: str) -> Sent | None:
    """Return the task of a token that sealed() made for this user, or None."""
    try:
        facts = signing.loads(text, salt=SALT)
    except signing.BadSignature:
        return None
    sent = Sent(**{**facts, "since": datetime.fromisoformat(facts["since"])})
    return sent if (sent.task_id, sent.user) == (task_id, user) else None


def progress_of(task_id: str, sent: Sent | None) -> Progress:
    """Return the progress of a task by its records, and for its sender also by Celery's result.

    Celery keeps the results of all tasks of the project by their ids alone, so they are shown only
    to the user who sent this task.
    """
    run = PartitionRun.objects.filter(task_id=task_id).order_by("-pk").first()
    known = _by_backend(task_id) if sent is not None else None
    if run is not None:
        return _recorded(run, known)
    if sent is None:
        return Progress(sentence="No run of this task is recorded.", has_ended=True)
    return known or _by_last_check(sent) or _waiting(sent)


def _recorded(run: PartitionRun, known: Progress | None) -> Progress:
    if run.outcome != Outcome.DEFERRED:
        return Progress(sentence=run.message, has_ended=True, outcome=run.outcome, run=run)
    return Progress(
        sentence=f"It was deferred and is tried again: {run.message}",
        has_ended=known is not None and known.has_ended,
        outcome=run.outcome,
        run=run,
    )


def _by_backend(task_id: str) -> Progress | None:
    """Return the progress by the result backend, or None where that is not used or unaware."""
    try:
        if isinstance(current_app.backend, DisabledBackend):
            return None
        found: AsyncResult[Any] = AsyncResult(task_id)
        state, result = found.state, found.result
    except Exception as error:  # noqa: BLE001 - any backend, with errors of its own
        logger.warning("result of the task %s: %s", task_id, error)  # may name a password
        return _unreadable(error)
    return _by_state(state, result)


def _unreadable(error: Exception) -> Progress:
    return Progress(
        sentence=(
            "Its result cannot be read: Celery's result backend cannot be loaded or reached"
            f" ({type(error).__name__}; the log says more). What it does to the table is shown here"
            " once it is recorded."
        ),
        has_ended=False,
    )


def _by_state(state: str, result: Any) -> Progress | None:
    if state == "SUCCESS":
        facts = result if isinstance(result, dict) else {}
        outcome = str(facts.get("outcome", Outcome.DONE.value))
        words = facts.get("message") or "There was nothing to do."
        return Progress(sentence=str(words), has_ended=True, outcome=outcome)
    if state in {"FAILURE", "REVOKED"}:
        return Progress(sentence=str(result), has_ended=True, outcome=Outcome.FAILED.value)
    if state == "RETRY":
        return Progress(sentence=f"It waits for another try: {result}", has_ended=False)
    if state == "STARTED":
        return Progress(sentence="A worker is running it.", has_ended=False)
    return None


def _by_last_check(sent: Sent) -> Progress | None:
    """Return that a run has checked the table since, where no backend tells the outcome."""
    if not isinstance(current_app.backend, DisabledBackend):
        return None
    config = PartitionConfig.objects.filter(model_label=sent.label).first()
    checked = config.last_checked_at if config else None
    if checked is None or checked <= sent.since:
        return None
    sentence = "The table was checked since then, and there was nothing to do."
    return Progress(sentence=sentence, has_ended=True, outcome=Outcome.UNCHANGED.value)


def _waiting(sent: Sent) -> Progress:
    sentence = "It waits for a worker."
    if timezone.now() - sent.since > LONG_WAIT:
        sentence += (
            " None has taken it yet: does one run, and does it read this queue? If the broker was"
            " restarted since, send it again."
        )
    return Progress(sentence=sentence, has_ended=False)
