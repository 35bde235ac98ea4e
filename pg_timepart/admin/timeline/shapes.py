"""The shapes of the timeline, as its template draws them."""

from __future__ import annotations

from dataclasses import dataclass

from pg_timepart.partitions.bounds import Bounds

LANE = 26
"""Height of a lane in pixels."""

CHART = 90
"""Height of the chart of sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One partition, existing or planned."""

    kind: str
    """``attached``, ``pending``, ``detached`` or ``planned``."""

    name: str
    bounds: Bounds
    tablespace: str = ""
    size_bytes: int | None = None
    rows_estimate: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One partition, or several that are too narrow to be drawn apart."""

    kind: str
    x: str
    width: str
    y: int
    height: int
    title: str
    label: str = ""
    """The label beside it; empty where a neighbour's label leaves no room."""

    anchor: str = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A horizontal band with the partitions of one kind."""

    title: str
    y: int

    @property
    def label_y(self) -> int:
        """Vertical position of its title."""
        return self.y - 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A line across all lanes at one moment, or a tick of the axis."""

    x: str
    label: str
    anchor: str
    """The text anchor of its label: ``start``, ``middle`` or ``end``."""

    is_minor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything that the template draws."""

    height: int
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    gaps: tuple[Bar, ...]
    overlaps: tuple[Bar, ...]
    now: Marker
    edge: Marker | None
    """The edge of retention: partitions that end before it are retired."""

    ticks: tuple[Marker, ...]
    sizes: tuple[Bar, ...]
    """The chart of sizes, in the same positions."""

    largest: str
    """The size that the full height of that chart stands for."""

    axis: int
    lane_height: int = LANE
    chart_height: int = CHART
    summary: str = ""
