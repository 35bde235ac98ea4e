"""Rules of our operations, each allowed to change what it was asked to and no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pg_timepart.constants import Outcome
from pg_timepart.maintenance import manual
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionLog
from proof.drift.base_machine import LENGTHS, PICKS, QUARTERS, BaseMachine, one_of
from proof.drift.observed_tables import Table
from proof.drift.other_locations import elsewhere
from proof.drift.permitted_changes import AllowedChanges
from proof.drift.settled_rules import SettledRules

PAUSES = st.sampled_from([4, 1, 5, 8, 12, 40])
"""In quarters of a period."""

GRACES = st.sampled_from([None, None, timedelta(0), timedelta(hours=30), timedelta(days=40)])


class OperationRules(SettledRules, BaseMachine):
    """Passes, operations by hand, and changes of what is wanted."""

    @rule()
    def our_pass(self) -> None:
        self.run_pass()
        self.did("our pass")

    @rule()
    def our_reconcile(self) -> None:
        self.run_reconcile()
        self.did("our reconcile")

    @rule()
    def our_settling(self) -> None:
        self.settle()
        self.did("our settling")

    @rule(days=st.integers(0, 3))
    def our_create_next(self, days: int) -> None:
        report = self.run_operation(
            lambda: manual.create_next(self.target, days, now=self.now), AllowedChanges()
        )
        self.note("our create", report)

    @rule(quarters=QUARTERS, length=LENGTHS, odd=st.booleans())
    def our_create_range(self, quarters: int, length: int, odd: bool) -> None:
        start = self.moment(quarters, odd)
        end = start + length * self.quarter
        report = self.run_operation(
            lambda: manual.create_range(self.target, start, end, now=self.now),
            AllowedChanges(),
        )
        self.note("our create of a range", report)

    @rule(pick=PICKS, plain=st.booleans())
    @precondition(lambda self: self.logs)
    def our_detach(self, pick: int, plain: bool) -> None:
        log = self.a_log(pick)
        report = self.run_operation(
            lambda: manual.detach(self.target, [log], concurrently=not plain, now=self.now),
            AllowedChanges(detach=frozenset([log.relid])),
        )
        self.note("our detach", report)

    @rule()
    @precondition(lambda self: self.policy.interval)
    def our_detach_of_expired(self) -> None:
        allowed = [each.oid for each in (*self.late(), *self.there.pending)]
        report = self.run_operation(
            lambda: manual.detach_expired(self.target, now=self.now),
            AllowedChanges(detach=frozenset(allowed)),
        )
        is_well = report.outcome in (Outcome.DONE, Outcome.UNCHANGED)
        assert is_well or self.there.referred, report.reason
        self.note("our detach of expired", report)

    @rule(pick=PICKS, pin=st.none() | st.integers(1, 60))
    @precondition(lambda self: self.there.loose and self.logs)
    def our_attach(self, pick: int, pin: int | None) -> None:
        loose = {each.oid for each in self.attachable}
        logs = [each for each in self.logs if each.relid in loose]
        if logs:
            self._attach([one_of(logs, pick)], None if pin is None else self.moment(pin))

    @rule(pin=st.none() | st.integers(1, 60))
    @precondition(lambda self: self.logs and self.attachable == self.there.loose)
    def our_attach_of_all(self, pin: int | None) -> None:
        self._attach(None, None if pin is None else self.moment(pin))

    @rule(pick=PICKS)
    @precondition(lambda self: self.logs)
    def our_move(self, pick: int) -> None:
        log = self.a_log(pick)
        there = self.there.by_oid.get(log.relid)
        home = there is None or there.tablespace == "pg_default"
        report = self.run_operation(
            lambda: manual.move(
                self.target, [log], elsewhere() if home else "pg_default", now=self.now
            ),
            AllowedChanges(),
        )
        self.note("our move", report)

    @rule(pick=PICKS)
    @precondition(lambda self: self.logs)
    def our_drop(self, pick: int) -> None:
        log = self.a_log(pick)
        grace = self.policy.drop_after
        there = self.there.by_oid.get(log.relid)
        may = there is not None and not there.is_attached
        may = may and self.expected.is_past_grace(log.relid, grace, self.now)
        report = self.run_operation(
            lambda: manual.drop(self.target, [log], now=self.now),
            AllowedChanges(drop=frozenset([log.relid] if may else [])),
        )
        self.note("our drop", report)

    @rule(pick=PICKS)
    @precondition(lambda self: self.logs)
    def our_truncate(self, pick: int) -> None:
        log = self.a_log(pick)
        report = self.run_operation(
            lambda: manual.truncate(self.target, [log], now=self.now),
            AllowedChanges(empty=frozenset([log.relid])),
        )
        self.note("our truncate", report)

    @rule()
    @precondition(lambda self: len(self.expected.rows) > 3)
    def our_truncate_of_all(self) -> None:
        attached = [each.oid for each in self.there if each.is_attached]
        report = self.run_operation(
            lambda: manual.truncate_all(self.target, now=self.now),
            AllowedChanges(empty=frozenset(attached)),
        )
        self.note("our truncate of all", report)

    @rule(period=st.sampled_from(["Hour", "Day", "Day", "Week", "Month"]), count=st.integers(1, 3))
    def our_period(self, period: str, count: int) -> None:
        if self.try_policy(period=period, periods_per_partition=count):
            self.did("our period")

    @rule(interval=st.none() | st.integers(1, 12), max_retire=st.sampled_from([1, 3, 31, 31, 31]))
    def our_interval(self, interval: int | None, max_retire: int) -> None:
        if self.try_policy(interval=interval, max_retire_per_pass=max_retire):
            self.did("our interval")

    @rule(premake=st.integers(1, 5))
    def our_premake(self, premake: int) -> None:
        if self.try_policy(premake=premake):
            self.did("our premake")

    @rule(grace=GRACES)
    def our_grace(self, grace: timedelta | None) -> None:
        if self.try_policy(drop_after=grace):
            self.did("our grace")

    @rule(attached=st.booleans(), detached=st.booleans())
    def our_tablespaces(self, attached: bool, detached: bool) -> None:
        places = {
            "attach_tablespace": elsewhere() if attached else "",
            "detach_tablespace": elsewhere() if detached else "",
        }
        if self.try_policy(**places):
            self.did("our tablespaces")

    @rule(zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"]))
    def our_zone(self, zone: str) -> None:
        if self.try_zone(zone):
            self.did("our zone")

    @rule(pause=PAUSES, is_idle=st.sampled_from([False, False, True]))
    def time_passes(self, pause: int, is_idle: bool) -> None:
        if self.try_later(pause * self.quarter):
            self.did("time passes")
            if not is_idle:
                self.our_pass()

    @rule(quarters=QUARTERS, odd=st.booleans())
    def row_at_a_moment(self, quarters: int, odd: bool) -> None:
        if self.insert(self.table, self.moment(quarters, odd)):
            self.did("row")

    @rule(pick=PICKS, side=st.sampled_from(["start", "end"]), before=st.booleans())
    @precondition(lambda self: self.there.ranged)
    def row_at_a_bound(self, pick: int, side: str, before: bool) -> None:
        bounds = one_of(self.there.ranged, pick).bounds
        at: datetime | None = getattr(bounds, side)
        if at is None:
            return
        if self.insert(self.table, at - timedelta(microseconds=before)):
            self.did("row at a bound")

    def a_log(self, pick: int) -> PartitionLog:
        """Return one of our rows."""
        return one_of(self.logs, pick)

    def note(self, what: str, report: Report) -> None:
        """Count an operation that did something."""
        if report.outcome is Outcome.DONE:
            self.did(what)

    def _attach(self, logs: list[PartitionLog] | None, pin: datetime | None) -> None:
        loose = {each.oid: each for each in self.there.loose}
        asked = [each.relid for each in self.logs if each.relid in loose]
        oids = asked if logs is None else [each.relid for each in logs]
        must = self._must_attach([loose[each] for each in oids])
        pinnable = [each.relid for each in self.logs if not each.is_attached]
        report = self.run_operation(
            lambda: manual.attach(self.target, logs, detach_time=pin, now=self.now),
            AllowedChanges(attach=frozenset(oids), detach=frozenset()),
        )
        self.note_pins(pinnable if logs is None else oids, pin)
        refused = [each for each in must if not self.there.by_oid[each.oid].is_attached]
        assert not refused, report.reason
        self.note("our attach", report)

    def note_pins(self, oids: Iterable[int], pin: datetime | None) -> None:
        """Enter what an attach was told."""
        for oid in oids:
            self.expected.unsure.discard(oid)
            self.expected.pins.pop(oid, None)
            if pin is not None:
                self.expected.pins[oid] = pin

    def _must_attach(self, tables: list[Table]) -> list[Table]:
        """Return the only table of an attach, if nothing stands in its way."""
        if len(tables) != 1:
            return []
        table, bounds = tables[0], self.expected.bounds.get(tables[0].oid)
        default = self.there.default
        if bounds is None:
            return []
        if any(each.bounds and bounds.overlaps(each.bounds) for each in self.there.ranged):
            return []
        if any(not bounds.contains(self.expected.rows[each]) for each in table.values):
            return []
        if default and any(bounds.contains(self.expected.rows[each]) for each in default.values):
            return []
        return tables
