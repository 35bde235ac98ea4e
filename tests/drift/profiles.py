"""How long to search."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

SHORT = settings(
    max_examples=20,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=_SLOW,
)


def told(tally: Counter[str]) -> str:
    """Return how often each rule did something, a line each."""
    return "\n".join(f"{count:7,}  {what}" for what, count in tally.most_common())
