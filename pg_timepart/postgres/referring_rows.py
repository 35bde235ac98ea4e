"""Referring rows: rows of other tables that refer to rows of one partition, which keep it attached.

DETACH searches each referring table for such rows, and is refused while there are any. It searches
under a lock that stops that table's writers. So the same is asked before, under ACCESS SHARE alone:
whether there are such rows, and whether the server's own search fits into the lock budget.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.addresses import qualified
from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.tables import Parent, Relation
from pg_timepart.postgres.ddl import Statement, named, quoted
from pg_timepart.postgres.ddl_constraints import bounds_conditions
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.foreign_key_columns import (
    ForeignKeyColumns,
    equal,
    foreign_keys_to,
    not_null,
)
from pg_timepart.postgres.limited_queries import fetch_within
from pg_timepart.postgres.search_path import fetch_all
from pg_timepart.postgres.sqlstate import LOCK_NOT_OBTAINED, sqlstate

MOST = 1_000
"""Up to how many rows of one referring table are counted."""

COUNT_MS = 1_000
"""How long the rows of one referring table are counted."""

SLOWEST = 10
"""How many lock budgets long the server's search is tried, to tell how long it takes."""

TRIES = 3
"""How often the server's search is tried before it counts as too slow."""

# The server searches with the rights of our role. Row security would hide rows from it, and the
# partition would be detached from under them.
TABLES = """
SELECT c.oid::int8, c.relkind = 'p', pg_catalog.row_security_active(c.oid), current_user::text,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint k, unnest(k.conkey) AS u(own)
           WHERE k.oid = ANY(%(keys)s::oid[]) AND k.conrelid = c.oid
           AND NOT pg_catalog.has_column_privilege(c.oid, u.own, 'SELECT')) AS may_be_read
FROM pg_catalog.pg_class c WHERE c.oid = ANY(%(oids)s::oid[])
"""

# As the server sets them for its own search, which is never parallel.
AS_THE_SERVER = """
SELECT pg_catalog.set_config('work_mem', pg_catalog.current_setting('maintenance_work_mem'), true),
       pg_catalog.set_config('hash_mem_multiplier', '1', true),
       pg_catalog.set_config('max_parallel_workers_per_gather', '0', true)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A referring table, as our role sees it."""

    is_partitioned: bool
    hides_rows: bool
    role: str
    may_be_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """One search for the rows that refer to a leaf."""

    connection: BaseDatabaseWrapper
    parent: Parent
    leaf: Relation
    sides: BoundLiterals
    budget_ms: int


def what_refers(
    connection: BaseDatabaseWrapper,
    parent: Parent,
    leaf: Relation,
    sides: BoundLiterals,
    budget_ms: int,
) -> str:
    """Return which tables keep the attached ``leaf`` from being detached, and what would help.

    Empty where none does. Reads the referring tables, each for no longer than ``COUNT_MS``, and
    takes no lock but ACCESS SHARE. ``sides`` are the leaf's bounds, ``budget_ms`` is how long the
    server may search under its lock.
    """
    search = _Search(
        connection=connection, parent=parent, leaf=leaf, sides=sides, budget_ms=budget_ms
    )
    keys = foreign_keys_to(connection, parent)
    tables = _tables(connection, keys)
    said = [*_rows(search, keys, tables)] or [*_slow(search, keys, tables)]
    return " ".join(said)


def _tables(
    connection: BaseDatabaseWrapper, keys: Sequence[ForeignKeyColumns]
) -> dict[int, _Table]:
    if not keys:
        return {}
    values = {"oids": [each.table.oid for each in keys], "keys": [each.oid for each in keys]}
    return {
        oid: _Table(
            is_partitioned=is_partitioned, hides_rows=hides, role=role, may_be_read=may_be_read
        )
        for oid, is_partitioned, hides, role, may_be_read in fetch_all(connection, TABLES, values)
    }


def _rows(
    search: _Search, keys: Iterable[ForeignKeyColumns], tables: dict[int, _Table]
) -> Iterator[str]:
    """Yield a sentence for each foreign key of which rows refer to the leaf, or may do so."""
    for key in keys:
        table, name = tables.get(key.table.oid), qualified(key.table)
        if table is None:  # dropped meanwhile
            continue
        if not table.may_be_read:
            yield (
                f"The role {table.role} may not read {name}, which refers to it: GRANT SELECT ON"
                f" {quoted(key.table.schema, key.table.name)} TO {quoted(table.role)}."
            )
        elif table.hides_rows:
            yield (
                f"Row security may hide rows of {name}, which refers to it, from the role"
                f" {table.role}, also from the server's own search: let it maintain as the owner of"
                f" {name}, or with a policy that shows all rows."
            )
        else:
            said = _counted(search, key, table)
            if said:
                yield said


