"""Base of the state machine: the table, the time, the expected state, and how steps are run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, ClassVar, TypeVar, cast

from django.db import DatabaseError, connection, models, transaction
from django.test import override_settings
from hypothesis import currently_in_test_context, event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance import manual
from pg_timepart.maintenance.maintain import plan
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target, target_of
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.partitions.names import partition_name
from pg_timepart.partitions.plan import Policy
from proof.drift.expected_state import ExpectedState, window
from proof.drift.observed_tables import Table, TableSnapshot, take_snapshot
from proof.drift.other_locations import clear
from proof.drift.permitted_changes import AllowedChanges, check_changes
from tests.apps.depot.models import Pallet
from tests.apps.foundry.models import Pulse
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.key_values import KeyValues, key_of, key_values_of
from tests.support.table_state import change_policy, reset_table

T = TypeVar("T")

PICKS = st.integers(0, 60)
"""Which of some tables: the number modulo how many there are."""

QUARTERS = st.integers(-24, 40)
"""How far from now, in quarters of a period."""

LENGTHS = st.sampled_from([1, 3, 4, 4, 4, 6, 8, 20])
"""How long, in quarters of a period."""

MODELS = (Reading, Measurement, Pallet, Pulse)
"""No foreign key, one out, a UUID that another table refers to, and a number as key."""

STARTS = (
    datetime(2024, 3, 10, 12, tzinfo=UTC),
    datetime(2024, 3, 30, 22, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2023, 12, 31, 23, 30, tzinfo=UTC),
)

MOST_CREATES = 40
"""A step after which a pass would make more partitions than this is not taken: it shows no more."""

PATIENT = {"LOCK_BUDGET_MS": 20_000, "LOCK_WAIT_SECONDS": 20}
"""Nobody else is there, so what gives way is a defect, however slow the machine is."""


class BaseMachine(RuleBasedStateMachine):
    """One table, from its first partition on; the rules are in the classes that inherit this."""

    tally: ClassVar[Counter[str]] = Counter()
    """How often each rule did something, and how many steps and sequences there were."""

    def __init__(self) -> None:
        super().__init__()
        self.model: type[models.Model] = Reading
        self.now = STARTS[0]
        self.there = TableSnapshot()
        self.expected = ExpectedState()
        self.obstacles: dict[str, str] = {}
        self.numbers = count(1)
        self._zone = self._settings("UTC")

    @initialize(
        model=st.sampled_from(MODELS),
        start=st.sampled_from(STARTS),
        period=st.sampled_from(["Day", "Hour", "Week", "Month"]),
        interval=st.sampled_from([4, None, 2]),
        grace=st.sampled_from([None, timedelta(days=3), timedelta(0)]),
        max_retire=st.sampled_from([31, 1]),
    )
    def begin(
        self,
        model: type[models.Model],
        start: datetime,
        period: str,
        interval: int | None,
        grace: timedelta | None,
        max_retire: int,
    ) -> None:
        """Start with partitions around now, two of them detached, and a row in each."""
        self.model, self.now = model, start
        clear(model)
        reset_table(model, period=period)
        self.see()
        self.tally["sequences"] += 1
        for first, last in ((0, 8), (-16, 0)):
            self.run_operation(
                partial(self._create, self.moment(first), self.moment(last)), AllowedChanges()
            )
        for each in self.there.firm:
            self.insert(self.table, _start_of(each))
        for log in self.logs[:2]:
            self.run_operation(
                partial(self._detach, log), AllowedChanges(detach=frozenset([log.relid]))
            )
        change_policy(model, interval=interval, drop_after=grace, max_retire_per_pass=max_retire)

    def _create(self, start: datetime, end: datetime) -> Report:
        return manual.create_range(self.target, start, end, now=self.now)

    def _detach(self, log: PartitionLog) -> Report:
        return manual.detach(self.target, [log], now=self.now)

    def teardown(self) -> None:
        """Leave nothing."""
        clear(self.model)
        reset_table(self.model)
        self._zone.disable()

    @property
    def label(self) -> str:
        """``app.model``."""
        return self.model._meta.label_lower

    @property
    def table(self) -> str:
        """The name of the parent."""
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        """The column that is the key."""
        return key_of(self.model)

    @property
    def keys(self) -> KeyValues:
        """The values of the key."""
        return key_values_of(self.model)

    @property
    def config(self) -> PartitionConfig:
        """The config as it is now."""
        return PartitionConfig.objects.get(model_label=self.label)

    @property
    def policy(self) -> Policy:
        """What is wanted."""
        return self.config.policy()

    @property
    def logs(self) -> list[PartitionLog]:
        """Our rows."""
        return list(PartitionLog.objects.filter(config__model_label=self.label).order_by("pk"))

    @property
    def target(self) -> Target:
        """What operations by hand work on."""
        return target_of(self.model)

    @property
    def attachable(self) -> list[Table]:
        """What may be attached again.

        Not what is partitioned itself: PostgreSQL 17 and 18 do not let it go a second time where
        the parent has an identity column.
        """
        return [each for each in self.there.loose if each.kind == "r"]

    def see(self) -> None:
        """Look at the server; every row that was accepted must be somewhere, once."""
        self.there = take_snapshot(self.model)
        found = {value for each in self.there for value in each.values}
        assert found == set(self.expected.rows), "rows were lost, or came back"

    def did(self, what: str) -> None:
        """Count that a rule took effect."""
        self.tally[what] += 1
        if currently_in_test_context():
            event(what)

    @property
    def quarter(self) -> timedelta:
        """A quarter of the current period."""
        bounds = self.policy.period.bounds_at(self.now, self.policy.zone)
        assert bounds.start is not None
        assert bounds.end is not None
        return (bounds.end - bounds.start) / 4

    def moment(self, quarters: int, odd: bool = False) -> datetime:
        """Return a moment so far from the start of the current period, or an odd one."""
        start = self.policy.period.bounds_at(self.now, self.policy.zone).start
        assert start is not None
        return start + quarters * self.quarter + timedelta(seconds=17 if odd else 0)

    def edge_or_moment(self, pick: int, quarters: int) -> datetime:
        """Return where some partition ends, or for an odd pick another moment."""
        ends = [each.bounds.end for each in self.there.ranged if each.bounds and each.bounds.end]
        if pick % 2 or not ends:
            return self.moment(quarters, odd=pick % 3 == 0)
        return one_of(sorted(ends), pick // 2)

    def bound(self, moment: datetime, quarters: int = 0) -> str:
        """Return the literal of a moment so many quarters of a period after another, for SQL."""
        return f"'{self.keys.literal(moment + quarters * self.quarter)}'"

    def new_name(self) -> str:
        """Return a name that nothing has."""
        return f"{self.table}_by_hand_{next(self.numbers)}"

    def next_name(self, ahead: int) -> str:
        """Return the name that a partition gets which some pass will make."""
        bounds = self.policy.period.bounds_at(window(self.policy, self.now)[1], self.policy.zone)
        for _ in range(ahead):
            assert bounds.end is not None
            bounds = self.policy.period.bounds_at(bounds.end, self.policy.zone)
        return partition_name(self.table, bounds, self.policy.zone)

    def choice(self, attached: bool) -> list[Table]:
        """Return what is attached or what is not; all, where there is nothing such."""
        found = [each for each in self.there if each.is_attached == attached]
        return found or list(self.there)

    def run_sql(self, *statements: str, losing: frozenset[int] = frozenset()) -> bool:
        """Run SQL as a person would, in one transaction; return whether the server took them.

        ``losing`` are the rows that they remove.
        """
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for each in statements:
                    cursor.execute(each)
        except DatabaseError:
            return False
        self.expected.forget(losing)
        self.see()
        return True

    def insert(self, table: str, at: datetime) -> bool:
        """Insert a row, and expect it from now on if the server took it."""
        value = next(self.numbers)
        row = {"id": value, "value": value, self.key: self.keys.at(at, value)}
        if self.model is Measurement:
            row["machine_id"] = Machine.objects.get_or_create(name="press")[0].pk
        values = ", ".join(f"'{each}'" for each in row.values())
        statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"
        self.expected.rows[value] = at
        if self.run_sql(statement):
            return True
        del self.expected.rows[value]
        return False

    def run_operation(self, work: Callable[[], Report], allowed: AllowedChanges) -> Report:
        """Run an operation of ours; it may do what is allowed and nothing else."""
        before = self.there
        try:
            report = work()
        except (OperationFailed, OperationDeferred) as error:
            report = cast("Report", error.report)
        check_changes(before, take_snapshot(self.model), allowed, self.expected, self.now)
        self.see()
        self.expected.is_seen(self.there)
        return report

    def try_policy(self, **policy: Any) -> bool:
        """Change the config, unless a pass would then have very much to create."""
        before = {name: getattr(self.config, name) for name in policy}
        change_policy(self.model, **policy)
        if self._is_too_much():
            change_policy(self.model, **before)
            return False
        return True

    def try_zone(self, name: str) -> bool:
        """Let days begin elsewhere."""
        before = self._zone
        before.disable()
        self._zone = self._settings(name)
        if not self._is_too_much():
            return True
        self._zone.disable()
        before.enable()
        self._zone = before
        return False

    def try_later(self, passed: timedelta) -> bool:
        """Let time pass, unless a pass would then have very much to create."""
        self.now += passed
        if self._is_too_much():
            self.now -= passed
            return False
        return True

    def _is_too_much(self) -> bool:
        return len(plan(self.label, now=self.now).actions) > MOST_CREATES

    def _settings(self, zone: str) -> override_settings:
        changed = override_settings(PARTITION_TIMEZONE=zone, PG_TIMEPART=PATIENT)
        changed.enable()
        return changed


def one_of(choices: Sequence[T], pick: int) -> T:
    """Return one of the choices, which must not be empty."""
    return choices[pick % len(choices)]


def _start_of(table: Table) -> datetime:
    assert table.bounds is not None
    assert table.bounds.start is not None
    return table.bounds.start
