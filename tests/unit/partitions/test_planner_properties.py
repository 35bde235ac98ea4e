"""Plans: what holds whatever is there, whatever is wanted, and whenever it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.findings import Code
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.coverage import runs_out_at, uncovered
from pg_timepart.partitions.key_formats.dates import DateKey
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.plan import Known, Policy
from pg_timepart.partitions.planner import MAX_CREATE, plan_pass, plan_provision, plan_retirement
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.partitions.time_zones import start_of_day
from tests.support.simulated_catalog import Table, detached, known, parent, partition, plan_input

ZONES = (
    "UTC",
    "America/Sao_Paulo",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
)
HOUR = timedelta(hours=1)

often = settings(max_examples=60, deadline=None)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A table, our rows of it, what is wanted, and the moment."""

    parent: Parent
    rows: tuple[Known, ...]
    policy: Policy
    now: datetime

    @property
    def table(self) -> Table:
        return Table(self.parent, self.rows, self.policy)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    units = [PeriodType.Hour, PeriodType.Day, PeriodType.Week, PeriodType.Month, PeriodType.Quarter]
    return Policy(
        period=Period(draw(st.sampled_from(units)), draw(st.integers(1, 3))),
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        premake=draw(st.integers(1, 6)),
        interval=draw(st.none() | st.integers(1, 30)),
        attach_tablespace=draw(st.none() | st.just("fast")),
        detach_tablespace=draw(st.none() | st.just("cold")),
        drop_after=draw(st.none() | st.integers(1, 1000).map(lambda hours: hours * HOUR)),
        max_retire=draw(st.integers(1, 40)),
        keep_foreign_keys=draw(st.booleans()),
    )