def _counted(search: _Search, key: ForeignKeyColumns, table: _Table) -> str:
    name = qualified(key.table)
    try:
        (found, referred), *_ = fetch_within(
            search.connection, as_text(_count(search, key, table), search.connection), COUNT_MS
        )
    except OperationalError as error:
        if sqlstate(error) not in LOCK_NOT_OBTAINED:
            raise
        return (
            f"Whether rows of {name} refer to it could not be told within {COUNT_MS / 1000:g} s:"
            f" an index of {name} that begins with {_key_column(search, key)} would help."
        )
    if not found:
        return ""
    if found > MOST:
        return f"More than {MOST:,} rows of {name} refer to it by {key.names}."
    whose = " (rows of the partition itself count)" if key.table.oid == search.parent.oid else ""
    return f"{name} refers to {referred:,} of its rows by {key.names}{whose}."


def _slow(
    search: _Search, keys: Iterable[ForeignKeyColumns], tables: dict[int, _Table]
) -> Iterator[str]:
    """Yield a sentence where the server's search of all tables takes longer than the budget."""
    took_ms = 0.0
    for key in keys:
        table = tables.get(key.table.oid)
        if table is None:
            continue
        query = as_text(_as_the_server(search, key, table), search.connection)
        took_ms += _shortest_ms(search, query, search.budget_ms - took_ms)
        if took_ms > search.budget_ms:
            yield _too_slow(search, key, min(took_ms, SLOWEST * search.budget_ms))
            return


def _shortest_ms(search: _Search, query: str, enough_ms: float) -> float:
    """Return how long the query takes, at most ``SLOWEST`` lock budgets; once more if not enough.

    The shortest of ``TRIES`` counts: on a busy machine the first can take long for no reason of its
    own.
    """
    limit_ms = SLOWEST * search.budget_ms
    shortest_ms = float(limit_ms)
    for _ in range(TRIES):
        begun = time.monotonic()
        try:
            fetch_within(search.connection, query, limit_ms, setup=AS_THE_SERVER)
        except OperationalError as error:
            if sqlstate(error) not in LOCK_NOT_OBTAINED:
                raise
            break
        shortest_ms = min(shortest_ms, (time.monotonic() - begun) * 1000)
        if shortest_ms <= enough_ms:
            break
    return shortest_ms


def _too_slow(search: _Search, key: ForeignKeyColumns, took_ms: float) -> str:
    name = qualified(key.table)
    at_least = "more than " if took_ms >= SLOWEST * search.budget_ms else ""
    return (
        f"No row of {name} refers to it, but for that the server searches both tables while the"
        f" writers of {name} wait, which took {at_least}{took_ms:.0f} ms without them: longer than"
        f" LOCK_BUDGET_MS ({search.budget_ms}). What helps is an index of {name} that begins with"
        f" {_key_column(search, key)}, shorter partitions, or a larger LOCK_BUDGET_MS."
    )


def _key_column(search: _Search, key: ForeignKeyColumns) -> str:
    """Return the referring column that has the partition key's values."""
    return next((each.own for each in key.columns if each.other == search.parent.key), key.names)


def _count(search: _Search, key: ForeignKeyColumns, table: _Table) -> Statement:
    """Count referring rows up to a limit, and the rows that they refer to.

    The bounds are asked of the referring column, so that its index is enough.
    """
    own = sql.SQL(", ").join(sql.Identifier("r", each.own) for each in key.columns)
    query: Statement = sql.SQL(
        "SELECT pg_catalog.count(*), pg_catalog.count(DISTINCT ROW({found})) FROM ("
        "SELECT {own} FROM {table} r WHERE {present} AND EXISTS ("
        "SELECT FROM ONLY {leaf} p WHERE {equal}) LIMIT {most}) f"
    ).format(
        found=sql.SQL(", ").join(sql.Identifier("f", each.own) for each in key.columns),
        own=own,
        table=_from(key, table),
        present=sql.SQL(" AND ").join(
            [
                not_null("r", key.columns),
                *_within(search, "r", _key_column(search, key)),
            ]
        ),
        leaf=named(search.leaf),
        equal=equal("p", "r", key.columns),
        most=sql.SQL(str(MOST + 1)),
    )
    return query


def _as_the_server(search: _Search, key: ForeignKeyColumns, table: _Table) -> Statement:
    """Search as DETACH does: both tables joined, and the bounds asked of the partition's key."""
    query: Statement = sql.SQL(
        "SELECT pg_catalog.count(*) FROM {table} r JOIN {leaf} p ON {equal} WHERE {within}"
    ).format(
        table=_from(key, table),
        leaf=named(search.leaf),
        equal=equal("p", "r", key.columns),
        within=sql.SQL(" AND ").join(
            [
                not_null("r", key.columns),
                *_within(search, "p", search.parent.key or ""),
            ]
        ),
    )
    return query


def _from(key: ForeignKeyColumns, table: _Table) -> Statement:
    only = "" if table.is_partitioned else "ONLY "
    source: Statement = sql.SQL("{}{}").format(sql.SQL(only), named(key.table))
    return source


def _within(search: _Search, alias: str, column: str) -> list[Statement]:
    parent = search.parent
    if parent.key_type is None:
        return []
    return bounds_conditions(
        sql.Identifier(alias, column), search.sides.lower, search.sides.upper, parent.key_type
    )
