"""Alignment of a detached table with its parent before ATTACH, as far as that is safe.

Migrations of the parent do not change a detached table. So columns are added that need no value
from a person, and CHECKs and NOT NULL are added and validated: the rows are scanned under locks
that block no query of the parent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres import ddl_constraints
from pg_timepart.postgres.check_constraints import BOUNDS_CHECK, NOT_NULL_CHECK
from pg_timepart.postgres.column_differences import Difference, obstacles, read_differences
from pg_timepart.postgres.ddl import Statement, quoted
from pg_timepart.postgres.search_path import fetch_all
from pg_timepart.postgres.steps import (
    ACCESS_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    Step,
    unhurried,
)

# CHECKs and NOT NULLs by name, of the parent and of the leaf. Up to 17, NOT NULL is no constraint,
# and there is no NOT ENFORCED.
CONSTRAINTS = """
WITH found AS (
    SELECT k.oid, k.conrelid = %(leaf)s AS is_own, k.conname, k.contype, k.convalidated,
           k.connoinherit,
           COALESCE((to_jsonb(k) ->> 'conenforced')::boolean, true) AS is_enforced,
           pg_get_expr(k.conbin, k.conrelid) AS condition,
           (SELECT a.attname FROM pg_catalog.pg_attribute a
            WHERE k.contype = 'n' AND a.attrelid = k.conrelid AND a.attnum = k.conkey[1]) AS column
    FROM pg_catalog.pg_constraint k
    WHERE k.conrelid IN (%(parent)s, %(leaf)s) AND k.contype IN ('c', 'n')
)
SELECT COALESCE(w.contype, o.contype)::text, w.oid::bigint, COALESCE(o.conname, w.conname)::text,
       o.oid IS NOT NULL,
       o.condition IS NOT DISTINCT FROM w.condition AND NOT o.connoinherit
           AND (o.is_enforced OR NOT w.is_enforced),
       o.convalidated OR NOT (w.convalidated AND w.is_enforced), o.connoinherit, w.is_enforced
FROM (SELECT * FROM found WHERE NOT is_own AND NOT connoinherit) w
FULL JOIN (SELECT * FROM found WHERE is_own) o
ON o.contype = w.contype AND COALESCE(o.column, o.conname) = COALESCE(w.column, w.conname)
ORDER BY 1, 3
"""

# Deparsed under the connection's own search_path, under which the statements run as well.
DEFINITIONS = """
SELECT pg_catalog.pg_get_constraintdef(w.oid)
FROM pg_catalog.unnest(%s::pg_catalog.oid[]) WITH ORDINALITY AS w(oid, number) ORDER BY w.number
"""
DEFAULTS = """
SELECT a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_attrdef d ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid
    AND d.adnum OPERATOR(pg_catalog.=) a.attnum
WHERE a.attrelid OPERATOR(pg_catalog.=) %s::pg_catalog.oid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNull:
    """A column that the parent declares NOT NULL and the leaf does not."""

    column: str
    check: str
    """Name of the CHECK that proves it."""

    is_added: bool
    is_validated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """The changes that make a detached table like its parent."""

    obstacles: tuple[str, ...]
    """Differences that only a person may end; nothing else is done while there are any."""

    columns: tuple[str, ...]
    """Definitions of the columns to add, ready to follow ADD COLUMN."""

    added_checks: tuple[tuple[str, str], ...]
    """Names and definitions of the CHECKs to add."""

    replaced_checks: tuple[tuple[str, str], ...]
    """The same for CHECKs that the leaf has by that name with another condition."""

    inherited: tuple[str, ...]
    """NOT NULL constraints that are NO INHERIT, and must not be."""

    unvalidated: tuple[str, ...]
    """Constraints to validate once they are there."""

    not_nulls: tuple[NotNull, ...]
    dropped_checks: tuple[str, ...]
    """CHECKs of an earlier try that are not needed any more."""

    own_checks: tuple[str, ...]
    """CHECKs that only the leaf has: they continue to refuse rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Constraint:
    """One CHECK or NOT NULL, on either side or both."""

    kind: str
    wanted: int | None
    """OID of the parent's, or None."""

    name: str
    is_there: bool
    is_alike: bool | None
    is_verified: bool | None
    is_not_inherited: bool | None
    is_enforced: bool | None


def read_alignment(connection: BaseDatabaseWrapper, parent: Relation, leaf: Relation) -> Alignment:
    """Return the alignment that the detached ``leaf`` needs to be like ``parent``."""
    differences = read_differences(connection, [(parent.oid, leaf.oid)]).get(leaf.oid, ())
    rows = fetch_all(connection, CONSTRAINTS, {"parent": parent.oid, "leaf": leaf.oid})
    found = [_Constraint(**dict(zip(_FIELDS, row, strict=True))) for row in rows]
    checks = [each for each in found if each.kind == "c"]
    wanted = [each for each in checks if each.wanted is not None]
    missing = [each for each in wanted if not each.is_there]
    unlike = [each for each in wanted if each.is_there and not each.is_alike]
    own = {each.name: bool(each.is_verified) for each in checks if each.wanted is None}
    not_nulls = tuple(_not_nulls(differences, own))
    helpers = {each.check for each in not_nulls}
    nulls = [each for each in found if each.kind == "n" and each.wanted and each.is_there]
    definitions = _definitions(connection, [*missing, *unlike])
    return Alignment(
        obstacles=obstacles(leaf, differences),
        columns=tuple(_columns(connection, parent, differences)),
        added_checks=tuple((each.name, definitions[each.name]) for each in missing),
        replaced_checks=tuple((each.name, definitions[each.name]) for each in unlike),
        inherited=tuple(each.name for each in nulls if each.is_not_inherited),
        unvalidated=tuple(_to_verify(wanted, nulls)),
        not_nulls=not_nulls,
        dropped_checks=tuple(
            name for name in own if name.startswith(NOT_NULL_CHECK) and name not in helpers
        ),
        own_checks=tuple(
            name for name in own if not name.startswith(NOT_NULL_CHECK) and name != BOUNDS_CHECK
        ),
    )


