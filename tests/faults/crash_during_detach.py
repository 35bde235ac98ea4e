"""A server that crashes while a concurrent detach waits for a reader."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError, connection

from tests.apps.plant.models import Measurement
from tests.faults.own_server import CRASH, OwnServer
from tests.support.processes import forked, session, wait_until
from tests.support.scenarios import Scenario, patient, pending


def crash_while_it_waits(
    scenario: Scenario, server: OwnServer, before: Callable[[], object] = lambda: None
) -> None:
    """Prepare a detach of measurements, begin it, and crash the server, which stays away.

    ``before`` is done when the detach is pending. Whoever asked for the detach learns of the crash.
    """
    scenario.prepare()
    with session("report") as report, patient(wait_seconds=20):
        report.execute("BEGIN")
        report.execute("SELECT count(*) FROM plant_measurement")
        with forked(scenario.operate, "victim") as victim:
            wait_until(lambda: pending(Measurement))
            before()
            connection.close()
            server.stop(CRASH)
            with pytest.raises(OperationalError):
                victim.result()
