"""Moments that datetime, or the zone of the partitions, cannot hold: refused, or for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse

from pg_timepart.errors import InvalidPolicy, OperationFailed
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog
from pg_timepart.status import status_of
from tests.apps.fleet.models import Ship
from tests.support.admin_client import CONFIGS, key_of, no_users_left, page_of, signed_in
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database

SHIP = "fleet.ship"
WEST, EAST = timezone(timedelta(hours=-5)), timezone(timedelta(hours=9))
TOO_LATE, TOO_EARLY = datetime(9999, 12, 31, 23, 59, tzinfo=WEST), datetime(1, 1, 1, tzinfo=EAST)
CODENAMES = ("view_partitionconfig", "operate_partitionconfig", "view_partitionrun")
JUNK = ("infinity", "-infinity", "10000-01-01 04:59+00", "294276-12-31+00", "0044-03-15 BC")


@pytest.fixture
def row(database: Database) -> PartitionLog:
    """A detached partition."""
    database.configure(Ship, period="Month", premake=1)
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    row.detach()
    row.refresh_from_db()
    return row


@pytest.fixture(params=["America/New_York", "Asia/Tokyo"])
def edge(request: pytest.FixtureRequest, settings: Any) -> str:
    """A time that the zone has and UTC has not."""
    settings.PARTITION_TIMEZONE = request.param
    return "9999-12-31T23:59" if request.param == "America/New_York" else "0001-01-01T00:00"


@pytest.fixture
def beyond(request: pytest.FixtureRequest, settings: Any) -> str:
    """A time that UTC has and the zone has not."""
    settings.PARTITION_TIMEZONE = "Asia/Tokyo"
    return "9999-12-31T20:00+00:00"


def assert_untouched(row: PartitionLog) -> None:
    before = (row.is_attached, row.detach_time)
    row.refresh_from_db()
    assert (row.is_attached, row.detach_time) == before


def refuse_everywhere(row: PartitionLog, celery_in_memory: CeleryInMemory, text: str) -> None:
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else None
    with pytest.raises(InvalidPolicy, match="within the years 1 to 9999"):
        celery_in_memory.run("attach_partitions", SHIP, [row.table_name], text)
    with pytest.raises(InvalidPolicy, match="within the years 1 to 9999"):
        celery_in_memory.run("create_partitions", SHIP, None, text, "2020-01-01")
    arguments = ("timepart", "attach", SHIP, "--partition", row.table_name, "--pin", text)
    with pytest.raises(CommandError, match="within the years 1 to 9999"):
        call_command(*arguments)
    for side in (("--from", text, "--to", "2020-01-01"), ("--from", "2020-01-01", "--to", text)):
        with pytest.raises(CommandError, match="within the years 1 to 9999"):
            call_command("timepart", "create", SHIP, *side)
    if aware is not None:
        with pytest.raises(InvalidPolicy, match="within the years 1 to 9999"):
            row.attach(detach_time=aware)
    assert_untouched(row)


def test_a_time_of_the_zone_that_utc_has_not_is_refused_at_every_entry(
    row: PartitionLog, celery_in_memory: CeleryInMemory, edge: str
) -> None:
    refuse_everywhere(row, celery_in_memory, edge)
    with no_users_left():
        client = signed_in(*CODENAMES)
        url = reverse("admin:pg_timepart_partitionconfig_operate", args=(row.config_id,))
        form = {"operation": "attach", "partitions": key_of(row), "pinned_until": edge}
        response = client.post(url, form)
        (said,) = (str(each) for each in get_messages(response.wsgi_request))
    assert said.startswith("Pinned until: The moment must be within the years 1 to 9999")
    assert celery_in_memory.sent() == []


def test_a_time_of_utc_that_the_zone_has_not_is_refused_at_every_entry(
    row: PartitionLog, celery_in_memory: CeleryInMemory, beyond: str
) -> None:
    refuse_everywhere(row, celery_in_memory, beyond)


@pytest.mark.parametrize("moment", [TOO_LATE, TOO_EARLY])
def test_programs_cannot_save_what_cannot_be_read(row: PartitionLog, moment: datetime) -> None:
    with pytest.raises(InvalidPolicy, match="within the years 1 to 9999"):
        row.attach(detach_time=moment)
    for start, end in ((moment, datetime(2020, 1, 1, tzinfo=UTC)), (TOO_EARLY, moment)):
        with pytest.raises((InvalidPolicy, OperationFailed), match="years 1 to 9999"):
            Ship.partitioning.create_range(start, end)
    row.detach_time = moment
    with pytest.raises(ValidationError):
        row.full_clean()
    with pytest.raises(InvalidPolicy, match="years 1 to 9999"):
        row.save()
    with pytest.raises(InvalidPolicy, match="years 1 to 9999"):
        PartitionLog.objects.filter(pk=row.pk).update(detach_time=moment)
    row.refresh_from_db()
    assert row.detach_time is None


def test_the_last_day_of_utc_is_a_pin(row: PartitionLog, celery_in_memory: CeleryInMemory) -> None:
    celery_in_memory.run("attach_partitions", SHIP, [row.table_name], "9999-12-31T23:59+00:00")
    row.refresh_from_db()
    assert row.detach_time == datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("timepart", "status", SHIP, stdout=out)
    assert "pinned for ever" in out.getvalue()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("pin", JUNK)
def test_a_pin_that_nothing_can_hold_holds_for_ever(
    database: Database, row: PartitionLog, settings: Any, zone: str, pin: str
) -> None:
    settings.PARTITION_TIMEZONE = zone
    row.attach()
    database.execute(
        "UPDATE pg_timepart_partitionlog SET detach_time = %s WHERE id = %s", pin, row.pk
    )
    database.configure(Ship, interval=1)
    for report in (maintain(SHIP), maintain(SHIP), reconcile(SHIP), *maintain_all()):
        assert report.outcome in {"done", "unchanged"}, report
        assert "detach" not in {each.kind for each in report.actions}
    assert row.table_name in database.children(Ship)
    shown = StringIO()
    call_command("timepart", "status", SHIP, stdout=shown)
    assert "pinned for ever" in shown.getvalue()
    call_command("timepart", "plan", SHIP, stdout=shown)
    assert status_of(SHIP).as_json()
    with no_users_left():
        client = signed_in(*CODENAMES)
        assert "pinned for ever" in client.get(page_of(row.config)).content.decode()
        assert client.get(reverse(CONFIGS)).status_code == 200


@pytest.mark.parametrize("moment", JUNK)
def test_a_detach_at_a_time_that_nothing_can_hold_is_kept(
    database: Database, row: PartitionLog, moment: str
) -> None:
    database.execute(
        "UPDATE pg_timepart_partitionlog SET detached_at = %s WHERE id = %s", moment, row.pk
    )
    database.configure(Ship, drop_after=timedelta(days=36_525))
    for report in (maintain(SHIP), maintain(SHIP)):
        assert report.outcome in {"done", "unchanged"}, report
    with pytest.raises(OperationFailed, match="is kept until 9999-12-30"):
        PartitionLog.objects.get(pk=row.pk).delete()
    assert database.exists(row.table_name)


@pytest.mark.parametrize("side", ["start", '"end"'])
@pytest.mark.parametrize("moment", JUNK)
def test_bounds_that_nothing_can_hold_are_read(
    database: Database, row: PartitionLog, side: str, moment: str
) -> None:
    row.attach()
    database.execute(
        f"UPDATE pg_timepart_partitionlog SET {side} = %s WHERE id = %s", moment, row.pk
    )
    assert PartitionLog.objects.get(pk=row.pk).pk == row.pk
    assert status_of(SHIP).partitions
    maintain(SHIP)
    assert database.log(Ship, "2020-01-01").end == datetime(2020, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_a_partition_to_the_end_of_the_calendar_is_shown(
    database: Database, settings: Any, zone: str
) -> None:
    settings.PARTITION_TIMEZONE = zone
    database.configure(Ship, period="Month", premake=1)
    database.execute(
        "CREATE TABLE fleet_ship_rest PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2020-01-01+00') TO ('9999-12-31 20:00+00')"
    )
    assert maintain(SHIP).outcome in {"done", "unchanged"}
    call_command("timepart", "status", SHIP, stdout=StringIO())
    with no_users_left():
        client = signed_in(*CODENAMES)
        assert (
            "fleet_ship_rest"
            in client.get(page_of(database.log(Ship, "2020-01-01").config)).content.decode()
        )
        assert client.get(reverse(CONFIGS)).status_code == 200


@pytest.mark.parametrize("grace", ["178000000 years", "1000000 days"])
def test_a_grace_that_nothing_can_hold_stops_no_other_table(
    database: Database, row: PartitionLog, grace: str
) -> None:
    database.execute(
        "UPDATE pg_timepart_partitionconfig SET drop_after = %s WHERE id = %s", grace, row.config_id
    )
    found = {each.label: each for each in maintain_all()}
    assert found[SHIP].outcome == "failed"
    assert "drop_after must not be negative, nor above 36525 days" in found[SHIP].reason
    assert {each.outcome for label, each in found.items() if label != SHIP} <= {"done", "unchanged"}
    assert database.exists(row.table_name)
    assert status_of(SHIP).as_json()
    with no_users_left():
        client = signed_in(*CODENAMES)
        for address in (page_of(row.config), reverse(CONFIGS)):
            assert client.get(address).status_code == 200
    database.configure(Ship, drop_after=timedelta(days=36_525))
    assert maintain(SHIP).outcome in {"done", "unchanged"}
