"""Settings of any kind: a sentence for each that cannot be used, and no traceback."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.checks.registry import registry
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart import conf
from pg_timepart.conf import Options
from pg_timepart.errors import InvalidSetting
from tests.hostile.values import python_values, texts

NAMES = tuple(Options.__dataclass_fields__)

options = st.one_of(
    python_values,
    st.dictionaries(st.one_of(st.sampled_from(NAMES), texts, st.integers()), python_values),
)


@settings(settings.get_profile("hostile-pure"))
@given(given_options=options)
def test_options_of_any_kind(given_options: Any) -> None:
    with override_settings(PG_TIMEPART=given_options):
        assert_said_or_good(conf.options)


@settings(settings.get_profile("hostile"))
@given(zone=st.one_of(python_values, texts))
def test_a_zone_of_any_kind(zone: Any) -> None:
    with override_settings(PARTITION_TIMEZONE=zone):
        assert_said_or_good(conf.zone)


def assert_said_or_good(read: Any) -> None:
    problems = conf.problems()
    assert all(is_sentence(each) for each in problems)
    assert [each.id for each in our_checks()] == ["pg_timepart.E008"] * len(problems)
    if problems:
        with pytest.raises(InvalidSetting) as raised:
            read()
        assert str(raised.value) in problems
    else:
        read()


def our_checks() -> list[CheckMessage]:
    found = registry.run_checks()
    return [each for each in found if str(each.id) == "pg_timepart.E008"]


def is_sentence(text: str) -> bool:
    return bool(text) and text.endswith(".") and "Traceback" not in text
