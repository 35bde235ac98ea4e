"""The finer parts of one table, read when something is about to be done to it.

Separate from ``catalog`` because a pass that finds nothing to do needs none of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import Conflict
from pg_timepart.partitions.tables import (
    ForeignKey,
    Grant,
    Leaf,
    LeafCheck,
    Parent,
    Partition,
    Relation,
    RowPolicy,
    RowSecurity,
    Template,
)
from pg_timepart.postgres.action_steps import EXCLUSION_PATTERN
from pg_timepart.postgres.check_constraints import BOUNDS_DEFINITION, excludes
from pg_timepart.postgres.search_path import fetch_one
from pg_timepart.postgres.steps import Sides

# Everything about the parent that LIKE does not copy, as one JSON object, but for its policies.
# Foreign keys count once, by the constraint on the parent itself.
TEMPLATE = """
SELECT json_build_object(
  'owner', r.rolname,
  'is_owned_by_us', r.rolname = current_user,
  'has_row_security', p.relrowsecurity,
  'forces_row_security', p.relforcerowsecurity,
  'replica_identity', p.relreplident,
  'referenced', (
      SELECT json_agg(DISTINCT jsonb_build_object('oid', f.oid::bigint, 'schema', fn.nspname,
                                                  'name', f.relname))
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
      JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
      WHERE k.conrelid = p.oid AND k.contype = 'f' AND k.confrelid <> p.oid),
  'grants', (
      SELECT json_agg(json_build_object('privilege', g.privilege_type, 'grantee', role.rolname,
                                        'is_grantable', g.is_grantable, 'column', g.attname))
      FROM (SELECT x.privilege_type, x.grantee, x.is_grantable, NULL::name AS attname
            FROM pg_catalog.aclexplode(p.relacl) x
            UNION ALL
            SELECT x.privilege_type, x.grantee, x.is_grantable, a.attname
            FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x
            WHERE a.attrelid = p.oid AND NOT a.attisdropped) g
      LEFT JOIN pg_catalog.pg_roles role ON role.oid = g.grantee
      WHERE g.grantee <> p.relowner),
  'has_policies', EXISTS (SELECT FROM pg_catalog.pg_policy y WHERE y.polrelid = p.oid),
  'storage', (SELECT array_cat(c.reloptions, (
                  SELECT array_agg('toast.' || o) FROM unnest(t.reloptions) o))
              FROM pg_catalog.pg_class c
              LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
              WHERE c.oid = %(newest)s),
  'has_stray_indexes', EXISTS (
      SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      WHERE i.indrelid = p.oid AND c.reltablespace <> 0),
  'has_exclusions', EXISTS (
      SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = p.oid AND i.indisexclusion),
  'default_pages', COALESCE((
      SELECT GREATEST(relpages, pg_catalog.pg_stat_get_live_tuples(oid) / 100)
      FROM pg_catalog.pg_class WHERE oid = %(default)s), 0),
  'default_checks', (
      SELECT json_agg(x.conname) FROM pg_catalog.pg_constraint x
      WHERE x.conrelid = %(default)s AND {EXCLUDES}),
  'others_checks', (
      SELECT json_agg(x.conname) FROM pg_catalog.pg_constraint x
      WHERE x.conrelid = %(default)s AND x.conname LIKE %(excluding)s AND NOT ({EXCLUDES}))
)::text
FROM pg_catalog.pg_class p
JOIN pg_catalog.pg_roles r ON r.oid = p.relowner
WHERE p.oid = %(parent)s
""".replace("{EXCLUDES}", excludes("%(key)s"))

# Expressions that will be statements, or parts of some, are deparsed by the connection's own path,
# because that is what these statements run by: then they say pg_catalog where it must be said.
POLICIES = """
SELECT policyname, permissive, roles::pg_catalog.text[], cmd, qual, with_check
FROM pg_catalog.pg_policies
WHERE schemaname OPERATOR(pg_catalog.=) %s AND tablename OPERATOR(pg_catalog.=) %s
ORDER BY policyname
"""
DEFINITIONS = """
SELECT pg_catalog.pg_get_constraintdef(w.constraint_oid), pg_catalog.pg_get_indexdef(w.index_oid)
FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.oid[]), pg_catalog.unnest(%s::pg_catalog.oid[]))
    WITH ORDINALITY AS w(constraint_oid, index_oid, number)
