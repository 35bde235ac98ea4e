"""Checks of what must hold after a pass, and after ``reconcile`` and a pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.findings import Code, sentences
from pg_timepart.maintenance.maintain import maintain, plan
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.maintenance.report import ActionResult, Report
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.names import partition_name
from proof.drift.agreement import disagreements, is_marked, lost
from proof.drift.base_machine import BaseMachine
from proof.drift.expected_state import expired, holes, span, window
from proof.drift.observed_tables import Table, visible
from proof.drift.permitted_changes import AllowedChanges
from tests.support.command_line import timepart

UNTIMELY = "past retention, more than"
"""What a pass says that has more to retire than its limit."""


class SettledRules(BaseMachine):
    """Passes and their proof."""

    def run_pass(self) -> Report:
        """Run a pass; it makes room, retires what is past retention, and nothing else."""
        late = self.late()
        wanted = {each.partition: each.bounds for each in plan(self.label, now=self.now).actions}
        report = self.run_operation(lambda: maintain(self.label, now=self.now), self._allowed(late))
        failed = [
            each
            for each in report.actions
            if each.outcome not in ("done", "unchanged") and not self._is_still_referred(each)
        ]
        unexplained = [each for each in failed if not self._is_explained(each, wanted)]
        assert not unexplained, unexplained
        self._assert_room(failed)
        self._assert_retired(late, report)
        self._assert_dropped()
        self._assert_agreement()
        assert (report.outcome is Outcome.FAILED) == bool(failed or report.problems), report
        assert failed or self.insert(self.table, self.now), "no room for a row of now"
        return report

    def run_reconcile(self) -> Report:
        """Run reconcile; it touches no table, mends our rows, and names what it leaves."""
        before = self.there
        report = self.run_operation(lambda: reconcile(self.label, now=self.now), AllowedChanges())
        assert self.there == before, "reconcile touched a table"
        assert report.outcome in (Outcome.DONE, Outcome.UNCHANGED), report
        self._assert_agreement()
        assert not lost(self.there, self.logs, self.label)
        self._assert_notes([*map(str, report.notes)])
        return report

    def settle(self) -> None:
        """Reconcile, run a pass, and see that nothing is left to do but what only a person can."""
        self.run_reconcile()
        report = self.run_pass()
        if self.policy.drop_after is not None:
            report = self.run_pass()  # what the first one detached without a grace
        assert not self.there.pending
        again = self.run_pass()
        if report.outcome is Outcome.FAILED:
            assert _failed(again) <= _failed(report), again.reason
            self.did("blocked by what a person must decide")
        elif again.outcome is Outcome.DEFERRED:
            assert all(map(self._is_still_referred, again.actions)), again
            self.did("kept what rows refer to")
        else:
            assert again.outcome is Outcome.UNCHANGED, again
        attached = [each.values for each in self.there if each.is_attached]
        assert visible(self.model) == frozenset().union(*attached)
        self._assert_status()

    def late(self) -> list[Table]:
        """Return what is past retention and, as far as is known, not pinned."""
        found = expired(self.there, self.policy, self.now)
        return [each for each in found if self.expected.pins.get(each.oid, self.now) <= self.now]

    def _allowed(self, late: list[Table]) -> AllowedChanges:
        grace = self.policy.drop_after
        retired = {each.oid for each in late}
        sure = retired - self.expected.unsure
        if len(sure) > self.policy.max_retire:
            retired = set()
        dropped = {
            each.oid
            for each in self.there.loose
            if grace is not None
            and each.oid in self.expected.since
            and self.expected.since[each.oid] + grace <= self.now
        }
        pending = {each.oid for each in self.there.pending}
        return AllowedChanges(detach=frozenset(retired | pending), drop=frozenset(dropped))

    def _is_explained(self, result: ActionResult, wanted: dict[str, Bounds | None]) -> bool:
        """Whether only a person can decide about what stood in the way, and it is named."""
        bounds = wanted.get(result.partition)
        if result.kind is not ActionKind.CREATE or bounds is None:
            return False
        default = self.there.default
        is_full = default and any(bounds.contains(self.expected.rows[v]) for v in default.values)
        return bool(default and is_full and f"{default.name} holds rows" in result.detail)

    def _is_still_referred(self, result: ActionResult) -> bool:
        """Whether a partition past retention was kept because rows of another table refer to it."""
        names = {each.name for each in self.there.referred}
        is_kept = result.code is Code.STILL_REFERRED and result.outcome is Outcome.DEFERRED
        return is_kept and result.partition in names

    def _assert_room(self, failed: list[ActionResult]) -> None:
        names = {each.partition for each in failed}
        missing = [each for each in self._uncovered() if self._name(each) not in names]
        assert not missing, f"no room in {missing}, and nobody says why"

    def _uncovered(self) -> Iterator[Bounds]:
        policy = self.policy
        for start, end in holes(self.there.firm, *window(policy, self.now)):
            yield from policy.period.cut(start, end, policy.zone)

    def _name(self, bounds: Bounds) -> str:
        return partition_name(self.table, bounds, self.policy.zone)

    def _assert_retired(self, late: list[Table], report: Report) -> None:
        sure = [each for each in late if not (each.is_referred or each.oid in self.expected.unsure)]
        max_retire = self.policy.max_retire
        if len(sure) > max_retire:
            assert UNTIMELY in sentences(report.problems), report
        elif len(late) <= max_retire:
            kept = [each.name for each in sure if self.there.by_oid[each.oid].is_attached]
            assert not kept, f"past retention and kept: {kept}"

    def _assert_dropped(self) -> None:
        grace = self.policy.drop_after
        if grace is None:
            return
        kept = [
            log.table_name
            for log in self.logs
            if not log.is_attached
            and log.detached_at
            and log.detached_at + grace < self.now
            # An attach that failed leaves its pin, which keeps the partition from drops as well.
            and not (log.detach_time and log.detach_time > self.now)
        ]
        assert not kept, f"past the grace and kept: {kept}"

    def _assert_agreement(self) -> None:
        found = disagreements(self.there, self.logs, self.expected)
        assert not found, found

    def _assert_notes(self, notes: list[str]) -> None:
        for start, end in self._gaps():
            assert any(f"[{start}, {end})" in each for each in notes), (start, end, notes)
        if self.there.default is not None:
            assert any(self.there.default.name in each for each in notes), notes

    def _assert_status(self) -> None:
        ended = timepart("status", self.label, "--json")
        assert ended.status in (0, 1)
        (found,) = ended.json
        states = {(each["schema"], each["partition"]): each for each in found["partitions"]}
        for each in self.there:
            if each.is_attached or is_marked(each, self.label):
                assert states[each.schema, each.name]["state"] == _state(each)
        gaps = [(each["start"], each["end"]) for each in found["gaps"]]
        assert gaps == [(start.isoformat(), end.isoformat()) for start, end in self._gaps()]

    def _gaps(self) -> list[tuple[datetime, datetime]]:
        ends = span(self.there)
        return list(holes(self.there.firm, *ends)) if ends else []


def _failed(report: Report) -> set[str]:
    """Return the problems of a run, and the partitions of what it failed in."""
    bad = (Outcome.FAILED, Outcome.DEFERRED)
    return {
        *map(str, report.problems),
        *(each.partition for each in report.actions if each.outcome in bad),
    }


def _state(table: Table) -> str:
    if not table.is_attached:
        return "detached"
    return "default" if table.is_default else "attached"