def unlike(table: Relation, obstacles: Sequence[str]) -> str:
    """Return the sentence that the columns of a table forbid ATTACH, with the SQL to end it."""
    return (
        f"{table.name} cannot be attached, since its columns are not its parent's:"
        f" {'; '.join(obstacles)}."
    )


def alignment_steps(table: Relation, alignment: Alignment) -> Iterator[Step]:
    """Yield the steps that align ``table``; each can be repeated, and changes no row."""
    for name in alignment.dropped_checks:
        yield _step(
            table,
            f"drop {name}, which is needed no more",
            ddl_constraints.drop_constraint(table, name),
        )
    for definition in alignment.columns:
        yield _step(
            table, "add a column that its parent has", ddl_constraints.add_column(table, definition)
        )
    for name, definition in alignment.replaced_checks:
        statement = ddl_constraints.replace_constraint(table, name, definition)
        yield _step(table, f"replace the CHECK {name} by its parent's", statement)
    for name, definition in alignment.added_checks:
        statement = ddl_constraints.add_constraint(table, name, definition)
        yield _step(table, f"add the CHECK {name} of its parent", statement)
    for name in alignment.inherited:
        yield _step(
            table,
            f"make the NOT NULL constraint {name} inheritable",
            ddl_constraints.inherit_constraint(table, name),
        )
    for name in alignment.unvalidated:
        yield _verify(table, name)
    for each in alignment.not_nulls:
        yield from _not_null_steps(table, each)


def _not_null_steps(table: Relation, wanted: NotNull) -> Iterator[Step]:
    if not wanted.is_added:
        statement = ddl_constraints.add_constraint(
            table, wanted.check, f"CHECK ({quoted(wanted.column)} IS NOT NULL) NOT VALID"
        )
        yield _step(table, f"add a CHECK that {wanted.column} is not null", statement)
    if not wanted.is_validated:
        yield _verify(table, wanted.check)
    yield unhurried(
        table,
        f"{table.name}: set {wanted.column} NOT NULL",
        ddl_constraints.set_not_null(table, wanted.column),
        ddl_constraints.drop_constraint(table, wanted.check),
    )


def _step(table: Relation, what: str, statement: Statement) -> Step:
    return unhurried(table, f"{table.name}: {what}", statement, mode=ACCESS_EXCLUSIVE)


def _verify(table: Relation, name: str) -> Step:
    return unhurried(
        table,
        f"validate {name} on {table.name}",
        ddl_constraints.validate_constraint(table, name),
        mode=SHARE_UPDATE_EXCLUSIVE,
    )


def _not_nulls(differences: Sequence[Difference], own: dict[str, bool]) -> Iterator[NotNull]:
    for each in differences:
        if each.wanted and each.own and each.wanted.is_not_null and not each.own.is_not_null:
            check = f"{NOT_NULL_CHECK}{each.wanted.number}"
            yield NotNull(
                column=each.name,
                check=check,
                is_added=check in own,
                is_validated=own.get(check, False),
            )


def _to_verify(checks: Sequence[_Constraint], nulls: Sequence[_Constraint]) -> Iterator[str]:
    for each in checks:
        if not each.is_verified and (each.is_alike or not each.is_there):
            yield each.name
    yield from (each.name for each in nulls if not each.is_verified)


def _columns(
    connection: BaseDatabaseWrapper, parent: Relation, differences: Sequence[Difference]
) -> Iterator[str]:
    added = [each for each in differences if each.wanted and not each.own]
    if not added:
        return
    with connection.cursor() as cursor:
        cursor.execute(DEFAULTS, [parent.oid])
        defaults = dict(cursor.fetchall())
    for each in added:
        assert each.wanted is not None  # noqa: S101
        if each.wanted.can_be_added:
            yield " ".join(_column(each.name, each, defaults.get(each.name)))


def _column(name: str, difference: Difference, default: str | None) -> Iterator[str]:
    wanted = difference.wanted
    assert wanted is not None  # noqa: S101
    yield f"{quoted(name)} {wanted.typed}"
    if wanted.generated:
        kind = "VIRTUAL" if wanted.generated == "v" else "STORED"
        yield f"GENERATED ALWAYS AS ({default}) {kind}"
    elif default is not None:
        yield f"DEFAULT {default}"
    if wanted.is_not_null:
        yield "NOT NULL"


def _definitions(connection: BaseDatabaseWrapper, wanted: Sequence[_Constraint]) -> dict[str, str]:
    """Return by name the definitions after ADD CONSTRAINT name: new ones are validated later."""
    with connection.cursor() as cursor:
        cursor.execute(DEFINITIONS, [[each.wanted for each in wanted]])
        texts = [text for (text,) in cursor.fetchall()]
    return {
        each.name: _not_valid(text) if each.is_enforced and not each.is_there else text
        for each, text in zip(wanted, texts, strict=True)
    }


def _not_valid(definition: str) -> str:
    return f"{definition.removesuffix(' NOT VALID')} NOT VALID"


_FIELDS = (
    "kind",
    "wanted",
    "name",
    "is_there",
    "is_alike",
    "is_verified",
    "is_not_inherited",
    "is_enforced",
)
