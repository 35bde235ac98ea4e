"""Observer of partitions: reads each once it is detached, and notes when it is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from proof.load.partitions import Partition


@dataclass(slots=True, kw_only=True)
class PartitionHistory:
    """What was seen of one partition; times are of ``time.monotonic``."""

    name: str
    attached_until: float
    """When it was last seen attached."""

    detached_since: float | None = None
    """When it was first seen detached."""

    gone_since: float | None = None
    """When it was first seen to be dropped."""

    numbers: Sequence[int] | None = None
    """Its rows, read once it was detached."""


@dataclass(slots=True)
class PartitionObserver:
    """Follows all partitions of some tables."""

    read: Callable[[str], Sequence[int] | None]
    """Returns the numbers of the rows of a table, or None if that is gone."""

    histories: dict[int, PartitionHistory] = field(default_factory=dict)

    def observe(self, partitions: Iterable[Partition], now: float) -> None:
        """Note what is there at this moment."""
        there = {each.oid: each for each in partitions}
        for partition in there.values():
            self._note(partition, now)
        for oid, history in self.histories.items():
            if oid not in there and history.gone_since is None:
                history.gone_since = now

    @property
    def dropped(self) -> list[PartitionHistory]:
        """What is gone."""
        return [each for each in self.histories.values() if each.gone_since is not None]

    def overdue(self, edge: float) -> list[str]:
        """Return the names of those that were detached before this moment and are there."""
        return [
            each.name
            for each in self.histories.values()
            if each.gone_since is None
            and each.detached_since is not None
            and each.detached_since < edge
        ]

    def early_drops(self, grace_seconds: float) -> list[str]:
        """Return a sentence for each partition that was dropped too early, or unseen."""
        return [sentence for each in self.dropped if (sentence := _early_drop(each, grace_seconds))]

    def _note(self, partition: Partition, now: float) -> None:
        history = self.histories.setdefault(
            partition.oid, PartitionHistory(name=partition.name, attached_until=now)
        )
        if partition.is_attached:
            history.attached_until = now
        elif history.detached_since is None:
            history.detached_since = now
            history.numbers = self.read(partition.name)


def _early_drop(history: PartitionHistory, grace_seconds: float) -> str:
    assert history.gone_since is not None
    if history.detached_since is None:
        return f"{history.name} was dropped, and was never seen detached."
    kept = history.gone_since - history.attached_until
    if kept < grace_seconds:
        return (
            f"{history.name} was dropped {kept:.1f} s after it was seen attached, before its"
            f" grace of {grace_seconds:g} s."
        )
    return ""
