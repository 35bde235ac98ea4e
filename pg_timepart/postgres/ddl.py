"""DDL statements for tables and partitions, composed and never executed. Pure.

Which lock each takes is in the steps that hold it (``create_steps``, ``attach_steps``, ...).
Literals of bounds are text: the server reads them with the type of the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.partitions.table_details import Grant, RowPolicy
from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.search_path import SET_SAFE_PATH


class Statement(Protocol):
    """A composed statement, or a part of one, of either psycopg."""

    def as_string(self, context: Any) -> str:
        """Return the text, quoted for the driver's connection ``context``."""


def named(relation: Relation) -> Statement:
    """Return the schema-qualified, quoted name of the table."""
    return sql.Identifier(relation.schema, relation.name)


def quoted(*names: str) -> str:
    """Return the names as one identifier, for text that is shown or that the server parses."""
    return ".".join('"{}"'.format(each.replace('"', '""')) for each in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock to take explicitly, before the statement that would take it anyway."""

    relation: Relation
    mode: str
    """``SHARE UPDATE EXCLUSIVE`` and its like, as LOCK TABLE spells it."""

    @property
    def statement(self) -> Statement:
        """LOCK TABLE ONLY ..., to be run inside a transaction: partitions below are left alone."""
        return sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(
            named(self.relation), sql.SQL(self.mode)
        )


def create_leaf(
    parent: Relation,
    leaf: Relation,
    *,
    tablespace: str | None,
    storage: Iterable[tuple[str, str]] = (),
) -> Statement:
    """CREATE TABLE ... LIKE: unlike PARTITION OF, it does not wait for queries of the parent.

    EXCLUDING IDENTITY, because 17 and 18 refuse to attach a table with an identity column; rows
    that come through the parent get the parent's identity on every version.
    """
    return sql.Composed(
        [
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING IDENTITY)").format(
                named(leaf), named(parent)
            ),
            _with_storage(storage),
            _in_tablespace(tablespace),
        ]
    )


def comment_on(leaf: Relation, text: str) -> Statement:
    """Set the comment by which a table is recognised as ours."""
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(named(leaf), sql.Literal(text))


def set_owner(leaf: Relation, owner: str) -> Statement:
    """Give the leaf the parent's owner."""
    return sql.SQL("ALTER TABLE {} OWNER TO {}").format(named(leaf), sql.Identifier(owner))


def grant(leaf: Relation, given: Grant) -> Statement:
    """Give one privilege that the parent has given."""
    columns = sql.SQL("({})").format(sql.Identifier(given.column)) if given.column else sql.SQL("")
    return sql.SQL("GRANT {}{} ON {} TO {}{}").format(
        sql.SQL(given.privilege),
        columns,
        named(leaf),
        sql.Identifier(given.grantee) if given.grantee else sql.SQL("PUBLIC"),
        sql.SQL(" WITH GRANT OPTION" if given.is_grantable else ""),
    )


def enable_row_security(leaf: Relation) -> Statement:
    """Switch row security on, as on the parent."""
    return sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(named(leaf))


def force_row_security(leaf: Relation) -> Statement:
    """Force row security for the owner too, as on the parent."""
    return sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(named(leaf))


def create_policy(leaf: Relation, policy: RowPolicy) -> Statement:
    """Repeat one of the parent's row security policies."""
    roles = sql.SQL(", ").join(
        sql.SQL("PUBLIC") if role == "public" else sql.Identifier(role) for role in policy.roles
    )
    using = f" USING ({policy.using})" if policy.using else ""
    check = f" WITH CHECK ({policy.check})" if policy.check else ""
    return sql.SQL("CREATE POLICY {} ON {} AS {} FOR {} TO {}{}{}").format(
        sql.Identifier(policy.name),
        named(leaf),
        sql.SQL(policy.permissive),
        sql.SQL(policy.command),
        roles,
        sql.SQL(using),
        sql.SQL(check),
    )


def set_replica_identity(leaf: Relation, kind: str) -> Statement:
    """Set REPLICA IDENTITY to FULL (f) or NOTHING (n)."""
    word = sql.SQL({"f": "FULL", "n": "NOTHING"}[kind])
    return sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(named(leaf), word)


def follow_replica_index(parent: Relation, leaf: Relation) -> Statement:
    """Set REPLICA IDENTITY to the leaf's part of the parent's index; needs it attached."""
    query = sql.SQL(
        "SELECT pg_catalog.format("
        "'ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', x.indrelid::regclass,"
        " c.relname) FROM pg_catalog.pg_index p"
        " JOIN pg_catalog.pg_inherits i ON i.inhparent = p.indexrelid"
        " JOIN pg_catalog.pg_index x ON x.indexrelid = i.inhrelid"
        " JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid"
        " WHERE p.indrelid = {}::regclass AND p.indisreplident"
        " AND x.indrelid = {}::regclass"
    ).format(as_literal(parent), as_literal(leaf))
    return each_of(query, parent.schema, parent.name, leaf.schema, leaf.name)


def attach(parent: Relation, leaf: Relation, lower: str | None, upper: str | None) -> Statement:
    """Attach with these literals; None is MINVALUE or MAXVALUE."""
    return sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
        named(parent), named(leaf), _side(lower, "MINVALUE"), _side(upper, "MAXVALUE")
    )


