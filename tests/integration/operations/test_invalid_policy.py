"""Values that cannot be: one sentence, before anything is changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models

from pg_timepart.errors import InvalidPolicy, InvalidSetting, UnknownName
from pg_timepart.maintenance.maintain import maintain, plan
from pg_timepart.maintenance.target import config_of
from pg_timepart.models import PartitionConfig
from tests.apps.fleet.models import Crossing, Port, Ship
from tests.support.database import Database, at, failure

if TYPE_CHECKING:
    from pytest_django import Settings

NOW = at("2024-05-15 10:30")

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "interval of 0": ({"interval": 0}, "interval must be a whole number, at least 1; it is 0."),
    "negative interval": ({"interval": -3}, "interval must be a whole number, at least 1; it is"),
    "interval in words": ({"interval": "many"}, "at least 1; it is 'many'."),
    "half an interval": ({"interval": 1.5}, "at least 1; it is 1.5."),
    "premake of 0": ({"premake": 0}, "premake must be a whole number, 1 to 1000; it is 0."),
    "huge premake": ({"premake": 100_000}, "premake must be a whole number, 1 to 1000; it is 1000"),
    "no premake": ({"premake": None}, "premake must be a whole number, 1 to 1000; it is None."),
    "true": ({"premake": True}, "premake must be a whole number, 1 to 1000; it is True."),
    "fuse of 0": ({"max_retire_per_pass": 0}, "max_retire_per_pass must be a whole number, at"),
    "negative grace": ({"drop_after": timedelta(days=-1)}, "drop_after must not be negative"),
    "endless grace": (
        {"drop_after": timedelta.max},
        "drop_after must not be negative, nor above 36",
    ),
    "unknown period": (
        {"period": "Fortnight"},
        "There is no period 'Fortnight'. Known: Minute, Hour, Day, Week, Month, Quarter, Year.",
    ),
    "period in lower case": ({"period": "month"}, "There is no period 'month'. Known: Minute,"),
    "no periods": ({"periods_per_partition": 0}, "count must be 1 to 10000, not 0."),
    "too many periods": ({"periods_per_partition": 10_001}, "count must be 1 to 10000, not 10001."),
}


@pytest.mark.parametrize(("facts", "sentence"), WRONG.values(), ids=WRONG)
def test_a_policy_that_cannot_be_is_refused_with_a_sentence(
    database: Database, facts: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        PartitionConfig(model_label="fleet.ship", **facts).policy()
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(WRONG) - {"half an interval", "true"}))
def test_a_form_refuses_it_too(database: Database, name: str) -> None:
    facts, _ = WRONG[name]
    with pytest.raises(ValidationError) as refused:
        PartitionConfig(model_label="fleet.ship", **facts).full_clean()
    assert refused.value.messages


@pytest.mark.parametrize(
    "facts",
    [
        {"interval": 0},
        {"premake": 0},
        {"periods_per_partition": 0},
        {"max_retire_per_pass": 0},
        {"drop_after": timedelta(days=-1)},
    ],
)
def test_the_database_refuses_what_no_form_has_checked(
    database: Database, facts: dict[str, Any]
) -> None:
    config = config_of(Ship)
    with pytest.raises(IntegrityError, match="pg_timepart_config_sane"):
        PartitionConfig.objects.filter(pk=config.pk).update(**facts)


@pytest.mark.parametrize("facts", [{"premake": 100_000}, {"period": "Fortnight"}])
def test_a_pass_with_a_wrong_policy_fails_and_changes_nothing(
    database: Database, facts: dict[str, Any]
) -> None:
    PartitionConfig.objects.filter(pk=config_of(Ship).pk).update(**facts)
    report = maintain("fleet.ship", now=NOW)
    assert repr(next(iter(facts.values()))) in failure(report)
    assert database.ranges(Ship) == []
    assert database.runs(Ship)[0].outcome == "failed"
    with pytest.raises(InvalidPolicy):
        plan("fleet.ship", now=NOW)


@pytest.mark.parametrize("period", ["Minute", "Hour"])
def test_a_date_is_not_cut_below_a_day(database: Database, period: str) -> None:
    database.configure(Crossing, period=period)
    report = maintain("fleet.crossing", now=NOW)
    assert f"A date key cannot be cut by {period}: use Day or longer." in failure(report)
    assert database.ranges(Crossing) == []


def test_an_endless_grace_that_no_form_has_checked_fails_with_a_sentence(
    database: Database,
) -> None:
    database.configure(Ship, drop_after=timedelta(days=900_000_000))
    assert "(empty keeps for ever)" in failure(maintain("fleet.ship", now=NOW))


def test_retention_never_takes_the_current_partition(database: Database) -> None:
    database.configure(Ship, interval=1, period="Day", premake=1)
    database.cover(Ship, "2024-05-13", "2024-05-17")
    maintain("fleet.ship", now=at("2024-05-15"))
    assert database.ranges(Ship)[0] == ("2024-05-13", "2024-05-14")
    maintain("fleet.ship", now=at("2024-05-15 00:00:01"))
    assert database.ranges(Ship)[0] == ("2024-05-14", "2024-05-15")


@pytest.mark.parametrize("label", ["fleet.submarine", "fleet.port", "ship", "", "nowhere.ship"])
def test_an_unknown_model_is_named_with_the_known_ones(database: Database, label: str) -> None:
    with pytest.raises(UnknownName) as caught:
        maintain(label)
    assert f"There is no partitioned model named {label!r}. Known: " in str(caught.value)
    assert "fleet.ship" in str(caught.value)


def test_a_label_is_taken_in_any_case(database: Database) -> None:
    assert maintain("Fleet.SHIP", now=NOW).label == "fleet.ship"


def test_an_unknown_zone_stops_everything_with_a_sentence(
    database: Database, settings: Settings
) -> None:
    settings.PARTITION_TIMEZONE = "Mars/Olympus"
    with pytest.raises(InvalidSetting) as caught:
        maintain("fleet.ship", now=NOW)
    assert "PARTITION_TIMEZONE: There is no time zone named 'Mars/Olympus'" in str(caught.value)
    assert database.ranges(Ship) == []


def test_an_unknown_setting_stops_everything_with_a_sentence(
    database: Database, settings: Settings
) -> None:
    config_of(Ship)
    settings.PG_TIMEPART = {"LOCK_BUDGET": 5}
    with pytest.raises(InvalidSetting) as caught:
        maintain("fleet.ship", now=NOW)
    assert "PG_TIMEPART['LOCK_BUDGET'] is unknown. Known: LOCK_BUDGET_MS" in str(caught.value)
    assert database.ranges(Ship) == []


def test_an_unknown_tablespace_stops_creating_with_a_sentence(database: Database) -> None:
    database.configure(Ship, attach_tablespace="nowhere")
    report = maintain("fleet.ship", now=NOW)
    assert "There is no tablespace named 'nowhere'. Known: " in failure(report)
    assert database.ranges(Ship) == []


# Tables that are not what the model says


def test_a_plain_table_is_told_from_a_partitioned_one(database: Database) -> None:
    raft = database.build()
    database.execute("DROP TABLE fleet_raft")
    database.execute("CREATE TABLE fleet_raft (id bigint, at timestamptz)")
    assert failure(database.maintain(raft, "2024-05-15")) == (
        "The table fleet_raft of fleet.Raft is not partitioned; the model declares RANGE (at)."
        " Adding the decorator changes no existing table; it must be converted, or made anew by"
        " migrate."
    )


@pytest.mark.parametrize("by", ["LIST (at)", "HASH (at)", "RANGE (at, id)", "RANGE (id)"])
def test_a_table_partitioned_in_another_way_is_refused(database: Database, by: str) -> None:
    raft = database.build()
    database.execute("DROP TABLE fleet_raft")
    database.execute(f"CREATE TABLE fleet_raft (id bigint, at timestamptz) PARTITION BY {by}")
    said = f"fleet.Raft is partitioned by {by}; the model declares RANGE (at)."
    assert said in failure(database.maintain(raft, "2024-05-15"))


@pytest.mark.parametrize("kind", ["bigint", "timestamp", "text"])
def test_a_key_of_another_type_is_refused(database: Database, kind: str) -> None:
    raft = database.build()
    database.execute("DROP TABLE fleet_raft")
    database.execute(f"CREATE TABLE fleet_raft (id bigint, at {kind}) PARTITION BY RANGE (at)")
    said = "is partitioned by at, which is neither date nor timestamp with time zone."
    assert said in failure(database.maintain(raft, "2024-05-15"))


def test_a_table_that_is_missing_is_said_to_be(database: Database) -> None:
    raft = database.build()
    database.execute("DROP TABLE fleet_raft")
    assert "The table fleet_raft of fleet.Raft does not exist in the database 'default'" in failure(
        database.maintain(raft, "2024-05-15")
    )


def test_a_model_without_the_decorator_has_no_partitioning(database: Database) -> None:
    assert not hasattr(Port, "partitioning")


def test_a_wrong_default_of_the_decorator_is_refused_when_the_row_is_made(
    database: Database,
) -> None:
    raft = database.build(defaults={"default_interval": 0})
    with pytest.raises(InvalidPolicy, match="interval must be a whole number, at least 1; it is 0"):
        raft.partitioning.create_partition()
    assert database.ranges(raft) == []
    assert not PartitionConfig.objects.filter(model_label="fleet.raft").exists()


def test_the_decorators_defaults_seed_the_row_once(database: Database) -> None:
    defaults = {
        "default_period": "Day",
        "default_periods_per_partition": 2,
        "default_interval": 9,
        "default_attach_tablespace": "fast",
        "default_detach_tablespace": "cold",
        "default_keep_foreign_keys": True,
        "default_drop_after": timedelta(days=3),
        "default_max_retire_per_pass": 4,
        "default_enabled": False,
    }
    raft = database.build(defaults=defaults)
    config = raft.partitioning.config
    for name, value in defaults.items():
        assert getattr(config, name.removeprefix("default_")) == value
    PartitionConfig.objects.filter(pk=config.pk).update(interval=5)
    assert raft.partitioning.config.interval == 5


def test_a_wrong_key_is_refused(database: Database) -> None:
    with pytest.raises(UnknownName, match=r"no field of fleet.Raft named 'when'. Known: at,"):
        database.build(key="when", code=models.IntegerField())
