"""Layout of partitions along a time axis, in percent. Pure.

Positions along time are percentages, so that text keeps its size on every screen. Neighbours too
narrow to see become one bar, so that 3,000 partitions can be drawn as well as 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pg_timepart.admin import formatting
from pg_timepart.admin.timeline.shapes import CHART, LANE, Bar, Drawing, Lane, Marker, Span
from pg_timepart.partitions.bounds import Bounds, by_end, in_order

NARROWEST = 0.6
"""Percent of the width below which neighbours are drawn as one bar."""

NEAR = 60
"""How many partitions are drawn in the view near now."""

MARGIN = 0.01
"""Share of the whole span that is left free on both sides."""

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

ROOM = 15.0
"""Percent of the width that a label may take on a small screen."""

TICKS = 5
TOP = 40
LABEL = 18
SPACE = 10
AXIS = 22

LANES = {
    "attached": "attached",
    "pending": "attached",
    "detached": "detached",
    "planned": "planned",
}
TITLES = {"attached": "Attached", "detached": "Detached", "planned": "Planned by the next pass"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Scale from moments to percent of the width."""

    first: datetime
    last: datetime

    def at(self, moment: datetime | None, *, or_else: float) -> float:
        """Return the position of a moment, ``or_else`` for a bound without end."""
        if moment is None:
            return or_else
        share = (moment - self.first) / (self.last - self.first)
        return min(max(share * 100, 0.0), 100.0)

    def left(self, bounds: Bounds) -> float:
        """Return where a range begins."""
        return self.at(bounds.start, or_else=0.0)

    def right(self, bounds: Bounds) -> float:
        """Return where a range ends."""
        return self.at(bounds.end, or_else=100.0)


@dataclass(slots=True)
class _Group:
    left: float
    right: float
    spans: list[Span] = field(default_factory=list)


def near(
    spans: Sequence[Span], gaps: Sequence[Bounds], now: datetime, edge: datetime | None
) -> Drawing:
    """Return the drawing of the partitions that are nearest to now."""
    chosen = sorted(spans, key=lambda each: _distance(each.bounds, now))[:NEAR]
    window = Bounds(
        start=min((each.bounds.start for each in chosen if each.bounds.start), default=now),
        end=max((each.bounds.end for each in chosen if each.bounds.end), default=now),
    )
    seen = [each for each in gaps if each.overlaps(window)]
    is_inside = edge is not None and window.contains(edge)
    return whole(chosen, seen, now, edge if is_inside else None)


def whole(
    spans: Sequence[Span], gaps: Sequence[Bounds], now: datetime, edge: datetime | None
) -> Drawing:
    """Return the drawing of these partitions; ``edge`` is where retention begins."""
    scale = _scale(spans, now, edge)
    lanes = _lanes(spans)
    tops = {each.title: each.y for each in lanes}
    axis = TOP + len(lanes) * (LABEL + LANE + SPACE)
    sizes = _sizes(spans, scale)
    return Drawing(
        height=axis + AXIS,
        lanes=lanes,
        bars=tuple(_bars(spans, scale, tops)),
        gaps=tuple(_troubles(gaps, "gap", scale, tops.get(TITLES["attached"], TOP))),
        overlaps=tuple(
            _troubles(overlaps(spans), "overlap", scale, tops.get(TITLES["detached"], TOP))
        ),
        now=_marker(scale, now, "now"),
        edge=None if edge is None else _marker(scale, edge, "retention"),
        ticks=tuple(_ticks(scale)),
        sizes=tuple(sizes),
        largest=formatting.size(_largest(spans)),
        axis=axis,
        summary=_summary(spans, gaps),
    )


def overlaps(spans: Iterable[Span]) -> list[Bounds]:
    """Return ranges where a detached partition overlaps another, so that it cannot be attached."""
    present = [each for each in spans if each.kind != "planned"]
    ordered = sorted(present, key=lambda each: in_order(each.bounds))
    found: list[Bounds] = []
    reach: Span | None = None
    for each in ordered:
        if reach is not None and _collide(reach, each):
            found.append(_shared(each.bounds, reach.bounds))
        if reach is None or by_end(each.bounds.end) > by_end(reach.bounds.end):
            reach = each
    return found


def _distance(bounds: Bounds, now: datetime) -> float:
    """Return how many seconds lie between a range and now."""
    if bounds.contains(now):
        return 0.0
    sides = [each for each in (bounds.start, bounds.end) if each is not None]
    return min(abs((each - now).total_seconds()) for each in sides)


def _scale(spans: Sequence[Span], now: datetime, edge: datetime | None) -> Scale:
    moments = [now, *([edge] if edge else [])]
    for each in spans:
        moments += [side for side in (each.bounds.start, each.bounds.end) if side is not None]
    first, last = min(moments), max(moments)
    margin = max((last - first) * MARGIN, timedelta(seconds=1))
    return Scale(first=_moved(first, -margin), last=_moved(last, margin))


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # near the limits of datetime
        return LATEST if by > timedelta(0) else EARLIEST


def _lanes(spans: Iterable[Span]) -> tuple[Lane, ...]:
    counts = dict.fromkeys(TITLES, 0)
    for each in spans:
        counts[LANES[each.kind]] += 1
    used = [kind for kind in TITLES if counts[kind] or kind == "attached"]
    return tuple(
        Lane(title=TITLES[kind], y=TOP + number * (LABEL + LANE + SPACE) + LABEL)
        for number, kind in enumerate(used)
    )


