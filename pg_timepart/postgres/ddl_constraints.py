"""DDL statements for columns and constraints, composed and never executed. Pure."""

from __future__ import annotations

from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import Statement, as_literal, each_of, named

TYPES_OF_THE_GRAMMAR = {"bigint", "integer", "numeric", "smallint"}
"""Types whose names, as ``format_type`` prints them, are keywords: no schema can be before them."""


def add_bounds_check(
    table: Relation, name: str, key: str, lower: str | None, upper: str | None, key_type: str
) -> Statement:
    """Add the bounds CHECK, not validated, by which ATTACH skips its scan.

    The literals are cast: the server does not use bounds of another type than the key's.
    """
    column = sql.Identifier(key)
    parts = [
        sql.SQL("{} IS NOT NULL").format(column),
        *bounds_conditions(column, lower, upper, key_type),
    ]
    return _not_valid_check(table, name, sql.SQL(" AND ").join(parts))


def bounds_conditions(
    column: Statement, lower: str | None, upper: str | None, key_type: str
) -> list[Statement]:
    """Return the conditions that the column's value is within the bounds."""
    parts = []
    if lower is not None:
        parts.append(_compared(column, ">=", _typed(lower, key_type)))
    if upper is not None:
        parts.append(_compared(column, "<", _typed(upper, key_type)))
    return parts


def add_exclusion_check(
    table: Relation, name: str, key: str, lower: str, upper: str, key_type: str
) -> Statement:
    """Add the exclusion CHECK, not validated: a default partition holds no row of a range."""
    column = sql.Identifier(key)
    outside = (
        _compared(column, "<", _typed(lower, key_type)),
        _compared(column, ">=", _typed(upper, key_type)),
    )
    return _not_valid_check(table, name, sql.SQL(" OR ").join(outside))


def validate_constraint(table: Relation, name: str) -> Statement:
    """Validate a constraint by a scan of the table, during which reads and writes continue."""
    return sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(
        named(table), sql.Identifier(name)
    )


def drop_constraint(table: Relation, name: str) -> Statement:
    """Drop a constraint of any kind."""
    return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(named(table), sql.Identifier(name))


def add_column(table: Relation, definition: str) -> Statement:
    """Add a column; ``definition`` is its quoted name and what follows."""
    return sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(named(table), sql.SQL(definition))


def add_constraint(table: Relation, name: str, definition: str) -> Statement:
    """Add a constraint of this name."""
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
        named(table), sql.Identifier(name), sql.SQL(definition)
    )


def replace_constraint(table: Relation, name: str, definition: str) -> Statement:
    """Give the constraint of this name another definition, which scans the table."""
    return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}, ADD CONSTRAINT {} {}").format(
        named(table), sql.Identifier(name), sql.Identifier(name), sql.SQL(definition)
    )


def inherit_constraint(table: Relation, name: str) -> Statement:
    """Make a NO INHERIT NOT NULL constraint inheritable; server version 18 and later."""
    return sql.SQL("ALTER TABLE {} ALTER CONSTRAINT {} INHERIT").format(
        named(table), sql.Identifier(name)
    )


def set_not_null(table: Relation, column: str) -> Statement:
    """Set NOT NULL; a validated CHECK of the same lets the server skip the scan."""
    return sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL").format(
        named(table), sql.Identifier(column)
    )


def add_missing(leaf: Relation, definition: str) -> Statement:
    """Build on the leaf an index or key that only the parent has; see ``Leaf.missing``."""
    if definition.startswith("ADD "):
        return sql.SQL("ALTER TABLE {} {}").format(named(leaf), sql.SQL(definition))
    unique = "UNIQUE " if definition.startswith("UNIQUE ") else ""
    body = definition.removeprefix(unique)
    return sql.SQL("CREATE {}INDEX ON {} {}").format(sql.SQL(unique), named(leaf), sql.SQL(body))


def add_foreign_key(leaf: Relation, name: str, definition: str) -> Statement:
    """Add a foreign key without checking the rows that are there."""
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID").format(
        named(leaf), sql.Identifier(name), sql.SQL(definition)
    )


def drop_exclusions(leaf: Relation) -> Statement:
    """Drop exclusion constraints that LIKE made, because ATTACH builds its own beside them.

    Also those of WITHOUT OVERLAPS. The server has chosen their names.
    """
    query = sql.SQL(
        "SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass,"
        " k.conname) FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid"
        " WHERE i.indrelid = {}::regclass AND i.indisexclusion"
    ).format(as_literal(leaf))
    return each_of(query, leaf.schema, leaf.name)


def _not_valid_check(table: Relation, name: str, condition: Statement) -> Statement:
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({}) NOT VALID").format(
        named(table), sql.Identifier(name), condition
    )


def _compared(column: Statement, operator: str, literal: Statement) -> Statement:
    """Compare by an operator of pg_catalog, also where search_path finds another one first."""
    return sql.SQL("{} OPERATOR(pg_catalog.{}) {}").format(column, sql.SQL(operator), literal)


def _typed(literal: str, key_type: str) -> Statement:
    """Return a literal with its type; what is a word of the grammar is no name to be searched."""
    is_word = " " in key_type or key_type in TYPES_OF_THE_GRAMMAR
    cast = key_type if is_word else f"pg_catalog.{key_type}"
    return sql.SQL("{}::{}").format(sql.Literal(literal), sql.SQL(cast))
