"""The decorator with arguments of any kind: refused at once, reported by a check, or usable."""

from __future__ import annotations

from typing import Any

from django.apps.registry import Apps
from django.core.checks import CheckMessage
from django.db import models
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.checks.models import check_model
from pg_timepart.constants import PeriodType
from pg_timepart.maintenance.target import defaults_of
from pg_timepart.models import PartitionConfig
from tests.hostile.values import python_values, texts

DEFAULTS = (
    "default_period",
    "default_periods_per_partition",
    "default_interval",
    "default_premake",
    "default_attach_tablespace",
    "default_detach_tablespace",
    "default_drop_after",
    "default_max_retire_per_pass",
    "default_enabled",
)

arguments = st.dictionaries(
    st.sampled_from(DEFAULTS), st.one_of(python_values, st.sampled_from(PeriodType.values))
)


def raft() -> type[models.Model]:
    """Return a model that nobody else knows."""
    meta = type("Meta", (), {"app_label": "fleet", "apps": Apps()})
    facts = {"__module__": __name__, "Meta": meta, "at": models.DateTimeField()}
    return type("Raft", (models.Model,), facts)


def complaints(key: Any, **options: Any) -> tuple[type[models.Model], list[CheckMessage]]:
    """Return the decorated model and what the checks say of it."""
    model = TimeRangePartitioningSupport(key, **options)(raft())
    found = list(check_model(model))
    assert all(each.msg and each.hint for each in found)
    return model, found


@settings(settings.get_profile("hostile-pure"))
@given(key=st.one_of(texts, python_values).filter(lambda each: each != "at"))
def test_a_key_of_any_kind(key: Any) -> None:
    _, found = complaints(key)
    assert [each.id for each in found] == ["pg_timepart.E001"]


@settings(settings.get_profile("hostile-pure"))
@given(options=arguments)
def test_defaults_of_any_kind(options: dict[str, Any]) -> None:
    model, found = complaints("at", **options)
    if not found:
        config = PartitionConfig(model_label="fleet.raft", **defaults_of(model))
        config.full_clean(validate_unique=False, validate_constraints=False)
        config.policy()
    else:
        assert {each.id for each in found} == {"pg_timepart.E007"}


@settings(settings.get_profile("hostile"))
@given(value=python_values)
def test_widen_keys_of_any_kind(value: Any) -> None:
    _, found = complaints("at", widen_keys=value)
    ids = [each.id for each in found]
    assert ids == ([] if isinstance(value, bool) else ["pg_timepart.E007"])
