"""A witness of what is dropped: who has read each partition as soon as it was detached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from proof.load.leaves import Leaf


@dataclass(slots=True, kw_only=True)
class Sighting:
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
class Witness:
    """Follows all partitions of some tables."""

    read: Callable[[str], Sequence[int] | None]
    """Returns the numbers of the rows of a table, or None if that is gone."""

    sightings: dict[int, Sighting] = field(default_factory=dict)

    def look(self, leaves: Iterable[Leaf], now: float) -> None:
        """Note what is there at this moment."""
        there = {each.oid: each for each in leaves}
        for leaf in there.values():
            self._see(leaf, now)
        for oid, sighting in self.sightings.items():
            if oid not in there and sighting.gone_since is None:
                sighting.gone_since = now

    @property
    def dropped(self) -> list[Sighting]:
        """What is gone."""
        return [each for each in self.sightings.values() if each.gone_since is not None]

    def overdue(self, edge: float) -> list[str]:
        """Return the names of those that were detached before this moment and are there."""
        return [
            each.name
            for each in self.sightings.values()
            if each.gone_since is None
            and each.detached_since is not None
            and each.detached_since < edge
        ]

    def broken_promises(self, grace_seconds: float) -> list[str]:
        """Return a sentence for each partition that was dropped too early, or unseen."""
        return [
            sentence for each in self.dropped if (sentence := _broken_promise(each, grace_seconds))
        ]

    def _see(self, leaf: Leaf, now: float) -> None:
        sighting = self.sightings.setdefault(leaf.oid, Sighting(name=leaf.name, attached_until=now))
        if leaf.is_attached:
            sighting.attached_until = now
        elif sighting.detached_since is None:
            sighting.detached_since = now
            sighting.numbers = self.read(leaf.name)


def _broken_promise(sighting: Sighting, grace_seconds: float) -> str:
    assert sighting.gone_since is not None
    if sighting.detached_since is None:
        return f"{sighting.name} was dropped, and was never seen detached."
    kept = sighting.gone_since - sighting.attached_until
    if kept < grace_seconds:
        return (
            f"{sighting.name} was dropped {kept:.1f} s after it was seen attached, before its"
            f" grace of {grace_seconds:g} s."
        )
    return ""
