"""Each system check, on a model that has just that mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.core import checks
from django.core.checks import CheckMessage
from django.db import models
from django.db.models.functions import Lower
from django.test import override_settings
from django.test.utils import isolate_apps

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.checks import check_foreign_keys, check_models, check_settings, register
from pg_timepart.checks.models import check_model
from pg_timepart.constants import PeriodType
from tests.apps.shop.models import Order
from tests.support.checkout import CHECKOUT


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    """Keep the models of these tests out of everybody else's."""
    with isolate_apps("tests.apps.shop"):
        yield


def partitioned(
    *, bases: tuple[type, ...] = (models.Model,), meta: dict[str, Any] | None = None, **body: Any
) -> Any:
    """Return a decorated model with a key ``at`` and the given fields."""
    options = body.pop("options", {})
    key = body.pop("key", "at")
    if bases == (models.Model,):
        body.setdefault("at", models.DateTimeField())
    body["Meta"] = type("Meta", (), {"app_label": "shop", **(meta or {})})
    model = type("Reading", bases, {"__module__": __name__, **body})
    return TimeRangePartitioningSupport(key, **options)(model)


def ids(messages: Any) -> list[str]:
    return [message.id.removeprefix("pg_timepart.") for message in messages]


def only(model: Any) -> CheckMessage:
    """Return the one message about the model."""
    (message,) = check_model(model)
    assert message.hint
    return message


def test_a_usual_model_is_well() -> None:
    code = models.CharField(max_length=9, db_index=True)
    assert ids(check_model(partitioned(code=code))) == []


def test_a_date_is_well() -> None:
    assert ids(check_model(partitioned(day=models.DateField(), key="day"))) == []


def test_the_shop_is_well_but_for_what_it_declares_unique() -> None:
    shop = [apps.get_app_config("shop")]
    messages = [*check_models(shop), *check_foreign_keys(shop), *check_settings()]
    assert ids(messages) == ["W001"] * 3
    assert {str(message.obj) for message in messages} == {str(Order), "shop.Order.number"}


def test_only_the_wanted_applications_are_checked() -> None:
    auth = [apps.get_app_config("auth")]
    assert check_models(auth) == check_foreign_keys(auth) == []
    assert set(ids(check_models())) >= {"W001"}


def test_e001_the_key_is_no_field() -> None:
    message = only(partitioned(key="when"))
    assert message.id == "pg_timepart.E001"
    assert message.msg == "shop.Reading is partitioned by 'when', which is not one of its columns."
    assert str(message.hint).endswith("Its fields: id, at.")


def test_e001_the_key_is_no_column() -> None:
    tags = models.ManyToManyField("shop.Tag", db_constraint=False)
    assert only(partitioned(tags=tags, key="tags")).id == "pg_timepart.E001"


@pytest.mark.parametrize(
    "field",
    [
        models.TextField(),
        models.TimeField(),
        models.BigIntegerField(),
        models.GeneratedField(
            expression=models.F("id") + 1, output_field=models.DateTimeField(), db_persist=True
        ),
    ],
    ids=lambda field: type(field).__name__,
)
def test_e002_the_key_is_of_another_type(field: models.Field[Any, Any]) -> None:
    message = only(partitioned(at=field.clone()))
    assert message.id == "pg_timepart.E002"
    assert type(field).__name__ in message.msg


def typed(db_type: str) -> models.Field[Any, Any]:
    """Return a field for moments whose column is of the type ``db_type``."""
    kind: Any = type("Moment", (models.DateTimeField,), {"db_type": lambda *_: db_type})
    field: models.Field[Any, Any] = kind()
    return field


@pytest.mark.parametrize("db_type", ["timestamp", "TIMESTAMP(3)", "timestamp without time zone"])
def test_e002_the_key_has_a_column_that_nobody_could_maintain(db_type: str) -> None:
    message = only(partitioned(at=typed(db_type)))
    assert message.id == "pg_timepart.E002"
    assert f"of the type {db_type}, which is neither" in message.msg


@pytest.mark.parametrize(
    "db_type", ["timestamp(3) with time zone", "timestamptz(3)", "TimestampTZ", "date"]
)
def test_a_key_with_another_precision_is_well(db_type: str) -> None:
    assert ids(check_model(partitioned(at=typed(db_type)))) == []


def test_e003_the_key_may_be_null() -> None:
    assert only(partitioned(at=models.DateTimeField(null=True))).id == "pg_timepart.E003"


@pytest.mark.parametrize("kind", [models.DateTimeField, models.DateField])
def test_w020_the_key_changes_with_each_save(kind: Any) -> None:
    message = only(partitioned(at=kind(auto_now=True)))
    assert message.id == "pg_timepart.W020"
    assert "each save() moves the row" in message.msg


def test_a_key_that_is_set_once_is_well() -> None:
    assert ids(check_model(partitioned(at=models.DateTimeField(auto_now_add=True)))) == []


def test_e004_abstract() -> None:
    message = only(partitioned(meta={"abstract": True}))
    assert message.id == "pg_timepart.E004"
    assert "an abstract model" in message.msg


def test_e004_proxy() -> None:
    class Plain(models.Model):
        at = models.DateTimeField()

        class Meta:
            app_label = "shop"

    message = only(partitioned(bases=(Plain,), meta={"proxy": True}))
    assert message.id == "pg_timepart.E004"
    assert "a proxy model" in message.msg


def test_e004_child_of_another_table() -> None:
    class Parent(models.Model):
        at = models.DateTimeField()

        class Meta:
            app_label = "shop"

    message = only(partitioned(bases=(Parent,), code=models.IntegerField()))
    assert message.id == "pg_timepart.E004"
    assert "a child of shop.Parent" in message.msg