def _bars(spans: Iterable[Span], scale: Scale, tops: dict[str, int]) -> Iterator[Bar]:
    for group in _grouped(spans, scale):
        kind = group.spans[0].kind
        yield _bar(group, tops[TITLES[LANES[kind]]], LANE)


def _bar(group: _Group, y: int, height: int) -> Bar:
    return Bar(
        kind=group.spans[0].kind,
        x=_percent(group.left),
        width=_percent(max(group.right - group.left, NARROWEST / 2)),
        y=y,
        height=height,
        title=_title(group.spans),
    )


def _grouped(spans: Iterable[Span], scale: Scale) -> list[_Group]:
    found: list[_Group] = []
    for each in sorted(spans, key=lambda span: (LANES[span.kind], in_order(span.bounds))):
        left, right = scale.left(each.bounds), scale.right(each.bounds)
        last = found[-1] if found else None
        if last and last.spans[0].kind == each.kind and right - last.left < NARROWEST:
            last.right = max(last.right, right)
            last.spans.append(each)
        else:
            found.append(_Group(left, right, [each]))
    return found


def _title(spans: Sequence[Span]) -> str:
    first, last = spans[0], spans[-1]
    whole = Bounds(start=first.bounds.start, end=last.bounds.end)
    name = first.name if len(spans) == 1 else f"{len(spans)} partitions"
    lines = [f"{name} ({first.kind})", formatting.bounds(whole)]
    if first.kind != "planned":
        known = [each.size_bytes for each in spans if each.size_bytes is not None]
        rows = [each.rows_estimate for each in spans if each.rows_estimate is not None]
        lines.append(f"{formatting.size(sum(known) if known else None)},")
        lines.append(f"{formatting.rows(sum(rows) if rows else None)} rows")
    places = sorted({each.tablespace for each in spans if each.tablespace})
    return " ".join([*lines, *(["in", ", ".join(places)] if places else [])])


def _troubles(ranges: Iterable[Bounds], kind: str, scale: Scale, y: int) -> Iterator[Bar]:
    spans = [Span(kind="planned", name=kind, bounds=each) for each in ranges]
    labelled = -ROOM
    for group in _grouped(spans, scale):
        whole = Bounds(start=group.spans[0].bounds.start, end=group.spans[-1].bounds.end)
        count = f"{len(group.spans)} {kind}s" if len(group.spans) > 1 else kind
        has_room = group.left - labelled >= ROOM
        labelled = group.left if has_room else labelled
        yield replace(
            _bar(group, y, LANE),
            kind=kind,
            title=f"{count}: {formatting.bounds(whole)}",
            label=kind if has_room else "",
            anchor=_anchor(group.left),
        )


def _sizes(spans: Iterable[Span], scale: Scale) -> Iterator[Bar]:
    """Yield the bars of the chart: partition sizes, or the mean where several are one bar."""
    known = [each for each in spans if each.kind != "planned" and each.size_bytes is not None]
    largest = _largest(known) or 1
    for group in _grouped(known, scale):
        mean = sum(each.size_bytes or 0 for each in group.spans) / len(group.spans)
        height = round(CHART * mean / largest)
        yield _bar(group, CHART - height, height)


def _largest(spans: Iterable[Span]) -> int:
    return max((each.size_bytes or 0 for each in spans), default=0)


def _ticks(scale: Scale) -> Iterator[Marker]:
    step = (scale.last - scale.first) / (TICKS - 1)
    is_long = step > timedelta(days=2)
    for number in range(TICKS):
        moment = min(_moved(scale.first, step * number), scale.last)
        label = formatting.day(moment) if is_long else formatting.minute(moment)
        anchor = {0: "start", TICKS - 1: "end"}.get(number, "middle")
        yield Marker(
            x=_percent(scale.at(moment, or_else=0)),
            label=label,
            anchor=anchor,
            is_minor=bool(number % 2),
        )


def _marker(scale: Scale, moment: datetime, label: str) -> Marker:
    position = scale.at(moment, or_else=0)
    return Marker(x=_percent(position), label=label, anchor=_anchor(position))


def _anchor(position: float) -> str:
    """Return the text anchor at this position that keeps the text inside the picture."""
    if position < ROOM:
        return "start"
    return "end" if position > 100 - ROOM else "middle"


def _summary(spans: Sequence[Span], gaps: Sequence[Bounds]) -> str:
    counts: dict[str, int] = {}
    for each in spans:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    parts = [f"{count} {kind}" for kind, count in counts.items()]
    parts += [f"{len(gaps)} gap{'' if len(gaps) == 1 else 's'}"]
    return f"Partitions along time: {', '.join(parts)}. The table below lists them."


def _collide(one: Span, other: Span) -> bool:
    return "detached" in (one.kind, other.kind) and one.bounds.overlaps(other.bounds)


def _shared(one: Bounds, other: Bounds) -> Bounds:
    starts = [each.start for each in (one, other) if each.start is not None]
    ends = [each.end for each in (one, other) if each.end is not None]
    return Bounds(start=max(starts, default=None), end=min(ends, default=None))


def _percent(position: float) -> str:
    return f"{position:.3f}%"
