"""Functions, operators and types of the server, made again in a schema that is searched first.

Each says in the server's log that it was found, and by which statement, and then does what the
server's own does. The log keeps that also where the statement is rolled back.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.db.backends import utils

import pg_timepart
from tests.faults.own_server import OwnServer
from tests.support.scenarios import execute

PACKAGE = Path(pg_timepart.__file__).parent

NOT_OURS = "/* not ours */ "
"""Begins what Django's own code, or a test's, has executed: the model layer is as open as we were,
and only a search_path without such a schema helps it."""

MARK = "TRAP "

MAKE = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.noted(what pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $body$ BEGIN
    IF NOT pg_catalog.starts_with(pg_catalog.current_query(), '{not_ours}') THEN
        RAISE LOG '{mark}% by %', what,
            pg_catalog.regexp_replace(pg_catalog.current_query(), '\\s+', ' ', 'g');
    END IF;
    RETURN true;
END $body$;

-- Nobody's code but that of the traps may be found while they are made.
SET search_path = pg_catalog;
DO $do$
DECLARE
    found record;
    names text[] := {names};
    skipped name[] := '{}';
    kind text;
    head text := 'BEGIN PERFORM evil.noted(%L); ';
BEGIN
    -- The server's own, and pairs of types that it has no operator of its own for.
    FOR found IN
        SELECT 'op_' || oid AS called, oprname AS name, oprresult::regtype::text AS result,
               oprleft::regtype::text AS l, oprright::regtype::text AS r
        FROM pg_operator WHERE oprleft <> 0
        UNION ALL VALUES ('op_a', '=', 'boolean', 'oid', 'integer'),
            ('op_b', '=', 'boolean', 'oid', 'regclass'), ('op_c', '~~', 'boolean', 'name', 'name'),
            ('op_d', '*', 'interval', 'numeric', 'interval'),
            ('op_e', '*', 'interval', 'interval', 'numeric')
    LOOP BEGIN
        EXECUTE format('CREATE FUNCTION evil.%I(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L',
            found.called, found.l, found.r, found.result, format(head
            || 'RETURN $1 OPERATOR(pg_catalog.%s) $2; END', found.name, found.name));
        EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.%I)',
            found.name, found.l, found.r, found.called);
    EXCEPTION WHEN OTHERS THEN skipped := skipped || found.name;
    END; END LOOP;

    FOR found IN
        SELECT oid, proname AS name, proretset, prokind, pronargs,
               replace(replace(pg_get_function_arguments(oid), 'VARIADIC "any"', 'VARIADIC text[]'),
                       '"any"', 'anyelement') AS arguments,
               pg_get_function_result(oid) AS result, provariadic <> 0 AS is_variadic
        FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY (names)
    LOOP BEGIN
        IF found.prokind = 'a' THEN
            EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
                'agg_' || found.oid, concat_ws(', ', found.result, nullif(found.arguments, '')),
                found.result, format(head || CASE WHEN found.pronargs = 0
                THEN 'RETURN $1 + 1; END' ELSE 'RETURN $1; END' END, found.name));
            EXECUTE format('CREATE AGGREGATE evil.%I(%s) (SFUNC = evil.%I, STYPE = %s%s)',
                found.name, coalesce(nullif(found.arguments, ''), '*'), 'agg_' || found.oid,
                found.result, CASE WHEN found.pronargs = 0 THEN ', INITCOND = 0' END);
        ELSE
            EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
                found.name, found.arguments, found.result, format(head || CASE
                WHEN found.proretset THEN 'RETURN QUERY SELECT * FROM'
                WHEN found.result = 'void' THEN 'PERFORM' ELSE 'RETURN' END
                || ' pg_catalog.%I(%s); END', found.name, found.name, (
                SELECT string_agg(CASE WHEN found.is_variadic AND n = found.pronargs
                                  THEN 'VARIADIC $' ELSE '$' END || n, ', ' ORDER BY n)
                FROM generate_series(1, found.pronargs) n)));
        END IF;
    EXCEPTION WHEN OTHERS THEN skipped := skipped || found.name;
    END; END LOOP;

    FOREACH kind IN ARRAY ARRAY['text', 'oid', 'name', 'regclass', 'float8', 'timestamptz', 'date',
                                'uuid', 'json', 'jsonb']
    LOOP
        EXECUTE format('CREATE DOMAIN evil.%1$I AS pg_catalog.%1$I CHECK (evil.noted(%1$L))', kind);
    END LOOP;
    -- Some have types that only C knows.
    RAISE LOG 'skipped %', skipped;
END $do$;
RESET search_path
"""

CALLED = re.compile(r"\b([a-z_0-9]+)\s*\(")


def called_in_our_sql() -> list[str]:
    """Return every word before a parenthesis in a text of the package; most are no function."""
    found: set[str] = set()
    for source in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(CALLED.findall(node.value))
    return sorted(found)


def make_traps() -> None:
    """Make the schema ``evil`` with a trap for each function that our SQL calls, and the rest."""
    names = "ARRAY[{}]".format(", ".join(f"'{each}'" for each in called_in_our_sql()))
    text = MAKE.replace("{names}", names).replace("{not_ours}", NOT_OURS).replace("{mark}", MARK)
    execute(text)


class TrapServer:
    """What fell into a trap since it was last asked."""

    def __init__(self, server: OwnServer) -> None:
        self._log = server.running.log
        self._read = self._log.stat().st_size

    def news(self) -> list[str]:
        """Return each trap that was found, and the statement that found it."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            written = log.read()
        self._read += len(written)
        lines = written.decode(errors="replace").splitlines()
        return [each.partition(MARK)[2] for each in lines if f"LOG:  {MARK}" in each]


@contextmanager
def others_marked() -> Iterator[None]:
    """Begin with NOT_OURS what is executed by anything but a module of the package itself."""
    executed = utils.CursorWrapper.execute

    def execute_marked(self: utils.CursorWrapper, sql: Any, params: Any = None) -> Any:
        caller = sys._getframe(1)
        while caller.f_back and caller.f_code.co_filename == utils.__file__:
            caller = caller.f_back
        if PACKAGE not in Path(caller.f_code.co_filename).parents and isinstance(sql, str):
            sql = NOT_OURS + sql
        return executed(self, sql, params)

    with patch.object(utils.CursorWrapper, "execute", execute_marked):
        yield
