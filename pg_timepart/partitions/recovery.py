"""What was begun before and is to be ended: planned from our rows and the catalog. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pg_timepart.constants import ActionKind
from pg_timepart.partitions.plan import Action, Known, Policy
from pg_timepart.partitions.tables import Parent, Partition

_ENDS_WITHOUT_KEYS = {ActionKind.ATTACH, ActionKind.DROP}
"""What needs the foreign keys of a detached partition, or drops them by itself."""


def releases(parent: Parent) -> Iterator[Action]:
    """Yield the release of the default partition from what it promised and need not keep.

    Only for who has the table's advisory lock: another run may be about to need the promise.
    """
    default = parent.default
    if default is not None and default.promises:
        yield Action(
            kind=ActionKind.RELEASE,
            partition=default.name,
            bounds=None,
            oid=default.oid,
            reason="refuses rows for a create or attach that was cut short",
        )


def finalizations(parent: Parent, known: Sequence[Known], policy: Policy) -> Iterator[Action]:
    """Yield the ending of every detach that began and did not end, and what follows on it.

    Where attaching the partition was begun since then, that ends the detach as well.
    """
    rows = {each.oid: each for each in known}
    for each in parent.partitions:
        if each.is_pending and not _is_called_off(rows.get(each.oid)):
            action = Action(
                kind=ActionKind.FINALIZE,
                partition=each.name,
                bounds=each.bounds,
                oid=each.oid,
                reason="a detach is pending",
            )
            yield action
            row = rows.get(each.oid)
            tablespace = row.tablespace if row else None
            yield from after_detach(action, parent, each, policy, tablespace)


def interrupted(parent: Parent, known: Sequence[Known], policy: Policy) -> Iterator[Action]:
    """Yield what began, by our rows, and has not ended, by the catalog.

    A detach that retention asked for, and that the catalog does not know of, is for retention to
    ask for anew: the config may have been put right since.
    """
    present = {each.oid: each for each in (*parent.partitions, *parent.detached)}
    for row in known:
        partition = present.get(row.oid)
        if row.unfinished is None or partition is None:
            continue
        if partition.is_pending and not _is_called_off(row):
            continue
        if row.unfinished is ActionKind.DETACH and not (partition.is_attached and row.is_asked):
            continue
        if _is_called_off(row) and partition.is_attached and not partition.is_pending:
            continue
        action = Action(
            kind=row.unfinished,
            partition=partition.name,
            bounds=partition.bounds or row.bounds,
            oid=row.oid,
            tablespace=_destination(row, partition, policy),
            reason="was interrupted",
            is_asked=row.is_asked or row.unfinished is ActionKind.DROP,
        )
        yield action
        if row.unfinished is ActionKind.DETACH:
            yield from after_detach(action, parent, partition, policy, row.tablespace)


def _destination(row: Known, partition: Partition, policy: Policy) -> str | None:
    """Return where it goes; a move after retiring goes where the policy has it by now."""
    if row.unfinished is ActionKind.MOVE and not (row.is_asked or partition.is_attached):
        return policy.detach_tablespace or partition.tablespace
    return row.tablespace


def _is_called_off(row: Known | None) -> bool:
    """Whether the partition is being put back: a detach that is pending shall not stand."""
    return row is not None and row.unfinished is ActionKind.ATTACH


def unlinkings(
    parent: Parent, known: Sequence[Known], policy: Policy, leaving: Iterable[int | None] = ()
) -> Iterator[Action]:
    """Yield the dropping of the foreign keys that detached partitions still have.

    Not of those that are being attached or dropped, of another owner's, and of ``leaving``.
    """
    left_alone = set(leaving)
    rows = {row.oid: row for row in known if row.unfinished not in _ENDS_WITHOUT_KEYS}
    for each in parent.detached:
        is_ours = each.owner == parent.owner and each.oid in rows
        if is_ours and each.oid not in left_alone and _is_to_unlink(parent, each, policy):
            yield Action(
                kind=ActionKind.UNLINK,
                partition=each.name,
                bounds=rows[each.oid].bounds,
                oid=each.oid,
                reason="detached",
            )


def _is_to_unlink(parent: Parent, partition: Partition, policy: Policy) -> bool:
    has_any = parent if partition.is_attached else partition
    return has_any.has_foreign_keys and not policy.keep_foreign_keys


def after_detach(
    detach: Action, parent: Parent, partition: Partition, policy: Policy, tablespace: str | None
) -> Iterator[Action]:
    """Yield what follows on a detach: the foreign keys are dropped, and it moves if wanted so."""
    if _is_to_unlink(parent, partition, policy):
        yield replace(detach, kind=ActionKind.UNLINK, tablespace=None, reason="detached")
    if tablespace and tablespace != partition.tablespace:
        yield replace(detach, kind=ActionKind.MOVE, tablespace=tablespace, reason="detached")
