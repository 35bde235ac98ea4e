"""The server crashes or is restarted in the middle of an operation, or is away."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from pg_timepart.models import PartitionRun
from tests.apps.plant.models import Measurement
from tests.faults.crash_during_detach import crash_while_it_waits
from tests.faults.lost_connections import losing_connections
from tests.faults.own_server import CRASH, FAST, OwnServer
from tests.support import scenarios
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.fault_injection import fail_at_every_point
from tests.support.processes import interrupted_at
from tests.support.scenarios import pending, undisturbed, what_is_left

pytestmark = pytest.mark.usefixtures("database")

KINDS = {"crash": CRASH, "fast": FAST}

IN_THE_MIDDLE = {
    "create ahead": ("crash", "after ALTER TABLE"),
    "detach with a foreign key": ("fast", "before ALTER TABLE"),
    "detach beside a default": ("crash", "after ALTER TABLE"),
    "attach what lacks things": ("fast", "before ALTER TABLE"),
    "move": ("crash", "after ALTER TABLE"),
    "drop by hand": ("fast", "after DROP TABLE"),
}
"""What happens to each operation, and at which statement."""


@pytest.mark.parametrize("name", IN_THE_MIDDLE)
def test_in_the_middle(name: str, archive: str, database: OwnServer) -> None:
    kind, words = IN_THE_MIDDLE[name]
    scenario = ALL_SCENARIOS[name](archive)
    before, after = undisturbed(scenario)
    scenario.prepare()
    interrupted = interrupted_at(words, scenario.operate, lambda *_: database.restart(KINDS[kind]))
    assert interrupted.place is not None
    assert isinstance(interrupted.error, OperationalError)
    assert not list(what_is_left(scenario, before, after, interrupted.place))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_at_every_statement(name: str, kind: str, archive: str, database: OwnServer) -> None:
    fail_at_every_point(
        ALL_SCENARIOS[name](archive),
        losing_connections(lambda *_: database.restart(KINDS[kind])),
    )


def test_a_crash_while_a_detach_waits_leaves_it_pending(database: OwnServer) -> None:
    scenario = scenarios.detach_with_a_foreign_key()
    before, after = undisturbed(scenario)
    crash_while_it_waits(scenario, database)
    database.start()
    assert pending(Measurement)
    assert not list(what_is_left(scenario, before, after, "the crash"))
    assert not pending(Measurement)


def test_while_it_is_away_nothing_is_recorded_and_the_caller_learns_of_it(
    database: OwnServer, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = scenarios.detach_with_a_foreign_key()
    before, after = undisturbed(scenario)
    scenario.prepare()
    PartitionRun.objects.all().delete()
    interrupted = interrupted_at(
        "before ALTER TABLE", scenario.operate, lambda *_: database.stop(CRASH)
    )
    try:
        assert isinstance(interrupted.error, OperationalError)
        with pytest.raises(OperationalError, match="refused"):
            scenario.operate()
    finally:
        database.start()
    assert PartitionRun.objects.count() == 0
    assert (
        f"maintain of plant.measurement: {interrupted.error.args[0].splitlines()[0]}" in caplog.text
    )
    assert not list(what_is_left(scenario, before, after, "the absence"))