ORDER BY w.number
"""

# Whether a foreign key is what another one of the same table has for a partition of its target.
FOR_A_PARTITION = """EXISTS (
        SELECT FROM pg_catalog.pg_constraint whole
        WHERE whole.oid = k.conparentid AND whole.conrelid = k.conrelid)"""

# A detached leaf beside its parent. Definitions of indexes are compared without their names: what
# follows " USING " in pg_get_indexdef(), whose beginning is rebuilt with the same quoting (%I).
# The expected CHECK is spelled as the server deparses what DETACH CONCURRENTLY leaves behind.
LEAF = """
WITH described AS (
    SELECT i.indrelid, i.indexrelid, i.indisunique, i.indisvalid, i.indisexclusion,
           k.conname, k.oid AS constraint_oid,
           pg_catalog.pg_get_constraintdef(k.oid) AS constraint_def,
           pg_catalog.pg_get_indexdef(i.indexrelid) AS index_def, length(
               format('CREATE %%sINDEX %%I ON %%s%%I.%%I ',
                      CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
                      CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END, n.nspname, t.relname
               )) AS named_by
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    LEFT JOIN pg_catalog.pg_constraint k
        ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE i.indrelid IN (%(leaf)s, %(parent)s)
), indexes AS (
    SELECT *, substr(index_def, 1 + named_by) AS body FROM described
), foreign_keys AS (
    SELECT k.conrelid, k.conname, k.convalidated,
           replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', '') AS def,
           json_build_object('oid', f.oid::bigint, 'schema', n.nspname, 'name', f.relname) AS target
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
    WHERE k.contype = 'f' AND k.conrelid IN (%(leaf)s, %(parent)s) AND NOT {FOR_A_PARTITION}
)
SELECT json_build_object(
  'checks', (
      SELECT json_agg(json_build_object('name', conname, 'is_validated', convalidated))
      FROM pg_catalog.pg_constraint
      WHERE conrelid = %(leaf)s AND contype = 'c' AND coninhcount = 0
      AND replace(pg_catalog.pg_get_constraintdef(oid), ' NOT VALID', '')
          = (SELECT {BOUNDS_DEFINITION} FROM (VALUES (
              %(key)s::text, %(lower)s::{type}::text, %(upper)s::{type}::text, %(type)s::text
          )) AS wanted(key, lower, upper, type))),
  'constraints', (
      SELECT json_agg(conname) FROM pg_catalog.pg_constraint WHERE conrelid = %(leaf)s),
  'foreign_keys', (
      SELECT json_agg(json_build_array(conname, target) ORDER BY conname)
      FROM foreign_keys WHERE conrelid = %(leaf)s),
  'unvalidated', (
      SELECT json_agg(l.conname ORDER BY l.conname)
      FROM foreign_keys l WHERE l.conrelid = %(leaf)s AND NOT l.convalidated AND EXISTS (
          SELECT FROM foreign_keys p
          WHERE p.conrelid = %(parent)s AND p.def = l.def AND p.convalidated)),
  'missing_foreign_keys', (
      SELECT json_agg(json_build_object('name', p.conname, 'definition', p.def,
                                        'target', p.target, 'is_validated', p.convalidated)
                      ORDER BY p.conname)
      FROM foreign_keys p WHERE p.conrelid = %(parent)s AND NOT EXISTS (
          SELECT FROM foreign_keys l WHERE l.conrelid = %(leaf)s AND l.def = p.def)),
  'missing', (
      SELECT json_agg(json_build_object(
                 'constraint', p.constraint_oid::bigint, 'index', p.indexrelid::bigint,
                 'is_unique', p.indisunique, 'named_by', p.named_by) ORDER BY p.indexrelid)
      FROM indexes p WHERE p.indrelid = %(parent)s AND NOT p.indisexclusion AND NOT EXISTS (
          SELECT FROM indexes l
          WHERE l.indrelid = %(leaf)s AND l.indisvalid AND l.indisunique = p.indisunique
          AND l.body = p.body
          AND l.constraint_def IS NOT DISTINCT FROM p.constraint_def)),
  'exclusions', (
      SELECT json_agg(l.conname ORDER BY l.conname)
      FROM indexes l WHERE l.indrelid = %(leaf)s AND l.indisexclusion AND EXISTS (
          SELECT FROM indexes p
          WHERE p.indrelid = %(parent)s AND p.constraint_def = l.constraint_def)),
  'row_security', (
      SELECT json_build_object('is_enabled', relrowsecurity, 'is_forced', relforcerowsecurity)
      FROM pg_catalog.pg_class WHERE oid = %(leaf)s),
  'policies', (SELECT json_agg(polname) FROM pg_catalog.pg_policy WHERE polrelid = %(leaf)s)
)::text
"""


def read_template(
    connection: BaseDatabaseWrapper, parent: Parent, newest: Partition | None = None
) -> Template:
    """Return what a new partition of ``parent`` must get beside what LIKE copies.

    Storage parameters come from ``newest``, a partition, because a parent cannot have any. Raises
    Conflict where the table was dropped since it was read.
    """
    default = parent.default
    found = _one_json(
        connection,
        TEMPLATE,
        {
            "parent": parent.oid,
            "newest": newest.oid if newest else 0,
            "default": default.oid if default else 0,
            "excluding": EXCLUSION_PATTERN,
            "key": parent.key,
        },
    )
    if found is None:
        raise Conflict(f"{parent.name} does not exist any more.")
    return Template(
        owner=found["owner"],
        is_owned_by_us=found["is_owned_by_us"],
        referenced=_in_lock_order(found["referenced"]),
        grants=tuple(Grant(**each) for each in found["grants"] or ()),
        has_row_security=found["has_row_security"],
        forces_row_security=found["forces_row_security"],
        policies=_read_policies(connection, parent) if found["has_policies"] else (),
        replica_identity=found["replica_identity"],
        storage=tuple(_option(each) for each in found["storage"] or ()),
        has_stray_indexes=found["has_stray_indexes"],
        has_exclusions=found["has_exclusions"],
        default_pages=found["default_pages"],
        default_checks=tuple(found["default_checks"] or ()),
        others_checks=tuple(found["others_checks"] or ()),
    )


def read_leaf(
    connection: BaseDatabaseWrapper, parent: Parent, leaf: Relation, sides: Sides
) -> Leaf:
    """Return how the detached ``leaf`` differs from what ``parent`` demands of a partition.

    ``sides`` are the literals of the bounds that it shall have.
    """
    if parent.kind is None:
        raise ValueError(f"{parent.name} is not partitioned by range")
    sql_type = parent.kind.sql_type
    found = _one_json(
        connection,
        LEAF.replace("{type}", sql_type)
        .replace("{FOR_A_PARTITION}", FOR_A_PARTITION)
        .replace("{BOUNDS_DEFINITION}", BOUNDS_DEFINITION),
        {
            "parent": parent.oid,
            "leaf": leaf.oid,
            "key": parent.key,
            "lower": sides.lower,
            "upper": sides.upper,
            "type": sql_type,
        },
    )
    return Leaf(
        relation=leaf,
        bounds_checks=tuple(LeafCheck(**each) for each in found["checks"] or ()),
        constraints=frozenset(found["constraints"] or ()),
        foreign_keys=_with_targets(found["foreign_keys"]),
        unvalidated=tuple(found["unvalidated"] or ()),
        missing=_definitions(connection, found["missing"] or ()),
        exclusions=tuple(found["exclusions"] or ()),
        missing_foreign_keys=tuple(
            ForeignKey(**{**each, "target": Relation(**each["target"])})
            for each in found["missing_foreign_keys"] or ()
        ),
        row_security=RowSecurity(
            **found["row_security"] or {}, policies=frozenset(found["policies"] or ())
        ),
    )


def read_foreign_keys(
    connection: BaseDatabaseWrapper, leaf: Relation
) -> tuple[tuple[str, Relation], ...]:
    """Return name and referenced table of each foreign key that a detached table still has."""
    query = """
        SELECT json_agg(json_build_array(k.conname, json_build_object(
                   'oid', f.oid::bigint, 'schema', n.nspname, 'name', f.relname))
               ORDER BY k.conname)::text
        FROM pg_catalog.pg_constraint k
        JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
        WHERE k.contype = 'f' AND k.conrelid = %(leaf)s AND NOT {FOR_A_PARTITION}
    """.replace("{FOR_A_PARTITION}", FOR_A_PARTITION)
    return _with_targets(_one_json(connection, query, {"leaf": leaf.oid}))


def _read_policies(connection: BaseDatabaseWrapper, parent: Relation) -> tuple[RowPolicy, ...]:
    with connection.cursor() as cursor:
        cursor.execute(POLICIES, [parent.schema, parent.name])
        return tuple(
            RowPolicy(
                name=name,
                permissive=permissive,
                roles=tuple(roles),
                command=command,
                using=using,
                check=check,
            )
            for name, permissive, roles, command, using, check in cursor.fetchall()
        )


def _definitions(
    connection: BaseDatabaseWrapper, missing: Sequence[dict[str, Any]]
) -> tuple[str, ...]:
    """Return each index or key as ``Leaf.missing`` has it."""
    if not missing:
        return ()
    with connection.cursor() as cursor:
        oids = ([each[kind] for each in missing] for kind in ("constraint", "index"))
        cursor.execute(DEFINITIONS, [*oids])
        found = cursor.fetchall()
    return tuple(
        f"ADD {constraint}"
        if constraint
        else ("UNIQUE " if each["is_unique"] else "") + index[each["named_by"] :]
        for each, (constraint, index) in zip(missing, found, strict=True)
    )


def _one_json(connection: BaseDatabaseWrapper, query: str, values: dict[str, Any]) -> Any:
    row = fetch_one(connection, query, values)
    return None if row is None or row[0] is None else json.loads(row[0])


def _in_lock_order(found: list[dict[str, Any]] | None) -> tuple[Relation, ...]:
    return tuple(sorted((Relation(**each) for each in found or ()), key=lambda each: each.oid))


def _with_targets(found: list[list[Any]] | None) -> tuple[tuple[str, Relation], ...]:
    return tuple((text, Relation(**target)) for text, target in found or ())


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value
