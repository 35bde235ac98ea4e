"""SQL of ``table_details``: what one table has that a new or returning partition must have too."""

from __future__ import annotations

from pg_timepart.postgres.check_constraints import BOUNDS_DEFINITION, excludes

# Everything about the parent that LIKE does not copy, as one JSON object, but for its policies.
# Foreign keys count once, by the constraint on the parent itself. Of a partitioned table that
# refers to it, ATTACH and DETACH lock the root alone.
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
  'referring', (
      SELECT json_agg(DISTINCT jsonb_build_object(
                 'oid', f.oid::bigint, 'schema', fn.nspname, 'name', f.relname, 'may_be_locked',
                 pg_catalog.has_table_privilege(f.oid, 'UPDATE, DELETE, TRUNCATE')))
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class f ON f.oid = k.conrelid
      JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
      WHERE k.confrelid = p.oid AND k.contype = 'f' AND k.conparentid = 0),
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

VALIDATED_CHECKS = """
SELECT pg_catalog.pg_get_constraintdef(oid), quote_ident(%(key)s::text)
FROM pg_catalog.pg_constraint
WHERE conrelid = %(leaf)s AND contype = 'c' AND convalidated
ORDER BY conname
"""

# Whether a foreign key is what another one of the same table has for a partition of its target.
FOR_A_PARTITION = """EXISTS (
        SELECT FROM pg_catalog.pg_constraint whole
        WHERE whole.oid = k.conparentid AND whole.conrelid = k.conrelid)"""

FOREIGN_KEYS = """
SELECT json_agg(json_build_array(k.conname, json_build_object(
           'oid', f.oid::bigint, 'schema', n.nspname, 'name', f.relname))
       ORDER BY k.conname)::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
WHERE k.contype = 'f' AND k.conrelid = %(leaf)s AND NOT {FOR_A_PARTITION}
""".replace("{FOR_A_PARTITION}", FOR_A_PARTITION)

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
""".replace("{FOR_A_PARTITION}", FOR_A_PARTITION).replace("{BOUNDS_DEFINITION}", BOUNDS_DEFINITION)
