"""Settings of the random search: how many steps and sequences, how long, from which seed."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator

from hypothesis import HealthCheck, Phase, settings

_COMMON = settings(
    phases=[Phase.generate, Phase.shrink],
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

SHORT = settings(_COMMON, max_examples=6, stateful_step_count=25, derandomize=True)
"""The same few sequences each time."""

LONG = settings(_COMMON, max_examples=25, stateful_step_count=40)
"""One round of many; each has a seed of its own."""

SECONDS = float(os.environ.get("DRIFT_SECONDS", "900"))
SEED = int(os.environ.get("DRIFT_SEED", "0")) or secrets.randbelow(10**9)


def rounds(seconds: float, seed: int) -> Iterator[int]:
    """Yield the seeds of as many rounds as begin in time; at least one."""
    deadline = time.monotonic() + seconds
    yield seed
    while time.monotonic() < deadline:
        seed += 1
        yield seed


def tally_lines(tally: Counter[str]) -> str:
    """Return how often each rule did something, a line each."""
    return "\n".join(f"{count:9,}  {what}" for what, count in tally.most_common())
