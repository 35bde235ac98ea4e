"""``Model.partitioning`` with arguments of any kind: a sentence, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_timepart.errors import TimepartError
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.planner import MAX_DAYS
from tests.apps.depot.models import Pallet
from tests.apps.fleet.models import Crossing, Ship
from tests.apps.foundry.models import Pulse
from tests.hostile.quoting_check import nothing_breaks_out
from tests.hostile.values import NAMES, python_values
from tests.support.database import Database

partitioning: Any = Ship.partitioning


@pytest.fixture(autouse=True)
def log(database: Database) -> Iterator[PartitionLog]:
    """A detached partition."""
    (log, _) = database.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01")
    log.detach()
    with nothing_breaks_out(database):
        yield log
    log.refresh_from_db()
    assert not log.is_attached
    assert log.detach_time is None


def assert_refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    with pytest.raises(TimepartError) as raised:
        call(*arguments, **named)
    assert str(raised.value).endswith(".")


anything_given = python_values.filter(lambda each: each is not None)


@settings(settings.get_profile("hostile"))
@given(value=anything_given)
def test_partitions_of_any_kind(value: Any) -> None:
    for name in ("attach", "detach", "delete", "truncate"):
        assert_refused(getattr(partitioning, f"{name}_partition"), value)
    assert_refused(partitioning.move_partition, value, "pg_default")


@settings(settings.get_profile("hostile"))
@given(value=anything_given)
def test_pins_of_any_kind(log: PartitionLog, value: Any) -> None:
    assert_refused(partitioning.attach_partition, log, detach_time=value)
    assert_refused(log.attach, value)


@settings(settings.get_profile("hostile"))
@given(place=st.one_of(st.none(), st.sampled_from(NAMES), python_values))
def test_tablespaces_of_any_kind(log: PartitionLog, place: Any) -> None:
    assert_refused(log.set_tablespace, place)


@settings(settings.get_profile("hostile"))
@given(days=python_values)
def test_days_of_any_kind(days: Any) -> None:
    assume(type(days) is not int or not 0 <= days <= MAX_DAYS)
    assert_refused(partitioning.create_partition, days)


@settings(settings.get_profile("hostile"))
@given(start=python_values, end=python_values)
def test_ranges_of_any_kind(start: Any, end: Any) -> None:
    assert_refused(partitioning.create_range, start, end)


@pytest.mark.parametrize("model", [Ship, Crossing, Pallet, Pulse])
@settings(settings.get_profile("hostile-pure"))
@given(value=anything_given)
def test_moments_of_any_kind(model: Any, value: Any) -> None:
    assert_refused(model.partitioning.key_at, value)
    assert_refused(model.partitioning.during, value, None)
    assert_refused(model.partitioning.during, None, value)


FAR = st.datetimes(timezones=st.timezones(), allow_imaginary=True)


@pytest.mark.parametrize("model", [Ship, Crossing, Pallet, Pulse])
@settings(settings.get_profile("hostile-pure"))
@given(moment=FAR)
def test_moments_of_any_year_have_a_key_or_a_sentence(model: Any, moment: Any) -> None:
    for ask in (model.partitioning.key_at, lambda each: model.partitioning.during(each, None)):
        with suppress(TimepartError):
            ask(moment)
