"""Foreign keys of detached partitions: dropped after the detach, built again by an attach."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, models
from django.db.migrations.executor import MigrationExecutor
from django.test import override_settings

from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.preview import preview_pass
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionConfig
from tests.apps.fleet.models import Cargo, Port, Ship
from tests.support.database import Database, Tablespaces, at, outcomes, queries_of_an_idle_pass
from tests.support.processes import die_at, session

CARGO = "fleet_cargo_20240101_20240201"
MARCH = "2024-03-15"
NAMES = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass"
AT_ONCE = override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.2})


def laden(database: Database, **facts: Any) -> Port:
    """Return a port that a row of January refers to; January is past retention in March."""
    database.configure(Cargo, interval=1, premake=1, **facts)
    database.cover(Cargo, "2024-01-01", "2024-02-01", "2024-03-01")
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at("2024-01-15"), port=port, code="a")
    return port


def foreign_keys(database: Database, table: str = CARGO) -> list[Any]:
    return database.query(
        "SELECT confrelid::regclass::text, convalidated FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid = %s::regclass ORDER BY conname",
        table,
    )


def retired(database: Database, model: Any = Cargo) -> list[tuple[str, str]]:
    """Return what a pass in March does, but for what it creates."""
    return [each for each in outcomes(database.maintain(model, MARCH)) if each[0] != "create"]


def test_what_a_retired_row_refers_to_can_be_deleted(database: Database) -> None:
    port = laden(database)
    assert retired(database) == [("detach", "done"), ("unlink", "done")]
    port.delete()
    assert database.query(f"SELECT code FROM {CARGO}") == ["a"]
    assert foreign_keys(database) == []


def test_the_row_keeps_the_id_of_what_is_gone(database: Database) -> None:
    port = laden(database)
    key = port.pk
    database.maintain(Cargo, MARCH)
    port.delete()
    assert database.query(f"SELECT port_id FROM {CARGO}") == [key]


def test_the_record_shows_it_as_an_action_of_its_own(database: Database) -> None:
    laden(database)
    database.maintain(Cargo, MARCH)
    (run,) = database.runs(Cargo)[:1]
    unlinked = [each for each in run.actions if each["action"] == "unlink"]
    assert [(each["partition"], each["outcome"]) for each in unlinked] == [(CARGO, "done")]
    assert any("DROP CONSTRAINT" in each for each in unlinked[0]["statements"])


def test_a_config_may_keep_them(database: Database) -> None:
    port = laden(database, keep_foreign_keys=True)
    assert retired(database) == [("detach", "done")]
    assert foreign_keys(database) == [("fleet_port", True)]
    with pytest.raises(IntegrityError, match=CARGO):
        port.delete()


def test_a_config_that_no_longer_keeps_them_lets_the_next_pass_drop_them(
    database: Database,
) -> None:
    laden(database, keep_foreign_keys=True)
    database.maintain(Cargo, MARCH)
    assert database.maintain(Cargo, MARCH).outcome == "unchanged"
    database.configure(Cargo, keep_foreign_keys=False)
    assert outcomes(database.maintain(Cargo, MARCH)) == [("unlink", "done")]
    assert database.maintain(Cargo, MARCH).outcome == "unchanged"


def test_one_without_foreign_keys_has_nothing_to_drop(database: Database) -> None:
    database.configure(Ship, interval=1, premake=1)
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
    assert retired(database, Ship) == [("detach", "done")]


@AT_ONCE
def test_while_somebody_reads_the_target_it_is_detached_and_the_next_pass_goes_on(
    database: Database, tablespaces: Tablespaces
) -> None:
    laden(database, detach_tablespace=tablespaces.cold)
    with session("reader") as reader:
        reader.execute("BEGIN")
        reader.execute("LOCK TABLE fleet_port IN ACCESS SHARE MODE")
        report = database.maintain(Cargo, MARCH)
        done = [each for each in outcomes(report) if each[0] != "create"]
        assert done == [("detach", "done"), ("unlink", "deferred"), ("move", "done")]
        assert "'reader'" in report.reason
        log = database.log(Cargo, "2024-01-01")
        assert (log.is_attached, log.unfinished) == (False, "")
        assert database.tablespaces(CARGO) == {tablespaces.cold}
        reader.execute("ROLLBACK")
    assert outcomes(database.maintain(Cargo, MARCH)) == [("unlink", "done")]
    assert foreign_keys(database) == []


@AT_ONCE
def test_by_hand_it_is_told_and_asking_again_ends_it(database: Database) -> None:
    laden(database)
    log = database.log(Cargo, "2024-01-01")
    with session("reader") as reader:
        reader.execute("BEGIN")
        reader.execute("LOCK TABLE fleet_port IN ACCESS SHARE MODE")
        with pytest.raises(OperationDeferred, match="drop the foreign key") as caught:
            log.detach()
        assert outcomes(caught.value.report) == [("detach", "done"), ("unlink", "deferred")]  # type: ignore[arg-type]
        assert not log.is_attached
        reader.execute("ROLLBACK")
    assert outcomes(log.detach()) == [("unlink", "done")]
    assert log.detach().outcome == "unchanged"


def test_what_is_dropped_or_attached_is_not_unlinked_before(database: Database) -> None:
    laden(database, keep_foreign_keys=True)
    database.maintain(Cargo, MARCH)
    database.configure(Cargo, keep_foreign_keys=False)
    log = database.log(Cargo, "2024-01-01")
    die_at("ATTACH PARTITION", log.attach)
    report = database.maintain(Cargo, MARCH)
    assert outcomes(report)[0] == ("attach", "done")
    assert ("unlink", "done") not in outcomes(report)[:1]


def test_a_pending_detach_that_is_ended_is_unlinked(database: Database) -> None:
    laden(database)
    with session("reader") as reader, session("operator") as operator:
        reader.execute("BEGIN")
        reader.execute("SELECT FROM fleet_cargo")
        operator.execute("SET statement_timeout = '100ms'")
        with pytest.raises(Exception, match="canceling"):
            operator.execute(f"ALTER TABLE fleet_cargo DETACH PARTITION {CARGO} CONCURRENTLY")
        reader.execute("ROLLBACK")
    assert retired(database) == [("finalize", "done"), ("unlink", "done")]
    assert foreign_keys(database) == []


def test_an_attach_builds_them_again(database: Database) -> None:
    laden(database)
    database.maintain(Cargo, MARCH)
    log = database.log(Cargo, "2024-01-01")
    before = database.query(NAMES, "fleet_cargo")
    log.attach()
    assert foreign_keys(database) == [("fleet_port", True)]
    assert database.query(NAMES, CARGO) == before
    assert Cargo.objects.filter(loaded_at__lt=at("2024-02-01")).count() == 1


@pytest.mark.parametrize(
    ("count", "words"), [(3, "3 of the rows"), (1_200, "More than 1,000 rows")]
)
def test_an_attach_that_cannot_build_them_names_the_orphans(
    database: Database, count: int, words: str
) -> None:
    port = laden(database)
    Cargo.objects.bulk_create(
        Cargo(loaded_at=at("2024-01-15"), port=port, code=str(number))
        for number in range(count - 1)
    )
    database.maintain(Cargo, MARCH)
    key = port.pk
    port.delete()
    log = database.log(Cargo, "2024-01-01")
    with pytest.raises(OperationFailed) as caught:
        log.attach()
    said = str(caught.value)
    assert f'Key (port_id)=({key}) is not present in table "fleet_port".' in said
    assert f"{words} of {CARGO} refer by port_id to rows of fleet_port that are gone." in said
    query = said[said.index("SELECT ") :].partition(";")[0]
    assert len(database.query(query)) == count
    assert (log.is_attached, log.unfinished) == (False, "")
    assert outcomes(database.maintain(Cargo, MARCH)) == [("unlink", "done")]
    Port.objects.create(pk=key, name="Lisbon")
    log.attach()
    assert foreign_keys(database) == [("fleet_port", True)]


def test_the_preview_shows_its_sql(database: Database) -> None:
    laden(database)
    found = preview_pass(target_of(Cargo), now=at(MARCH)).as_json()["actions"]
    (unlink,) = [each for each in found if each["action"] == "unlink"]
    assert unlink["note"] == "Only once the detach has ended well."
    assert unlink["steps"][0]["locks"] == [
        "ACCESS EXCLUSIVE on public.fleet_port",
        f"ACCESS EXCLUSIVE on public.{CARGO}",
    ]
    told = [each for each in unlink["steps"][0]["sql"] if "DROP CONSTRAINT" in each]
    database.maintain(Cargo, MARCH)
    (run,) = database.runs(Cargo)[:1]
    (done,) = [each for each in run.actions if each["action"] == "unlink"]
    assert [each for each in done["statements"] if "DROP CONSTRAINT" in each] == told


# Other targets than plain tables


def build_voyages(database: Database) -> None:
    """Make the table partitioned that cargo refers to, by a foreign key of two columns."""
    database.execute(
        "CREATE TABLE fleet_voyage (id int, at timestamptz, PRIMARY KEY (id, at))"
        " PARTITION BY RANGE (at)"
    )
    for month in (1, 2, 3):
        database.execute(
            f"CREATE TABLE fleet_voyage_{month} PARTITION OF fleet_voyage"
            f" FOR VALUES FROM ('2024-0{month}-01') TO ('2024-0{month + 1}-01')"
        )
    database.execute("INSERT INTO fleet_voyage VALUES (1, '2024-01-15')")


def test_one_foreign_key_to_a_partitioned_table_is_one(database: Database) -> None:
    build_voyages(database)
    database.configure(Ship, interval=1, premake=1)
    database.execute("ALTER TABLE fleet_ship ADD COLUMN voyage int")
    database.execute(
        "ALTER TABLE fleet_ship ADD CONSTRAINT by_voyage FOREIGN KEY (voyage, sailed_at)"
        " REFERENCES fleet_voyage"
    )
    try:
        database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
        database.execute(
            "INSERT INTO fleet_ship (sailed_at, name, voyage) VALUES ('2024-01-15', 'Argo', 1)"
        )
        assert retired(database, Ship) == [("detach", "done"), ("unlink", "done")]
        assert foreign_keys(database, "fleet_ship_20240101_20240201") == []
        log = database.log(Ship, "2024-01-01")
        log.attach()
        assert foreign_keys(database, "fleet_ship_20240101_20240201") == [("fleet_voyage", True)]
        log.detach()
        assert retired(database, Ship) == []
        database.execute("DELETE FROM fleet_voyage")
        with pytest.raises(OperationFailed, match=r"1 of the rows of .* by voyage, sailed_at"):
            log.attach()
        log.delete()
    finally:
        database.execute("ALTER TABLE fleet_ship DROP COLUMN voyage")


def test_one_that_refers_to_the_table_itself(database: Database) -> None:
    database.configure(Ship, interval=1, premake=1)
    database.execute("ALTER TABLE fleet_ship ADD COLUMN tug bigint")
    database.execute(
        "ALTER TABLE fleet_ship ADD CONSTRAINT by_tug FOREIGN KEY (tug, sailed_at)"
        " REFERENCES fleet_ship (id, sailed_at)"
    )
    try:
        database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
        database.execute("INSERT INTO fleet_ship (sailed_at, name) VALUES ('2024-01-15', 'Argo')")
        assert retired(database, Ship) == [("detach", "done"), ("unlink", "done")]
        assert foreign_keys(database, "fleet_ship_20240101_20240201") == []
        database.log(Ship, "2024-01-01").attach()
        assert foreign_keys(database, "fleet_ship_20240101_20240201")
    finally:
        database.execute("ALTER TABLE fleet_ship DROP CONSTRAINT by_tug")
        database.execute("ALTER TABLE fleet_ship DROP COLUMN tug")


# Configs that were there before


def migrated_to(name: str) -> None:
    MigrationExecutor(connection).migrate([("pg_timepart", name)])


def test_configs_that_exist_keep_them_and_new_ones_do_not(database: Database) -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("pg_timepart")[0][1]
    database.configure(Cargo)
    migrated_to("0002_asked_for")
    try:
        kept = database.one("SELECT count(*) FROM pg_timepart_partitionconfig")
        assert kept > 0
    finally:
        migrated_to(latest)
    assert Cargo.partitioning.config.keep_foreign_keys
    PartitionConfig.objects.filter(model_label="fleet.ship").delete()
    assert not Ship.partitioning.config.keep_foreign_keys


def test_a_config_that_an_older_release_makes_keeps_them(database: Database) -> None:
    database.execute(
        "INSERT INTO pg_timepart_partitionconfig (model_label, period, periods_per_partition,"
        " premake, attach_tablespace, detach_tablespace, max_retire_per_pass, enabled,"
        " is_schedule_paused, last_outcome, last_message)"
        " VALUES ('fleet.gone', 'Day', 1, 1, '', '', 31, true, false, '', '')"
    )
    assert PartitionConfig.objects.get(model_label="fleet.gone").keep_foreign_keys


def test_an_idle_pass_asks_no_more_with_many_of_them(database: Database) -> None:
    database.configure(Ship, interval=1, premake=1)
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
    few = len(queries_of_an_idle_pass(database, at("2024-02-15")))
    assert len(queries_of_an_idle_pass(database, at("2024-06-15"))) == few
    assert maintain("fleet.cargo").outcome == "done"


@pytest.mark.parametrize("state", ["NOT ENFORCED", "NOT VALID"])
@pytest.mark.parametrize("is_kept", [True, False])
def test_what_the_parent_does_not_check_is_not_checked_by_an_attach(
    database: Database, state: str, is_kept: bool
) -> None:
    if database.connection.pg_version < 180000:  # type: ignore[attr-defined]
        pytest.skip("before 18, foreign keys of a partitioned table are valid and enforced")
    raft = database.build(owner=models.BigIntegerField(default=99))
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    raft.objects.create(at=at("2024-01-15"))
    database.execute(
        "ALTER TABLE fleet_raft ADD CONSTRAINT unchecked"
        f" FOREIGN KEY (owner) REFERENCES fleet_port (id) {state}"
    )
    log = database.configure(raft, keep_foreign_keys=is_kept).logs.get()
    raft.partitioning.detach_partition(log)
    raft.partitioning.attach_partition(log)
    assert raft.objects.count() == 1
    assert foreign_keys(database, log.table_name) == [("fleet_port", False)]
