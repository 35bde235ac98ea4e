"""A process killed on its way: the next pass ends where an undisturbed run ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from django.db import models

from pg_timepart.constants import Outcome
from tests.apps.plant.models import Measurement, Reading
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.fault_injection import VICTIM
from tests.support.processes import (
    forked,
    killed_at,
    session,
    terminate_backends,
    wait_until,
    wait_until_gone,
)
from tests.support.scenarios import Scenario, patient, pending, prepare_old, run_pass, undisturbed
from tests.support.table_state import observe

Kill = Callable[[Scenario], None]

pytestmark = [
    pytest.mark.usefixtures("committing"),
    pytest.mark.usefixtures("clean_plant_tables"),
]


@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_killed_on_the_way(name: str, kill: Kill, archive: str) -> None:
    kill(ALL_SCENARIOS[name](archive))


@pytest.mark.parametrize("model", [Reading, Measurement])
def test_the_pass_that_does_not_wait_for_the_dead(model: type[models.Model]) -> None:
    """The server may not have noticed yet that the client is dead: then the pass gives way."""
    scenario = Scenario(
        model=model,
        prepare=prepare_old(model, interval=2, premake=2),
        operate=lambda: run_pass(model),
    )
    _, after = undisturbed(scenario)
    for point in count(1, 6):
        scenario.prepare()
        code, place = killed_at(point, scenario.operate, VICTIM)
        if code == 0:
            break
        assert run_pass(model) is not Outcome.FAILED, place
        wait_until_gone(VICTIM)
        run_pass(model)
        assert not after.difference(observe(model)), place


@pytest.mark.parametrize("model", [Reading, Measurement])
@pytest.mark.parametrize("is_noticed", [True, False], ids=["noticed", "unnoticed"])
def test_killed_while_a_detach_waits(model: type[models.Model], is_noticed: bool) -> None:
    scenario = Scenario(
        model=model, prepare=prepare_old(model, interval=2), operate=lambda: run_pass(model)
    )
    _, after = undisturbed(scenario)
    scenario.prepare()
    with session("report") as report, patient():
        report.execute("BEGIN")
        report.execute(f"SELECT count(*) FROM {model._meta.db_table}")
        with forked(scenario.operate, VICTIM) as victim:
            wait_until(lambda: pending(model))
            victim.kill()
        if is_noticed:
            terminate_backends(VICTIM)
        assert pending(model)
        assert run_pass(model) is Outcome.DEFERRED
        report.execute("COMMIT")
    wait_until_gone(VICTIM)
    run_pass(model)
    assert not after.difference(observe(model))
