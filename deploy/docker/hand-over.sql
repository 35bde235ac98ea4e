-- For a volume of an earlier compose file, in which "timepart" is the superuser: that one becomes
-- "postgres", and all that it owns goes over to a new "timepart" that is no superuser. Run by psql as
-- the superuser, in a single transaction, while nothing else is connected: see docs/deployment.md.

-- A session cannot rename its own role.
CREATE ROLE hand_over SUPERUSER;
SET SESSION AUTHORIZATION hand_over;
ALTER ROLE timepart RENAME TO postgres;
RESET SESSION AUTHORIZATION;
DROP ROLE hand_over;

\ir initdb/10-role.sql
GRANT CREATE ON TABLESPACE archive TO timepart;

-- REASSIGN OWNED refuses the superuser that the cluster was made with. A sequence of a column goes
-- with its table, and what belongs to an extension stays.
SELECT format('ALTER %s %s OWNER TO timepart', kind, name)
FROM (
    SELECT 'SCHEMA', quote_ident(nspname), oid, 'pg_namespace'::regclass, nspowner, oid
    FROM pg_namespace WHERE nspname <> 'public'
    UNION ALL
    SELECT 'TABLE', oid::regclass::text, oid, 'pg_class'::regclass, relowner, relnamespace
    FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') OR relkind = 'S' AND NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype IN ('a', 'i')
    )
    UNION ALL
    SELECT 'ROUTINE', oid::regprocedure::text, oid, 'pg_proc'::regclass, proowner, pronamespace
    FROM pg_proc
    UNION ALL
    SELECT 'TYPE', t.oid::regtype::text, t.oid, 'pg_type'::regclass, typowner, typnamespace
    FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
    WHERE typtype IN ('d', 'e', 'r') OR c.relkind = 'c'
) AS owned (kind, name, oid, catalog, owner, schema)
JOIN pg_namespace n ON n.oid = schema
WHERE owner = 'postgres'::regrole
AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\_%'
AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = catalog AND objid = owned.oid AND deptype = 'e'
)
ORDER BY kind
\gexec