@st.composite
def partitions(draw: st.DrawFn, now: datetime) -> list[Partition]:
    """Draw partitions that do not overlap, with gaps, of uneven sizes, some of them pending."""
    hours = draw(st.lists(st.integers(-20_000, 4_000), max_size=14, unique=True).map(sorted))
    edges: list[datetime | None] = [now.replace(minute=0) + each * HOUR for each in hours]
    if draw(st.integers(0, 5)) == 0:
        edges.insert(0, None)
    is_endless = draw(st.integers(0, 7)) == 0
    if is_endless and edges != [None]:
        edges.append(None)
    pairs = [pair for pair in itertools.pairwise(edges) if draw(st.integers(0, 3))]
    may_pend = draw(st.booleans())
    return [
        partition(
            Bounds(start=start, end=end),
            is_pending=may_pend and draw(st.integers(0, 5)) == 0,
            tablespace=draw(st.sampled_from(["pg_default", "cold"])),
        )
        for start, end in pairs
    ]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    now = draw(
        st.datetimes(datetime(2009, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    )
    there = draw(partitions(now))
    default = [partition(None)] if draw(st.integers(0, 9)) == 0 else []
    off = [detached() for _ in range(draw(st.integers(0, 3)))]
    moments = st.none() | st.integers(-500, 500).map(lambda hours: now + hours * HOUR)
    pins = [known(each, pinned_until=draw(moments)) for each in there if draw(st.booleans())]
    old = Bounds(start=now - 9999 * HOUR, end=now - 9000 * HOUR)
    begun = st.none() | st.just(ActionKind.MOVE)
    rows = [
        known(each, old, detached_at=draw(moments), unfinished=draw(begun), tablespace="cold")
        for each in off
    ]
    return Situation(
        parent=parent([*there, *default], off),
        rows=(*pins, *rows),
        policy=draw(policies()),
        now=now,
    )


def horizon(policy: Policy, now: datetime) -> datetime:
    """Return the end of the last period that must be ready."""
    end = policy.period.bounds_at(now, policy.zone).end
    assert end is not None
    for _ in range(policy.premake):
        end = policy.period.bounds_at(end, policy.zone).end
        assert end is not None
    return end


def edge(policy: Policy, now: datetime) -> datetime:
    """Return the moment before which rows are past retention."""
    assert policy.interval is not None
    return policy.period.shift(now, -policy.interval, policy.zone)


@often
@given(situations())
def test_after_a_pass_there_is_room_now_and_for_premake_periods(situation: Situation) -> None:
    now, policy, table = situation.now, situation.policy, situation.table
    table.apply(table.plan(now), now)
    assert list(uncovered(table.attached.values(), now, horizon(policy, now))) == []
    end = runs_out_at(table.parent, now)
    assert end is None or end >= horizon(policy, now)


@often
@given(situations())
def test_after_provisioning_there_is_room_too_and_nothing_else_changed(
    situation: Situation,
) -> None:
    now, table = situation.now, situation.table
    before = [each for each in situation.parent.partitions if not each.is_pending]
    for leaf in situation.parent.partitions:  # which the pass after the migration ends
        if leaf.is_pending:
            del table.attached[leaf.oid]
    table.apply(plan_provision(plan_input(table.parent, table.known, situation.policy, now)), now)
    assert list(uncovered(table.attached.values(), now, horizon(situation.policy, now))) == []
    assert set(before) <= set(table.attached.values())


@often
@given(situations())
def test_a_second_pass_has_nothing_to_do(situation: Situation) -> None:
    now, table = situation.now, situation.table
    first = table.plan(now)
    table.apply(first, now)
    second = table.plan(now)
    # What was to be moved before it may be dropped is dropped by the next pass.
    moved = {each.oid for each in first.actions if each.kind is ActionKind.MOVE}
    left = [(each.kind, each.oid in moved) for each in second.actions]
    assert set(left) <= {(ActionKind.DROP, True)}
    assert set(second.problems) <= set(first.problems)
    event(f"problems: {len(first.problems)}, actions: {min(len(first.actions), 5)}")


@often
@given(situations(), st.lists(st.integers(1, 3000), min_size=1, max_size=6))
def test_passes_at_any_times_leave_neither_gap_nor_overlap(
    situation: Situation, waits: list[int]
) -> None:
    table, now = situation.table, situation.now
    for hours in waits:
        table.apply(table.plan(now), now)  # refuses an overlap
        assert list(uncovered(table.attached.values(), now, horizon(situation.policy, now))) == []
        now += hours * HOUR


@often
@given(situations())
def test_only_what_ended_long_enough_ago_is_retired(situation: Situation) -> None:
    now, policy = situation.now, situation.policy
    plan = plan_pass(plan_input(situation.parent, situation.rows, policy, now))
    for action in plan.actions:
        if action.kind is ActionKind.DETACH:
            assert action.bounds is not None
            assert action.bounds.end is not None
            assert action.bounds.end < edge(policy, now) < now


@often
@given(situations())
def test_everything_that_ended_long_enough_ago_is_retired_in_spite_of_gaps(
    situation: Situation,
) -> None:
    now, policy = situation.now, situation.policy
    pins = {row.oid: row.pinned_until for row in situation.rows}
    plan = plan_retirement(plan_input(situation.parent, situation.rows, policy, now))
    found = {each.oid for each in plan.actions if each.kind is ActionKind.DETACH}
    wanted = {
        each.oid
        for each in situation.parent.ranged
        if policy.interval is not None
        and not each.is_pending
        and each.bounds is not None
        and each.bounds.end is not None
        and each.bounds.end < edge(policy, now)
        and not ((until := pins.get(each.oid)) and until > now)
    }
    assert found == wanted


@often
@given(situations())
def test_a_pass_retires_all_or_with_a_blown_fuse_nothing(situation: Situation) -> None:
    now, policy = situation.now, situation.policy
    asked = plan_retirement(plan_input(situation.parent, situation.rows, policy, now))
    expired = [each for each in asked.actions if each.kind is ActionKind.DETACH]
    plan = plan_pass(plan_input(situation.parent, situation.rows, policy, now))
    retired = [each for each in plan.actions if each.kind is ActionKind.DETACH]
    is_blown = len(expired) > policy.max_retire
    assert retired == ([] if is_blown else expired)
    assert (Code.TOO_MANY_TO_DETACH in {each.code for each in plan.problems}) == is_blown


@often
@given(situations())
def test_a_pinned_partition_is_left_alone(situation: Situation) -> None:
    pinned = {
        row.oid for row in situation.rows if row.pinned_until and row.pinned_until > situation.now
    }
    plan = plan_pass(plan_input(situation.parent, situation.rows, situation.policy, situation.now))
    touched = {each.oid for each in plan.actions if each.kind is ActionKind.DETACH}
    assert not pinned & touched


@often
@given(situations())
def test_nothing_is_made_before_the_newest_end_unless_it_is_for_now_or_later(
    situation: Situation,
) -> None:
    now, policy = situation.now, situation.policy
    plan = plan_pass(plan_input(situation.parent, situation.rows, policy, now))
    current = policy.period.bounds_at(now, policy.zone).start
    assert current is not None
    sides = [
        each.bounds.end or current
        for each in situation.parent.ranged
        if each.bounds is not None and not each.is_pending
    ]
    earliest = min(max(sides, default=current), current)
    for action in plan.actions:
        if action.kind is ActionKind.CREATE:
            assert action.bounds is not None
            assert action.bounds.start is not None
            assert action.bounds.end is not None
            assert earliest <= action.bounds.start < action.bounds.end
            assert action.bounds.end <= horizon(policy, now)


@often
@given(situations())
def test_a_new_partition_is_within_one_period_and_is_not_retired_at_once(
    situation: Situation,
) -> None:
    now, policy = situation.now, situation.policy
    plan = plan_pass(plan_input(situation.parent, situation.rows, policy, now))
    made = [each.bounds for each in plan.actions if each.kind is ActionKind.CREATE and each.bounds]
    assert len(made) <= MAX_CREATE
    for each in made:
        assert each.start is not None
        whole = policy.period.bounds_at(each.start, policy.zone)
        assert each.end is not None
        assert whole.end is not None
        assert each.end <= whole.end
        assert policy.interval is None or each.end >= edge(policy, now)


@often
@given(situations())
def test_names_of_new_partitions_differ(situation: Situation) -> None:
    plan = plan_pass(plan_input(situation.parent, situation.rows, situation.policy, situation.now))
    names = [each.partition for each in plan.actions if each.kind is ActionKind.CREATE]
    assert len(set(names)) == len(names)


@often
@given(situations())
def test_only_what_was_detached_for_longer_than_the_grace_is_dropped(situation: Situation) -> None:
    now, grace = situation.now, situation.policy.drop_after
    rows = {row.oid: row for row in situation.rows}
    plan = plan_pass(plan_input(situation.parent, situation.rows, situation.policy, now))
    dropped = [each for each in plan.actions if each.kind is ActionKind.DROP]
    for action in dropped:
        assert grace is not None
        assert action.oid in {each.oid for each in situation.parent.detached}
        since = rows[action.oid].detached_at
        assert since is not None
        assert since + grace <= now
    assert grace is not None or dropped == []


@often
@given(situations(), st.integers(1, 10))
def test_more_premake_never_takes_anything_away(situation: Situation, more: int) -> None:
    now, policy = situation.now, situation.policy
    wider = replace(policy, premake=policy.premake + more)
    one = plan_provision(plan_input(situation.parent, situation.rows, policy, now))
    other = plan_provision(plan_input(situation.parent, situation.rows, wider, now))
    if not one.problems and not other.problems:
        assert one.actions == other.actions[: len(one.actions)]


@often
@given(st.sampled_from(ZONES), st.integers(0, 6000), st.integers(1, 3), st.integers(0, 30))
def test_bounds_of_a_date_key_are_starts_of_days_in_any_zone(
    name: str, day: int, size: int, offset: int
) -> None:
    zone = ZoneInfo(name)
    now = datetime(2009, 1, 1, 13, tzinfo=UTC) + timedelta(days=day)
    begun = start_of_day(now.date() - timedelta(days=offset), zone)
    there = [partition(Bounds(start=begun - timedelta(days=400), end=begun))]
    for unit in (PeriodType.Day, PeriodType.Week, PeriodType.Month):
        policy = Policy(
            period=Period(unit, size),
            zone=zone,
            premake=3,
            interval=2,
            attach_tablespace=None,
            detach_tablespace=None,
            drop_after=None,
            max_retire=5,
            keep_foreign_keys=False,
        )
        plan = plan_pass(plan_input(parent(there), [], policy, now))
        made = [each.bounds for each in plan.actions if each.kind is ActionKind.CREATE]
        texts = [
            (DateKey().literal(each.start, zone), DateKey().literal(each.end, zone))
            for each in made
            if each is not None and each.start is not None and each.end is not None
        ]
        assert texts
        assert all(start < end for start, end in texts)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(texts))
