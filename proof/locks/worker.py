"""Worker process that performs the operations, as a Celery worker would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from django.test import override_settings

from proof.locks.operations import CASES, Case, OperationResult, perform
from tests.support.processes import forked

MAINTENANCE = "maintenance"
LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for."""

    case: int
    """Its number among all scenes."""

    settings: dict[str, Any]
    """``PG_TIMEPART``."""


class Worker:
    """The process, as seen by who gives it orders."""

    def __init__(self, orders: Connection) -> None:
        self._orders = orders

    def ask(self, case: Case, settings: dict[str, Any]) -> OperationResult:
        """Have the operation done, and return how it ended."""
        self._orders.send(Request(case=CASES.index(case), settings=settings))
        assert self._orders.poll(LONGEST_SECONDS), f"{case} does not end"
        ending: OperationResult = self._orders.recv()
        return ending


@contextmanager
def working_process() -> Iterator[Worker]:
    """Start the process, and end it with the block."""
    ours, theirs = Pipe()
    with forked(lambda: _serve(theirs), MAINTENANCE) as process:
        yield Worker(ours)
        ours.send(None)
        process.result()


def _serve(orders: Connection) -> None:
    for order in iter(orders.recv, None):
        with override_settings(PG_TIMEPART=order.settings):
            orders.send(perform(CASES[order.case]))
