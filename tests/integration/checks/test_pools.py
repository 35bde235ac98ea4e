"""W014: Django's own connection pool, too small for a run."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test import override_settings

from pg_timepart.checks import check_pools


@pytest.mark.parametrize("pool", [{"max_size": 2}, {"min_size": 1}, {"min_size": 0, "max_size": 2}])
def test_w014_a_pool_of_two(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict["OPTIONS"], "pool", pool)
    (warning,) = check_pools()
    assert warning.id == "pg_timepart.W014"
    assert "'default'" in warning.msg
    with override_settings(PG_TIMEPART={"MAINTENANCE_DATABASES": {"default": "other"}}):
        assert check_pools() == []


@pytest.mark.parametrize("pool", [True, False, {}, {"min_size": 3}, {"min_size": 1, "max_size": 3}])
def test_a_pool_of_three_is_enough(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict["OPTIONS"], "pool", pool)
    assert check_pools() == []


def test_no_pool_is_no_problem() -> None:
    assert check_pools() == []
