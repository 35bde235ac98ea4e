"""Actions that end what earlier runs began, planned from our logs and the catalog. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pg_timepart.constants import ActionKind
from pg_timepart.partitions.plan import Action, Known, PlanInput, Policy
from pg_timepart.partitions.tables import Parent, Partition

_ENDS_WITHOUT_KEYS = {ActionKind.ATTACH, ActionKind.DROP}
"""What needs the foreign keys of a detached partition, or drops them by itself."""


def releases(parent: Parent) -> Iterator[Action]:
    """Yield the dropping of exclusion CHECKs that an interrupted run left on a default partition.

    Only for who has the table's advisory lock: another run may be about to need them.
    """
    default = parent.default
    if default is not None and default.exclusion_checks:
        yield Action(
            kind=ActionKind.RELEASE,
            partition=default.name,
            bounds=None,
            oid=default.oid,
            reason="refuses rows for a create or attach that was cut short",
        )


def finalizations(given: PlanInput) -> Iterator[Action]:
    """Yield the ending of every detach that began and did not end, and what follows on it.

    Where attaching the partition was begun since then, that ends the detach as well.
    """
    rows = given.known_by_oid
    for each in given.parent.partitions:
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
            yield from after_detach(action, given, each, tablespace)


def interrupted(given: PlanInput) -> Iterator[Action]:
    """Yield what began, by our logs, and has not ended, by the catalog.

    A detach that retention asked for, and that the catalog does not know of, is for retention to
    ask for anew: the config may have been put right since.
    """
    parent = given.parent
    present = {each.oid: each for each in (*parent.partitions, *parent.detached)}
    for row in given.known:
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
            tablespace=_destination(row, partition, given.policy),
            reason="was interrupted",
            is_asked=row.is_asked or row.unfinished is ActionKind.DROP,
        )
        yield action
        if row.unfinished is ActionKind.DETACH:
            yield from after_detach(action, given, partition, row.tablespace)


def _destination(row: Known, partition: Partition, policy: Policy) -> str | None:
    """Return where it goes; a move after retiring goes where the policy has it by now."""
    if row.unfinished is ActionKind.MOVE and not (row.is_asked or partition.is_attached):
        return policy.detach_tablespace or partition.tablespace
    return row.tablespace


def _is_called_off(row: Known | None) -> bool:
    """Whether the partition is being put back: a detach that is pending shall not stand."""
    return row is not None and row.unfinished is ActionKind.ATTACH


def unlinkings(given: PlanInput, leaving: Iterable[int | None] = ()) -> Iterator[Action]:
    """Yield the dropping of the foreign keys that detached partitions still have.

    Not of those that are being attached or dropped, of another owner's, and of ``leaving``.
    """
    left_alone = set(leaving)
    rows = {row.oid: row for row in given.known if row.unfinished not in _ENDS_WITHOUT_KEYS}
    for each in given.parent.detached:
        is_ours = each.owner == given.parent.owner and each.oid in rows
        if is_ours and each.oid not in left_alone and _is_to_unlink(given, each):
            yield Action(
                kind=ActionKind.UNLINK,
                partition=each.name,
                bounds=rows[each.oid].bounds,
                oid=each.oid,
                reason="detached",
            )


def _is_to_unlink(given: PlanInput, partition: Partition) -> bool:
    has_any = given.parent if partition.is_attached else partition
    return has_any.has_foreign_keys and not given.policy.keep_foreign_keys


def after_detach(
    detach: Action, given: PlanInput, partition: Partition, tablespace: str | None
) -> Iterator[Action]:
    """Yield what follows on a detach: the foreign keys are dropped, and it moves if wanted so."""
    if _is_to_unlink(given, partition):
        yield replace(detach, kind=ActionKind.UNLINK, tablespace=None, reason="detached")
    if tablespace and tablespace != partition.tablespace:
        yield replace(detach, kind=ActionKind.MOVE, tablespace=tablespace, reason="detached")
