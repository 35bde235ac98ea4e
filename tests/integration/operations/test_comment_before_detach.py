"""Partitions that somebody made by hand are marked before they are detached."""

from __future__ import annotations

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog
from pg_timepart.postgres.catalog import read_commented
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at

MAY = "2024-05-15 10:30"
COMMENT = "ask Ann before you touch it"


def make_by_hand(database: Database) -> None:
    database.configure(Ship, premake=1, interval=2)
    database.execute(
        "CREATE TABLE hand_made PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
    )
    Ship.objects.create(sailed_at=at("2024-01-15"), name="Argo")


def test_it_is_found_again_when_it_was_renamed_and_its_row_lost(database: Database) -> None:
    make_by_hand(database)
    maintain("fleet.ship", now=at(MAY))
    database.execute("ALTER TABLE hand_made RENAME TO put_away")
    maintain("fleet.ship", now=at(MAY))
    log = database.log(Ship, "2024-01-01")
    assert (log.table_name, log.is_attached) == ("put_away", False)
    PartitionLog.objects.filter(pk=log.pk).delete()
    assert reconcile("fleet.ship").outcome == "done"
    again = database.log(Ship, "2024-01-01")
    again.attach()
    assert Ship.objects.get().name == "Argo"


def test_a_comment_of_somebody_else_is_left_alone(database: Database) -> None:
    make_by_hand(database)
    database.execute("COMMENT ON TABLE hand_made IS '" + COMMENT + "'")
    maintain("fleet.ship", now=at(MAY))
    assert (
        database.one("SELECT obj_description('hand_made'::regclass)")
        == "ask Ann before you touch it"
    )
    assert read_commented(database.connection) == ()
    assert not database.log(Ship, "2024-01-01").is_attached
