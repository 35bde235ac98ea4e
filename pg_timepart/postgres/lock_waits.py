"""Wait, without requesting a lock, until no transaction has held a conflicting one for long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pg_timepart.errors import Deferred
from pg_timepart.postgres.lock_holders import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits for how long the application waits for us, and we for it."""

    lock_ms: int
    """How long one attempt waits for all of its locks, and holds them."""

    wait_seconds: float
    """How long attempts are repeated."""

    long_transaction_ms: int
    """No lock is requested while a holder's transaction is open for longer than this."""


@dataclass(slots=True)
class Waiting:
    """How long a run waited, how many attempts failed, and its last holders."""

    seconds: float = 0.0
    tries: int = 0
    holders: list[Holder] = field(default_factory=list)


class HolderAges:
    """Ages of other transactions, over several reads of who holds a lock.

    A role without ``pg_read_all_stats`` does not see how old the transactions of other roles are.
    One that the first read finds may be of any age, and counts as long until it is gone; a later
    one counts as begun at the read before.
    """

    def __init__(self, limit_ms: int) -> None:
        self._limit_seconds = limit_ms / 1000
        self._first_seen: dict[str, float] = {}
        self._since = float("-inf")
        self._begun = time.monotonic()

    def long(self, holders: list[Holder]) -> list[Holder]:
        """Return holders whose transactions have been open for longer than the limit."""
        now = time.monotonic()
        found = [each for each in holders if self._age(each, now) > self._limit_seconds]
        self._since = now
        return found

    def saw_all_come(self, holders: Sequence[Holder]) -> bool:
        """Return whether each holder came after the first read: none held it all the time."""
        now = time.monotonic()
        return all(self._age(each, now) < now - self._begun for each in holders)

    def _age(self, holder: Holder, now: float) -> float:
        if holder.open_seconds is not None:
            return holder.open_seconds
        return now - self._first_seen.setdefault(holder.transaction, self._since)


class LockTimeout(Deferred):
    """Locks that were not granted in time; ``holders`` are those who had them when last read."""

    def __init__(
        self, what: str, waited: float, holders: Sequence[Holder], advice: str = ""
    ) -> None:
        last = {each.transaction: each for each in reversed(holders)}
        who = "; ".join(f"{each} holds {each.mode} on {each.relation}" for each in last.values())
        super().__init__(
            f"{what} was deferred after {waited:.1f} s: "
            + (who or "nobody was seen to hold it, but no try ended within the budget")
            + f".{advice}"
        )
        self.holders = tuple(holders)


def wait_for_short(
    find_holders: Callable[[], list[Holder]], budget: Budget, waiting: Waiting, what: str
) -> None:
    """Wait, requesting no lock, until ``find_holders`` finds no long-standing holder.

    Raises LockTimeout when the budget's time is up.
    """
    deadline = time.monotonic() + budget.wait_seconds
    ages = HolderAges(budget.long_transaction_ms)
    while long := ages.long(find_holders()):
        waiting.holders = long
        if time.monotonic() >= deadline:
            advice = advice_on(ages, long, budget, is_queued=False)
            raise LockTimeout(what, waiting.seconds, long, advice)
        pause(waiting)


def advice_on(
    ages: HolderAges, holders: Sequence[Holder], budget: Budget, *, is_queued: bool
) -> str:
    """Return the setting that helps where short transactions follow one upon the other."""
    if not ages.saw_all_come(holders):
        return ""
    if is_queued:
        return (
            " No one held it all the time, but they left no gap: a larger LOCK_BUDGET_MS (now"
            f" {budget.lock_ms:g} ms for all locks of a try) lets it queue for longer, and so"
            " whoever comes after it; URGENT_LOCK_BUDGET_MS does so only for creates, when room"
            " runs out."
        )
    return (
        " No one held it all the time: where transactions of that length follow one upon the other,"
        f" raise LONG_TRANSACTION_MS (now {budget.long_transaction_ms:g}), and LOCK_BUDGET_MS to"
        " their length."
    )


def pause(waiting: Waiting) -> None:
    """Sleep for a random 20 to 80 ms, and count it."""
    seconds = random.uniform(0.02, 0.08)  # noqa: S311
    time.sleep(seconds)
    waiting.seconds += seconds
