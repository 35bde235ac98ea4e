"""Every operation through the pooler: the catalog, the rows and our rows are as without one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models
from django.urls import reverse
from django.utils import timezone

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionRun
from tests.apps.plant.models import Reading
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.session_leaks import leaks
from tests.pooler.table import (
    DAY,
    MODELS,
    NOW,
    OLD,
    execute,
    insert,
    old_partition,
    partitioning_of,
)
from tests.support.admin_client import CONFIGS, no_users_left, page_of, signed_in
from tests.support.case_samples import some_of
from tests.support.table_state import change_policy, observe, reset_table


def test_migrate_makes_tables_that_take_rows_at_once(server: PooledInstallation) -> None:
    server.run("-m", "django", "migrate", "plant", "zero", "--verbosity=0")
    server.run("-m", "django", "migrate", "plant", "--verbosity=0")
    with server.through():
        for model in MODELS:
            insert(model, timezone.now(), 1)
            assert model._default_manager.count() == 1
    assert leaks(server) == []


@pytest.mark.parametrize(
    "model", some_of({each.__name__: each for each in MODELS}, ["Measurement"])
)
def test_the_life_of_a_partition(
    server: PooledInstallation, archive: str, model: type[models.Model]
) -> None:
    without = list(life(model, archive))
    records = recorded(model)
    with server.through():
        found = list(life(model, archive))
        assert recorded(model) == records
    for number, (before, after) in enumerate(zip(without, found, strict=True)):
        assert before.difference(after) == "", f"after step {number}"
    assert len(set(found)) > 5
    assert leaks(server) == []
    assert {outcome for _, outcome, _ in records} == {"done"}


def test_status_and_the_admin_show_the_same(server: PooledInstallation) -> None:
    reset_table(Reading, premake=3)
    maintain("plant.reading")
    without = status()
    with server.through(), no_users_left():
        assert status() == without
        browser = signed_in("view_partitionconfig")
        for address in (reverse(CONFIGS), page_of(Reading.partitioning.config)):
            page = browser.get(address)
            assert page.status_code == 200
            assert "plant.reading" in page.content.decode()
    assert leaks(server) == []


def life(model: type[models.Model], archive: str) -> Iterator[Any]:
    """Do everything that can be done with a table; yield its state after each step."""
    label = model._meta.label_lower
    partitioning = partitioning_of(model)
    reset_table(model)
    steps: list[Callable[[], object]] = [
        lambda: partitioning.create_range(OLD, OLD + 2 * DAY),
        lambda: insert(model, OLD, 1),
        lambda: maintain(label, now=NOW),
        lambda: old_partition(model).detach(),
        lambda: old_partition(model).set_tablespace(archive),
        lambda: old_partition(model).attach(detach_time=NOW + DAY),
        lambda: old_partition(model).detach(concurrently=False),
        lambda: old_partition(model).truncate(),
        lambda: old_partition(model).delete(),
        lambda: execute(f"DROP TABLE {model._meta.db_table}_20240306_20240307"),
        lambda: reconcile(label),
        lambda: partitioning.create_range(OLD, OLD + DAY),
        lambda: insert(model, OLD, 2),
        partitioning.truncate_all_partition,
        lambda: change_policy(model, interval=2, detach_tablespace=archive),
        lambda: maintain(label, now=NOW),
        lambda: change_policy(model, drop_after=DAY),
        lambda: maintain(label, now=NOW + 2 * DAY),
    ]
    for each in steps:
        each()
        yield observe(model)


def recorded(model: type[models.Model]) -> list[Any]:
    """Return what the records of the runs say, without durations."""
    runs = PartitionRun.objects.filter(model_label=model._meta.label_lower).order_by("pk")
    return [
        (
            each.operation,
            each.outcome,
            sorted((act["action"], act["partition"], act["outcome"]) for act in each.actions),
        )
        for each in runs
    ]


def status() -> Any:
    """Return what ``timepart status`` says, without what passes by itself."""
    said = StringIO()
    call_command("timepart", "status", "plant.reading", "--json", stdout=said)
    (table,) = json.loads(said.getvalue())
    return {
        name: value for name, value in table.items() if name not in ("read_at", "runway_seconds")
    }