def test_unmanaged_models_may_be_partitioned_by_hand() -> None:
    assert ids(check_model(partitioned(meta={"managed": False}))) == []


def test_e005_composite_key_without_the_partition_key() -> None:
    pk = models.CompositePrimaryKey("box", "number")
    box, number = models.IntegerField(), models.IntegerField()
    assert only(partitioned(pk=pk, box=box, number=number)).id == "pg_timepart.E005"


def test_a_composite_key_with_the_partition_key_is_well() -> None:
    pk = models.CompositePrimaryKey("at", "number")
    assert ids(check_model(partitioned(pk=pk, number=models.IntegerField()))) == []


CODE = models.UniqueConstraint(fields=["code"], name="u")
BOTH = models.UniqueConstraint(fields=["code", "at"], name="u")
EXPRESSION = models.UniqueConstraint(Lower("code"), name="u")
EXPRESSIONS = models.UniqueConstraint(Lower("code"), models.F("at").desc(), name="u")


@pytest.mark.parametrize("widen_keys", [True, False])
@pytest.mark.parametrize(
    ("meta", "holds"),
    [
        ({"unique_together": (("code", "id"),)}, False),
        ({"unique_together": (("code", "at"),)}, True),
        ({"constraints": (CODE,)}, False),
        ({"constraints": (BOTH,)}, True),
        ({"constraints": (EXPRESSION,)}, False),
        ({"constraints": (EXPRESSIONS,)}, True),
    ],
    ids=["together", "together with key", "fields", "fields and key", "expr", "expr and key"],
)
def test_e005_or_w001_unique_without_the_key(
    meta: dict[str, Any], holds: bool, widen_keys: bool
) -> None:
    code = models.CharField(max_length=9)
    model = partitioned(code=code, meta=meta, options={"widen_keys": widen_keys})
    assert ids(check_model(model)) == ([] if holds else ["W001" if widen_keys else "E005"])


@pytest.mark.parametrize(
    ("widen_keys", "extent"),
    [(True, "only among rows with the same 'at'"), (False, "not at all, since widen_keys is off")],
)
def test_w001_unique_field(widen_keys: bool, extent: str) -> None:
    code = models.IntegerField(unique=True)
    message = only(partitioned(code=code, options={"widen_keys": widen_keys}))
    assert message.id == "pg_timepart.W001"
    assert message.msg == f"PostgreSQL enforces unique=True of shop.Reading.code {extent}."


def test_a_key_that_is_unique_holds() -> None:
    assert ids(check_model(partitioned(at=models.DateTimeField(unique=True)))) == []


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ([("code", "=")], ["E005"]),
        ([("at", "&&"), ("code", "=")], ["E005"]),
        ([("at", "="), ("code", "=")], []),
        ([(models.F("at"), "=")], []),
    ],
)
def test_e005_exclusion(expressions: list[tuple[Any, str]], expected: list[str]) -> None:
    constraint = ExclusionConstraint(name="x", expressions=expressions)
    model = partitioned(code=models.IntegerField(), meta={"constraints": (constraint,)})
    assert ids(check_model(model)) == expected


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"default_period": "Fortnight"}, "Fortnight"),
        ({"default_periods_per_partition": 0}, "0"),
        ({"default_interval": 0}, "0"),
        ({"default_interval": -3}, "-3"),
        ({"default_interval": "12"}, "'12'"),
        ({"default_interval": "many"}, "'many'"),
        ({"default_premake": 0}, "0"),
        ({"default_premake": 100_000}, "100000"),
        ({"default_drop_after": timedelta(-1)}, "-1 day"),
        ({"default_drop_after": "soon"}, "'soon'"),
        ({"default_attach_tablespace": "t" * 64}, "t" * 64),
        ({"default_period": PeriodType.Hour, "key": "day"}, "Hour"),
    ],
)
def test_e007_defaults(options: dict[str, Any], named: str) -> None:
    given = {"key": "at", **options}
    message = only(partitioned(day=models.DateField(), key=given.pop("key"), options=given))
    assert message.id == "pg_timepart.E007"
    assert named in message.msg


def test_e007_leaves_settings_to_their_own_check() -> None:
    with override_settings(PARTITION_TIMEZONE="Mars/Olympus"):
        assert ids(check_model(partitioned())) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"PARTITION_TIMEZONE": "Mars/Olympus"},
        {"USE_TZ": False},
        {"PG_TIMEPART": {"LOCK_BUDGET": 50}},
        {"PG_TIMEPART": {"LOCK_BUDGET_MS": 0}},
    ],
    ids=["zone", "no zones", "unknown", "value"],
)
def test_e008_settings(settings: dict[str, Any]) -> None:
    with override_settings(**settings):
        (message,) = check_settings()
    assert message.id == "pg_timepart.E008"
    assert message.hint


def test_registering_twice_is_registering_once() -> None:
    before = set(checks.registry.registry.registered_checks)
    register()
    assert set(checks.registry.registry.registered_checks) == before


def test_each_id_is_documented_once_and_tested() -> None:
    sources = [*(CHECKOUT / "pg_timepart" / "checks").glob("*.py")]
    used = {
        found
        for each in sources
        for found in re.findall(r"pg_timepart\.([EW]\d{3})", each.read_text())
    }
    documented = re.findall(
        r"^\| `pg_timepart\.([EW]\d{3})`", (CHECKOUT / "docs" / "checks.md").read_text(), re.M
    )
    assert sorted(used) == sorted(documented)
    tests = "".join(each.read_text() for each in CHECKOUT.glob("tests/integration/**/test_*.py"))
    assert [each for each in sorted(used) if f"def test_{each.lower()}_" not in tests] == []
