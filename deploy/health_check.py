"""One question that may hang: asked one at a time, and its answer remembered for seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from threading import BoundedSemaphore, Lock
from typing import Any

from django.db import connections

logger = logging.getLogger("deploy.health")

FRESH_SECONDS = 2.0
"""An answer that is younger is given without asking again, however many want it."""

DEADLINE_SECONDS = 4.0
"""How long an answer may take. What hangs longer is wrong, whatever it would say."""

STALE_SECONDS = 30.0
"""An answer that is older is given to nobody, also while a newer one is awaited."""

WAITING_REQUESTS = 2
"""How many requests of a process may wait: each holds a thread of the web server."""


class State(Enum):
    """What is known of a part of the system."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one question found."""

    problems: tuple[str, ...] = ()
    """Sentences for an operator; nothing where all is well."""

    facts: dict[str, Any] = field(default_factory=dict)
    """More to show, in JSON types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known now: a finding, or that there is none."""

    state: State

    finding: Finding

    age_seconds: float = 0.0
    """How long ago it was found."""

    def as_json(self) -> dict[str, Any]:
        """Return it as an operator sees it."""
        return {
            "ok": self.state is State.OK,
            "age_seconds": self.age_seconds,
            "problems": list(self.finding.problems),
            **self.finding.facts,
        }


class Check:
    """One question, asked in a thread of its own and never a second time while it hangs."""

    def __init__(self, name: str, question: Callable[[], Finding]) -> None:
        self.name = name
        self._question = question
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"health-{name}")
        self._lock = Lock()
        self._under_way: Future[None] | None = None
        self._asked_at = 0.0
        self._found: Finding | None = None
        self._found_at = 0.0

    def begin(self) -> Future[None] | None:
        """Ask, unless there is a fresh answer or the question is under way.

        Return what ends with the answer, or nothing where there is no need to wait for it.
        """
        with self._lock:
            if self._under_way is None and self._is_needed():
                self._asked_at = time.monotonic()
                self._under_way = self._executor.submit(self._ask)
            return self._under_way if self.seconds_left() > 0 else None

    def seconds_left(self) -> float:
        """Return for how long an answer to what is under way counts as being in time."""
        return DEADLINE_SECONDS - _seconds_since(self._asked_at)

    def answer(self) -> Answer:
        """Return what is known by now; waits for nothing."""
        with self._lock:
            if self._under_way and self.seconds_left() <= 0:
                return self._silence()
            age = _seconds_since(self._found_at)
            if self._found is None or age > STALE_SECONDS:
                return self._ignorance()
            state = State.WRONG if self._found.problems else State.OK
            return Answer(state=state, finding=self._found, age_seconds=age)

    def _is_needed(self) -> bool:
        return self._found is None or _seconds_since(self._found_at) >= FRESH_SECONDS

    def _silence(self) -> Answer:
        seconds = _seconds_since(self._asked_at)
        sentence = f"The {self.name} has not answered for {seconds:.0f} seconds."
        return Answer(state=State.WRONG, finding=Finding(problems=(sentence,)))

    def _ignorance(self) -> Answer:
        sentence = f"The {self.name} has been asked and has not answered yet; ask again."
        return Answer(state=State.UNKNOWN, finding=Finding(problems=(sentence,)))

    def _ask(self) -> None:
        found = self._find()
        with self._lock:
            self._found, self._found_at = found, time.monotonic()
            self._under_way = None

    def _find(self) -> Finding:
        try:
            return self._question()
        except Exception:  # whatever a driver raises, it means that the check has failed
            logger.exception("The %s failed its check", self.name)
            return Finding(problems=(f"The {self.name} cannot be reached; the log says why.",))
        finally:
            connections.close_all()


def ask_all(checks: Sequence[Check]) -> dict[str, Answer]:
    """Return what is known of each, after ``DEADLINE_SECONDS`` at most.

    Waits for answers that are not fresh, unless as many requests as may already do.
    """
    begun = [(each, each.begin()) for each in checks]
    under_way = {future: each for each, future in begun if future is not None}
    with place_to_wait() as is_free:
        if under_way and is_free:
            wait(under_way, timeout=max(each.seconds_left() for each in under_way.values()))
    return {each.name: each.answer() for each in checks}


@contextmanager
def place_to_wait() -> Iterator[bool]:
    """Give whether this request may do what can hang; it keeps its place until the block ends."""
    is_free = _places.acquire(blocking=False)
    try:
        yield is_free
    finally:
        if is_free:
            _places.release()


_places = BoundedSemaphore(WAITING_REQUESTS)


def _seconds_since(moment: float) -> float:
    return round(time.monotonic() - moment, 2)
