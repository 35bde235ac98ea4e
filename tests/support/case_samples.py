"""Samples of test cases for ``make test`` and ``make acceptance``; other targets run all cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from _pytest.mark.structures import ParameterSet


def some_of(cases: Mapping[str, object], sample: Collection[str]) -> list[ParameterSet]:
    """Return the cases to parametrize by; those out of the sample are marked as long."""
    assert set(sample) <= set(cases), "the sample names no case"
    return [
        pytest.param(value, id=name, marks=() if name in sample else pytest.mark.long)
        for name, value in cases.items()
    ]
