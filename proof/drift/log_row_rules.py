"""Rules that damage our own records: PartitionLog rows deleted, doubled and falsified."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pg_timepart.models import PartitionLog
from proof.drift.agreement import is_marked, marked_bounds
from proof.drift.base_machine import PICKS, BaseMachine, one_of


class LogRowRules(BaseMachine):
    """Our rows are no truth, so nothing may depend on them that the catalog knows."""

    has_not_lost_all_rows = True
    """Once a sequence is enough: it hides whatever was wrong in the rows before."""

    @rule(pick=PICKS)
    @precondition(lambda self: self.logs)
    def loss_of_a_row(self, pick: int) -> None:
        log = one_of(self.logs, pick)
        PartitionLog.objects.filter(pk=log.pk).delete()
        self.spoiled(log)
        self.did("loss of a row")

    @rule()
    @precondition(lambda self: self.logs and self.has_not_lost_all_rows)
    def loss_of_all_rows(self) -> None:
        self.has_not_lost_all_rows = False
        for log in self.logs:
            self.spoiled(log)
        self.config.logs.all().delete()
        self.did("loss of all rows")

    @rule(pick=PICKS, field=st.sampled_from(["start", "end", "both"]), hours=st.integers(-50, 50))
    @precondition(lambda self: self.logs)
    def wrong_bounds(self, pick: int, field: str, hours: int) -> None:
        log = one_of(self.logs, pick)
        by = timedelta(hours=hours)
        if field != "end" and log.start is not None:
            log.start += by
        if field != "start" and log.end is not None:
            log.end += by
        if log.start is not None and log.end is not None and log.start >= log.end:
            return
        self.save(log)
        self.did("wrong bounds in a row")

    @rule(pick=PICKS, other=PICKS)
    @precondition(lambda self: self.logs)
    def wrong_name(self, pick: int, other: int) -> None:
        log, names = one_of(self.logs, pick), [each.name for each in self.there]
        log.table_name = one_of([*names, "nothing", self.table], other)
        self.save(log)
        self.did("wrong name in a row")

    @rule(pick=PICKS, oid=st.sampled_from([0, 1, 2**31, 1259]))
    @precondition(lambda self: self.logs)
    def wrong_oid(self, pick: int, oid: int) -> None:
        log = one_of(self.logs, pick)
        if not any(each.relid == oid for each in self.logs):
            self.spoiled(log)
            log.relid = oid
            self.save(log)
            self.did("wrong OID in a row")

    @rule(first=PICKS, second=PICKS)
    @precondition(lambda self: len(self.logs) > 1)
    def swapped_oids(self, first: int, second: int) -> None:
        one, other = one_of(self.logs, first), one_of(self.logs, second)
        if one.pk == other.pk:
            return
        if not self.can_be_told_apart(one, other):
            for each in (one, other):
                self.spoiled(each)
        PartitionLog.objects.filter(pk=one.pk).update(relid=-1)
        PartitionLog.objects.filter(pk=other.pk).update(relid=one.relid)
        PartitionLog.objects.filter(pk=one.pk).update(relid=other.relid)
        self.did("swapped OIDs of rows")

    @rule(pick=PICKS)
    @precondition(lambda self: self.logs)
    def wrong_state(self, pick: int) -> None:
        log = one_of(self.logs, pick)
        log.is_attached = not log.is_attached
        self.save(log)
        self.did("wrong state in a row")

    @rule(pick=PICKS, oid=st.sampled_from([3, 4, 2**31 + 1, 1260]))
    @precondition(lambda self: self.logs)
    def second_row(self, pick: int, oid: int) -> None:
        log = one_of(self.logs, pick)
        if any(each.relid == oid for each in self.logs):
            return
        self.spoiled(log)
        PartitionLog.objects.create(
            config=log.config,
            relid=oid,
            schema_name=log.schema_name,
            table_name=log.table_name,
            start=log.start,
            end=log.end,
            is_attached=log.is_attached,
            detached_at=log.detached_at,
        )
        self.did("second row")

    def can_be_told_apart(self, one: PartitionLog, other: PartitionLog) -> bool:
        """Whether names and bounds show whose rows they are, as after a dump and restore."""
        return one.bounds != other.bounds and self.is_true(one) and self.is_true(other)

    def is_true(self, log: PartitionLog) -> bool:
        """Whether the row says what the catalog says, or the comment of a detached partition."""
        table = self.there.by_oid.get(log.relid)
        if table is None or (log.schema_name, log.table_name) != (table.schema, table.name):
            return False
        if table.is_attached:
            return log.bounds == table.bounds
        return is_marked(table, self.label) and log.bounds == marked_bounds(table)

    def save(self, log: PartitionLog) -> None:
        """Save a row with something wrong in it."""
        self.spoiled(log)
        log.save()

    def spoiled(self, log: PartitionLog) -> None:
        """Note that what only this row could know may be lost."""
        self.expected.doubt(log.relid)
        for each in self.there:
            if (each.schema, each.name) == (log.schema_name, log.table_name):
                self.expected.doubt(each.oid)
