"""Settings: what may be said, and the sentence for what may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from pg_timepart import conf
from pg_timepart.errors import InvalidSetting

if TYPE_CHECKING:
    from pytest_django import Settings


def test_defaults() -> None:
    options = conf.options()
    assert options == conf.Options()
    assert options.LOCK_BUDGET_MS == 50
    assert options.MAINTENANCE_DATABASES is None


def test_what_is_given_rules_at_call_time(settings: Settings) -> None:
    settings.PG_TIMEPART = {"LOCK_BUDGET_MS": 20, "LOCK_WAIT_SECONDS": 0}
    assert (conf.options().LOCK_BUDGET_MS, conf.options().LOCK_WAIT_SECONDS) == (20, 0)
    settings.PG_TIMEPART = {"HISTORY_DAYS": 7}
    assert (conf.options().LOCK_BUDGET_MS, conf.options().HISTORY_DAYS) == (50, 7)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "PG_TIMEPART must be a dictionary, not list."),
        ("LOCK_BUDGET_MS", "PG_TIMEPART must be a dictionary, not str."),
        (
            {"LOCK_BUDGET": 5},
            "PG_TIMEPART['LOCK_BUDGET'] is unknown. Known: LOCK_BUDGET_MS, LOCK_WAIT_SECONDS,",
        ),
        ({"LOCK_BUDGET_MS": 0}, "PG_TIMEPART['LOCK_BUDGET_MS'] must be a number from 1 to 60000"),
        ({"LOCK_BUDGET_MS": "50"}, "must be a number from 1 to 60000, not '50'."),
        ({"LOCK_BUDGET_MS": True}, "must be a number from 1 to 60000, not True."),
        ({"LOCK_BUDGET_MS": None}, "must be a number from 1 to 60000, not None."),
        ({"URGENT_LOCK_BUDGET_MS": 0}, "must be a number from 1 to 60000, not 0."),
        (
            {"URGENT_LOCK_BUDGET_MS": 49},
            "PG_TIMEPART['URGENT_LOCK_BUDGET_MS'] must be 50, as LOCK_BUDGET_MS, or more, not 49.",
        ),
        ({"LOCK_WAIT_SECONDS": -1}, "must be a number from 0 to 86400, not -1."),
        ({"LOCK_WAIT_SECONDS": float("nan")}, "must be a number from 0 to 86400, not nan."),
        ({"LONG_TRANSACTION_MS": 0}, "must be a number from 1 to 86400000, not 0."),
        ({"LOCK_WAIT_SECONDS": float("inf")}, "must be a number from 0 to 86400, not inf."),
        ({"HISTORY_DAYS": 10**9}, "must be a number from 1 to 36525, not 1000000000."),
        ({"HISTORY_DAYS": 0}, "PG_TIMEPART['HISTORY_DAYS'] must be a number from 1 to 36525"),
        ({"MAX_RETIRE_PER_PASS": 0}, "must be a whole number from 1 to 1000000, not 0."),
        ({"MAX_RETIRE_PER_PASS": 31.5}, "must be a whole number from 1 to 1000000, not 31.5."),
        (
            {"MAINTENANCE_DATABASES": "default"},
            "PG_TIMEPART['MAINTENANCE_DATABASES'] must be a dictionary of database aliases.",
        ),
        (
            {"MAINTENANCE_DATABASES": {"default": "direct"}},
            "names the database 'direct'. Known: default, other.",
        ),
        (
            {"MAINTENANCE_DATABASES": {"default": ["direct"]}},
            "names the database ['direct']. Known: default, other.",
        ),
        (
            {"MAINTENANCE_DATABASES": {"pooled": "default"}},
            "names the database 'pooled'. Known: default, other.",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(
    settings: Settings, given: Any, sentence: str
) -> None:
    settings.PG_TIMEPART = given
    (problem,) = conf.problems()
    assert sentence in problem
    with pytest.raises(InvalidSetting) as caught:
        conf.options()
    assert str(caught.value) == problem


def test_every_problem_is_reported_at_once(settings: Settings) -> None:
    settings.PG_TIMEPART = {"LOCK_BUDGET_MS": 0, "HISTORY_DAYS": 0, "COLOUR": "red"}
    settings.PARTITION_TIMEZONE = "Mars/Olympus"
    assert len(conf.problems()) == 4


def test_the_zone_is_partition_timezone_or_else_time_zone(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    assert conf.zone() == ZoneInfo("Europe/Berlin")
    settings.PARTITION_TIMEZONE = "America/Sao_Paulo"
    assert conf.zone() == ZoneInfo("America/Sao_Paulo")
    settings.PARTITION_TIMEZONE = None
    assert conf.zone() == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", "Europe/Berln", 5])
def test_an_unknown_zone_is_named(settings: Settings, name: Any) -> None:
    settings.PARTITION_TIMEZONE = name
    with pytest.raises(InvalidSetting, match="PARTITION_TIMEZONE: There is no time zone named"):
        conf.zone()
    (problem,) = conf.problems()
    assert repr(str(name)) in problem


def test_a_misspelt_zone_is_told_the_right_one(settings: Settings) -> None:
    settings.PARTITION_TIMEZONE = "Europe/Berln"
    with pytest.raises(InvalidSetting, match="Europe/Berlin"):
        conf.zone()


def test_maintenance_goes_past_a_pooler_where_one_is_named(settings: Settings) -> None:
    assert conf.maintenance_alias("default") == "default"
    settings.PG_TIMEPART = {"MAINTENANCE_DATABASES": {"default": "other"}}
    assert conf.maintenance_alias("default") == "other"
    assert conf.maintenance_alias("other") == "other"
