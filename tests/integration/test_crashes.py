"""A process killed at every statement: the next pass ends where an undisturbed run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.db import connection, models

from pg_timepart.constants import Outcome
from tests.plant import halfway, scenarios
from tests.plant.models import Measurement, Reading
from tests.plant.observing import clear_plant, observe
from tests.plant.scenarios import (
    Scenario,
    patient,
    pending,
    prepare_old,
    run_pass,
    undisturbed,
)
from tests.plant.striking import strike_everywhere
from tests.processes import (
    KILLED,
    forked,
    killed_at,
    session,
    terminate_backends,
    wait_until,
    wait_until_gone,
)
from tests.tablespaces import tablespaces_named

pytestmark = pytest.mark.django_db(transaction=True)

VICTIM = "victim"


@pytest.fixture(autouse=True)
def plant(transactional_db: None) -> Iterator[None]:
    yield
    clear_plant()


@pytest.fixture
def archive() -> Iterator[str]:
    """A second tablespace."""
    # The whole server has it, and somebody else's tests may run there.
    name = f"archive_of_{connection.settings_dict['NAME']}"
    with tablespaces_named(name):
        yield name
        clear_plant()


def killed(point: int, work: Callable[[], object]) -> str | None:
    """Kill the process that does the work, and wait until the server has noticed."""
    code, place = killed_at(point, work, VICTIM)
    if code == 0:
        return None
    assert code == KILLED
    wait_until_gone(VICTIM)
    return place


def test_create_ahead() -> None:
    strike_everywhere(scenarios.create_ahead(), killed)


def test_detach_concurrently_and_move(archive: str) -> None:
    strike_everywhere(scenarios.detach_and_move(archive), killed)


def test_detach_with_a_foreign_key() -> None:
    strike_everywhere(scenarios.detach_with_a_foreign_key(), killed)


def test_detach_beside_a_default_partition() -> None:
    strike_everywhere(scenarios.detach_beside_a_default_partition(), killed)


def test_create_beside_a_big_default_partition() -> None:
    strike_everywhere(scenarios.create_beside_a_big_default_partition(), killed)


def test_finalize_and_move(archive: str) -> None:
    strike_everywhere(halfway.finalize_and_move(archive), killed)


def test_finalize_with_a_foreign_key() -> None:
    strike_everywhere(halfway.finalize_with_a_foreign_key(), killed)


def test_attach() -> None:
    strike_everywhere(scenarios.attach(), killed)


def test_attach_without_index_and_foreign_key() -> None:
    strike_everywhere(scenarios.attach_without_index_and_foreign_key(), killed)


def test_attach_beside_a_default_partition() -> None:
    strike_everywhere(halfway.attach_beside_a_default_partition(), killed)


def test_attach_while_its_detach_is_pending() -> None:
    strike_everywhere(halfway.call_off_a_pending_detach(), killed)


def test_move_an_attached_one(archive: str) -> None:
    strike_everywhere(halfway.move_an_attached_one(archive), killed)


def test_truncate() -> None:
    strike_everywhere(halfway.truncate(), killed)


def test_move_a_detached_one(archive: str) -> None:
    strike_everywhere(scenarios.move_a_detached_one(archive), killed)


def test_drop_after_the_grace() -> None:
    strike_everywhere(scenarios.drop_after_the_grace(), killed)


def test_drop_by_hand() -> None:
    strike_everywhere(scenarios.drop_by_hand(), killed)


@pytest.mark.parametrize("model", [Reading, Measurement])
def test_the_pass_that_does_not_wait_for_the_dead(model: type[models.Model]) -> None:
    """The server may not have noticed yet that the client is dead: then the pass gives way."""
    scenario = Scenario(
        model=model,
        prepare=prepare_old(model, interval=2, premake=2),
        operate=lambda: run_pass(model),
    )
    _, after = undisturbed(scenario)
    for point in count(1):
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
