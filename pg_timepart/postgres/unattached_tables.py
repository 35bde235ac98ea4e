"""Unattached tables: which were a parent's partitions, and what they have of their own.

A table belongs to a parent if its comment names the parent by schema and name and both have one
owner. Comments of older releases name only a model, which other schemas may have too.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.addresses import qualified
from pg_timepart.partitions.tables import Parent, Partition, Relation
from pg_timepart.postgres.catalog import read_commented, read_partitioned
from pg_timepart.postgres.search_path import fetch_all

# What only the leaf has, in words. A trigger is the same if it calls the same
# function at the same events; no rule of a parent acts on what is written through it to a leaf.
OF_ITS_OWN = """
SELECT 'the trigger ' || quote_ident(t.tgname)
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = %(leaf)s AND NOT t.tgisinternal AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_trigger p
    WHERE p.tgrelid = %(parent)s AND (p.tgfoid, p.tgtype, p.tgargs, p.tgattr)
        = (t.tgfoid, t.tgtype, t.tgargs, t.tgattr))
UNION ALL
SELECT 'the rule ' || quote_ident(r.rulename)
FROM pg_catalog.pg_rewrite r WHERE r.ev_class = %(leaf)s
UNION ALL
SELECT 'row security'
FROM pg_catalog.pg_class l JOIN pg_catalog.pg_class p ON p.oid = %(parent)s
WHERE l.oid = %(leaf)s AND ((l.relrowsecurity AND NOT p.relrowsecurity)
    OR (l.relforcerowsecurity AND NOT p.relforcerowsecurity))
UNION ALL
SELECT 'the policy ' || quote_ident(l.polname)
FROM pg_catalog.pg_policy l
WHERE l.polrelid = %(leaf)s AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_policy p
    WHERE p.polrelid = %(parent)s
    AND (p.polname, p.polcmd, p.polpermissive, p.polroles)
        = (l.polname, l.polcmd, l.polpermissive, l.polroles)
    AND pg_get_expr(p.polqual, p.polrelid) IS NOT DISTINCT FROM pg_get_expr(l.polqual, l.polrelid)
    AND pg_get_expr(p.polwithcheck, p.polrelid)
        IS NOT DISTINCT FROM pg_get_expr(l.polwithcheck, l.polrelid))
"""


def read_owned(
    connection: BaseDatabaseWrapper, parent: Parent, label: str
) -> tuple[Partition, ...]:
    """Return the unattached tables of the parent by their comments; see ``owned_among``."""
    return owned_among(connection, read_commented(connection), parent, label)


def owned_among(
    connection: BaseDatabaseWrapper, commented: Iterable[Partition], parent: Parent, label: str
) -> tuple[Partition, ...]:
    """Return those of these unattached tables that belong to the parent by their comments.

    ``label`` is the parent's model, by which comments of older releases are found. Such a comment
    counts only where no other table in the database can be its parent.
    """
    return tuple(
        each
        for each in commented
        if is_owned(connection, parent, each, label)
        and (_is_named(parent, each) or not _rivals(connection, parent, each))
    )


def is_owned(connection: BaseDatabaseWrapper, parent: Parent, table: Partition, label: str) -> bool:
    """Return whether the comment on an unattached table says that it is the parent's.

    One of old, or that names no table that is there, says so of the parent in its own schema; one
    that was copied with a whole schema says nothing.
    """
    if table.comment is None or table.owner != parent.owner:
        return False
    if _is_named(parent, table):
        return not _is_copied(connection, parent, table)
    return table.comment.label == label and _other_parent(connection, parent, table) is None


def objection(connection: BaseDatabaseWrapper, parent: Parent, table: Partition) -> str | None:
    """Return why a detached table that we know by OID is not the parent's, in a sentence, or None.

    Makes a query only where its comment names another table, or none and it is in another schema.
    """
    if table.owner != parent.owner:
        return (
            f"{qualified(table)} belongs to the role {table.owner}, and {qualified(parent)} to"
            f" {parent.owner}: a partition has its parent's owner, so nothing is done to this one."
        )
    other = _other_parent(connection, parent, table)
    if other is None:
        return None
    return (
        f"{qualified(table)} is a partition of {qualified(other)} by its comment, not of"
        f" {qualified(parent)}, so nothing is done to it."
    )


def of_its_own(connection: BaseDatabaseWrapper, parent: Parent, table: Relation) -> list[str]:
    """Return in words what only the table has, and not the parent, that acts on rows."""
    values = {"parent": parent.oid, "leaf": table.oid}
    return [words for (words,) in fetch_all(connection, OF_ITS_OWN, values)]


def peculiarity(connection: BaseDatabaseWrapper, parent: Parent, table: Relation) -> str | None:
    """Return the sentence why a table's own properties forbid to attach it, or None."""
    found = of_its_own(connection, parent, table)
    if not found:
        return None
    return (
        f"{qualified(table)} has {_listed(found)}, which {qualified(parent)} has not: what acts on"
        " rows must be the same on both. Drop it there, or make it on the parent too."
    )


def _is_named(parent: Parent, table: Partition) -> bool:
    return table.comment is not None and table.comment.names(parent)


def _other_parent(
    connection: BaseDatabaseWrapper, parent: Parent, table: Partition
) -> Relation | None:
    """Return the table that is more likely this one's parent, or None."""
    comment = table.comment
    if comment is None or comment.names(parent):
        return None
    if comment.table is None and table.schema == parent.schema:
        return None
    rivals = _rivals(connection, parent, table)
    return next(
        (each for each in rivals if comment.names(each) or _is_nearer(each, parent, table)), None
    )


def _is_copied(connection: BaseDatabaseWrapper, parent: Parent, table: Partition) -> bool:
    """Whether the comment came with a copy of the whole schema, which has a parent of its own."""
    if table.schema == parent.schema:
        return False
    rivals = _namesakes(connection, parent)
    return any(_is_nearer(each, parent, table) for each in rivals)


def _is_nearer(other: Relation, parent: Parent, table: Partition) -> bool:
    return other.schema == table.schema != parent.schema


def _rivals(
    connection: BaseDatabaseWrapper, parent: Parent, table: Partition
) -> tuple[Relation, ...]:
    """Return the other tables that this one may be a partition of.

    That is the one that its comment names; or, where it names none that is there, those called as
    the parent is that have its owner.
    """
    comment = table.comment
    if comment is not None and comment.table is not None:
        named = read_partitioned(connection, comment.table)
        if found := tuple(
            each for each, _ in named if comment.names(each) and each.oid != parent.oid
        ):
            return found
    return _namesakes(connection, parent)


def _namesakes(connection: BaseDatabaseWrapper, parent: Parent) -> tuple[Relation, ...]:
    found = read_partitioned(connection, parent.name)
    return tuple(each for each, owner in found if each.oid != parent.oid and owner == parent.owner)


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
