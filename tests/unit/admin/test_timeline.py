"""The picture of partitions along time, from made-up partitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pg_timepart.admin.timeline.layout import NEAR, near, overlaps, whole
from pg_timepart.admin.timeline.shapes import Drawing, Span
from pg_timepart.partitions.bounds import Bounds

NOW = datetime(2024, 6, 15, tzinfo=UTC)
DAY = timedelta(days=1)


def days(count: int, kind: str = "attached", first: datetime = NOW, size: int = 100) -> list[Span]:
    return [
        Span(
            kind=kind,
            name=f"{kind}_{number}",
            bounds=Bounds(start=first + number * DAY, end=first + (number + 1) * DAY),
            tablespace="cold",
            size_bytes=size,
            rows_estimate=7,
        )
        for number in range(count)
    ]


def drawn(spans: list[Span], gaps: list[Bounds] | None = None) -> Drawing:
    return whole(spans, gaps or [], NOW, NOW - 10 * DAY)


def percent(text: str) -> float:
    return float(text.removesuffix("%"))


def test_each_of_a_few_partitions_is_a_bar_that_tells_all_of_it() -> None:
    drawing = drawn(days(3))
    assert [each.title for each in drawing.bars] == [
        f"attached_{number} (attached) 2024-06-{15 + number} .. 2024-06-{16 + number}"
        " 100 B, ~7 rows in cold"
        for number in range(3)
    ]


def test_thousands_of_partitions_are_few_bars_that_count_them_all() -> None:
    drawing = drawn(days(3_000))
    assert len(drawing.bars) < 400
    counts = [each.title.split()[0] for each in drawing.bars]
    assert sum(int(each) if each.isdigit() else 1 for each in counts) == 3_000


def test_bars_stay_inside_the_picture_and_are_never_too_narrow_to_see() -> None:
    for each in drawn(days(3_000)).bars:
        assert percent(each.x) >= 0
        assert percent(each.width) >= 0.3
        assert percent(each.x) + percent(each.width) <= 100


def test_kinds_lie_in_lanes_of_their_own() -> None:
    spans = days(2) + days(2, "detached", NOW - 20 * DAY) + days(1, "planned", NOW + 2 * DAY)
    drawing = drawn(spans)
    heights = {each.kind: each.y for each in drawing.bars}
    assert len(set(heights.values())) == 3
    assert [each.title for each in drawing.lanes] == [
        "Attached",
        "Detached",
        "Planned by the next pass",
    ]


def test_different_kinds_are_never_one_bar() -> None:
    spans = days(1_500) + days(1_500, "pending", NOW + 1_500 * DAY)
    kinds = {each.kind for each in drawn(spans).bars}
    assert kinds == {"attached", "pending"}


def test_lines_stand_at_now_and_where_retention_begins() -> None:
    drawing = drawn(days(10, first=NOW - 5 * DAY))
    assert drawing.edge is not None
    assert percent(drawing.edge.x) < percent(drawing.now.x)
    assert whole(days(1), [], NOW, None).edge is None


def test_gaps_are_marked_where_they_are() -> None:
    gap = Bounds(start=NOW + 3 * DAY, end=NOW + 4 * DAY)
    drawing = drawn(days(3) + days(3, first=NOW + 4 * DAY), [gap])
    (marked,) = drawing.gaps
    assert marked.title == "gap: 2024-06-18 .. 2024-06-19"
    before, after = drawing.bars[2], drawing.bars[3]
    assert percent(before.x) < percent(marked.x) < percent(after.x)


def test_labels_of_gaps_leave_room_for_each_other() -> None:
    gaps = [Bounds(start=NOW + day * DAY, end=NOW + (day + 1) * DAY) for day in (1, 3, 5, 95)]
    marked = drawn(days(1) + days(1, first=NOW + 100 * DAY), gaps).gaps
    assert [each.label for each in marked] == ["gap", "", "", "gap"]
    assert marked[-1].anchor == "end"


def test_a_detached_partition_whose_range_is_taken_overlaps() -> None:
    old = days(1, "detached")
    assert overlaps(days(3) + old) == [old[0].bounds]
    assert overlaps(days(3) + days(1, "detached", NOW - DAY)) == []
    assert overlaps(days(3) + days(3, "planned")) == []


def test_partitions_without_ends_reach_the_edges() -> None:
    span = Span(kind="attached", name="all", bounds=Bounds(start=None, end=None))
    (bar,) = drawn([span]).bars
    assert (bar.x, bar.width) == ("0.000%", "100.000%")
    assert "MINVALUE .. MAXVALUE" in bar.title


def test_nothing_at_all_can_be_drawn() -> None:
    drawing = whole([], [], NOW, None)
    assert (drawing.bars, drawing.sizes) == ((), ())


def test_the_chart_shows_sizes_in_proportion() -> None:
    spans = days(1, size=200) + days(1, first=NOW + DAY, size=50)
    big, small = drawn(spans).sizes
    assert big.height == 4 * small.height or abs(big.height - 4 * small.height) <= 2
    assert big.y + big.height == small.y + small.height


def test_those_near_now_are_drawn_apart_however_many_there_are() -> None:
    first = NOW - 2_900 * DAY
    spans = days(3_000, first=first)
    gaps = [Bounds(start=first, end=first + DAY), Bounds(start=NOW + DAY, end=NOW + 2 * DAY)]
    drawing = near(spans, gaps, NOW, first)
    assert len(drawing.bars) == NEAR
    assert len(drawing.gaps) == 1
    assert drawing.edge is None
    assert near(spans, gaps, NOW, NOW - 5 * DAY).edge is not None
    assert near([], [], NOW, None).bars == ()


def test_moments_at_the_edge_of_the_calendar_can_be_drawn() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    last = datetime.max.replace(tzinfo=UTC)
    span = Span(kind="attached", name="all", bounds=Bounds(start=first, end=last))
    assert len(drawn([span]).bars) == 1
