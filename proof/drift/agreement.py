"""Compare PartitionLog rows with the catalog, after a run has synchronised them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from pg_timepart.models import PartitionLog
from pg_timepart.partitions.bounds import Bounds
from proof.drift.expected_state import ExpectedState
from proof.drift.observed_tables import Table, TableSnapshot

Facts = tuple[int, str, str, object, object, bool]


def lost(there: TableSnapshot, logs: Sequence[PartitionLog], label: str) -> list[str]:
    """Return the detached tables that are ours by their comments and have no row.

    Looking for them is what ``reconcile`` does and a pass does not.
    """
    known = {each.relid for each in logs}
    return [each.name for each in there.loose if is_marked(each, label) and each.oid not in known]


def disagreements(
    there: TableSnapshot, logs: Sequence[PartitionLog], expected: ExpectedState
) -> list[str]:
    """Return in what our rows differ from the catalog, and from what we knew before."""
    return [*_attached(there, logs), *_loose(there, logs, expected)]


def _attached(there: TableSnapshot, logs: Sequence[PartitionLog]) -> Iterator[str]:
    wanted = {_facts_of_table(each) for each in there.ranged}
    found = [_facts_of_row(each) for each in logs if each.is_attached]
    if len(found) != len(set(found)):
        yield "an attached partition has two rows"
    yield from (f"no row says {each}" for each in wanted - set(found))
    yield from (f"a row says {each}" for each in set(found) - wanted)


def _loose(
    there: TableSnapshot, logs: Sequence[PartitionLog], expected: ExpectedState
) -> Iterator[str]:
    loose = {each.oid: each for each in there.loose}
    for log in logs:
        if log.is_attached:
            continue
        table = loose.get(log.relid)
        if table is None:
            yield f"the row of {log.table_name} is about nothing"
        elif (log.schema_name, log.table_name) != (table.schema, table.name):
            yield f"the row of {table.name} calls it {log.schema_name}.{log.table_name}"
        elif log.detached_at is None:
            yield f"the row of {table.name} does not say since when it is detached"
        elif log.bounds != expected.bounds.get(log.relid, log.bounds):
            yield f"the row of {table.name} has forgotten {expected.bounds[log.relid]}"


def is_marked(table: Table, label: str) -> bool:
    """Return whether the table's comment says that it is a partition of the model."""
    return (table.comment or "").startswith(f'pg_timepart {{"model": "{label}",')


def marked_bounds(table: Table) -> Bounds:
    """Return the bounds that the comment of a table of ours tells."""
    found = json.loads((table.comment or "").removeprefix("pg_timepart "))
    start, end = (found[side] and datetime.fromisoformat(found[side]) for side in ("from", "to"))
    return Bounds(start=start, end=end)


def _facts_of_table(table: Table) -> Facts:
    assert table.bounds is not None
    return (table.oid, table.schema, table.name, table.bounds.start, table.bounds.end, True)


def _facts_of_row(log: PartitionLog) -> Facts:
    return (log.relid, log.schema_name, log.table_name, log.start, log.end, log.is_attached)