def detach(parent: Relation, leaf: Relation) -> Statement:
    """Detach inside a transaction, under ACCESS EXCLUSIVE on the parent."""
    return sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(named(parent), named(leaf))


def detach_concurrently(parent: Relation, leaf: Relation) -> Statement:
    """Detach while queries use the parent; refused inside a transaction block."""
    return sql.Composed([detach(parent, leaf), sql.SQL(" CONCURRENTLY")])


def finalize(parent: Relation, leaf: Relation) -> Statement:
    """Finalize a concurrent detach that was interrupted."""
    return sql.Composed([detach(parent, leaf), sql.SQL(" FINALIZE")])


def set_tablespace(leaf: Relation, tablespace: str) -> Statement:
    """Move the table, without its indexes."""
    return sql.SQL("ALTER TABLE {} SET TABLESPACE {}").format(
        named(leaf), sql.Identifier(tablespace)
    )


def set_index_tablespaces(leaf: Relation, tablespace: str) -> Statement:
    """Move those indexes of the leaf that live elsewhere."""
    query = sql.SQL(
        "SELECT pg_catalog.format('ALTER INDEX %s SET TABLESPACE %I', c.oid::regclass, {})"
        " FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
        " CROSS JOIN (SELECT dattablespace AS home FROM pg_catalog.pg_database"
        " WHERE datname = pg_catalog.current_database()) d"
        " JOIN pg_catalog.pg_tablespace s ON s.oid = COALESCE(NULLIF(c.reltablespace, 0), d.home)"
        " WHERE i.indrelid = {}::regclass AND s.spcname <> {}"
    ).format(sql.Literal(tablespace), as_literal(leaf), sql.Literal(tablespace))
    return each_of(query, leaf.schema, leaf.name, tablespace)


def has_rows(leaf: Relation) -> Statement:
    """Query whether a table holds any row; the only one here that is not DDL."""
    return sql.SQL("SELECT EXISTS (SELECT FROM ONLY {})").format(named(leaf))


def truncate(leaf: Relation) -> Statement:
    """Empty one partition."""
    return sql.SQL("TRUNCATE TABLE ONLY {}").format(named(leaf))


def drop_table(leaf: Relation) -> Statement:
    """Drop a detached table; refused by the server while a view or a foreign key needs it."""
    return sql.SQL("DROP TABLE {}").format(named(leaf))


def each_of(query: Statement, *names: str) -> Statement:
    """Return a DO block that runs each statement which the query returns.

    ``names`` are those in the query. It is parsed by a safe path; the statements, and whatever
    event triggers they fire, run by the connection's own.
    """
    quote = sql.SQL(dollar_quote(*names))
    return sql.SQL(
        "DO {} DECLARE path pg_catalog.text := pg_catalog.current_setting('search_path');"
        " statement pg_catalog.text; BEGIN {}; FOR statement IN {} LOOP"
        " PERFORM pg_catalog.set_config('search_path', path, true); EXECUTE statement; END LOOP;"
        " PERFORM pg_catalog.set_config('search_path', path, true); END {}"
    ).format(quote, sql.SQL(SET_SAFE_PATH), query, quote)


def _side(literal: str | None, unbounded: str) -> Statement:
    return sql.SQL(unbounded) if literal is None else sql.Literal(literal)


def _with_storage(storage: Iterable[tuple[str, str]]) -> Statement:
    options = [
        sql.SQL("{} = {}").format(
            sql.SQL(".").join(map(sql.Identifier, name.split("."))), sql.Literal(value)
        )
        for name, value in storage
    ]
    return sql.SQL(" WITH ({})").format(sql.SQL(", ").join(options)) if options else sql.SQL("")


def _in_tablespace(tablespace: str | None) -> Statement:
    if not tablespace:
        return sql.SQL("")
    return sql.SQL(" TABLESPACE {}").format(sql.Identifier(tablespace))


def dollar_quote(*names: str) -> str:
    """Return a dollar quote that none of these names in the body can end."""
    tag = "pg_timepart"
    while any(f"${tag}$" in name for name in names):
        tag += "_"
    return f"${tag}$"


def as_literal(relation: Relation) -> Statement:
    """Return the quoted name as a string literal, for a cast to regclass."""
    return sql.Literal(quoted(relation.schema, relation.name))
