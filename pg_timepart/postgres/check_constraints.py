"""CHECK constraints that this package adds: their names, and SQL that recognises their definitions.

A name proves nothing: the owner of a table may give it to a constraint that calls another function.
A constraint whose definition is not ours is neither validated nor dropped.
"""

from __future__ import annotations

import re

from pg_timepart.partitions.bounds import BoundLiterals

BOUNDS_CHECK = "pg_timepart_bounds"
"""Name of the CHECK that an attach adds, so that ATTACH skips its scan."""

EXCLUSION_CHECK = "pg_timepart_excludes"
"""Prefix of the name of the CHECK by which ATTACH skips its scan of a default partition."""

EXCLUSION_PATTERN = EXCLUSION_CHECK.replace("_", r"\_") + "%"
"""The same prefix as a LIKE pattern."""

NOT_NULL_CHECK = "pg_timepart_null_"
"""Prefix of the name of the CHECK by which SET NOT NULL skips its scan."""

# One bound as the server deparses it in a CHECK: an int4 that is not negative is a bare number.
_CONSTANT = """CASE WHEN wanted.type = 'integer' AND wanted.{side} NOT LIKE '-%%'
    THEN wanted.{side} ELSE format('%%L::%%s', wanted.{side}, wanted.type) END"""
_LOWER, _UPPER = (_CONSTANT.replace("{side}", side) for side in ("lower", "upper"))

# The bounds of a partition, spelled as the server deparses what DETACH CONCURRENTLY leaves behind,
# which says the same. Of ``wanted``: the key, the bounds as text or null, and the type.
BOUNDS_DEFINITION = f"""
'CHECK (' || CASE WHEN COALESCE(wanted.lower, wanted.upper) IS NULL
    THEN format('(%%I IS NOT NULL)', wanted.key)
    ELSE format('((%%I IS NOT NULL)', wanted.key)
        || CASE WHEN wanted.lower IS NULL THEN ''
           ELSE format(' AND (%%I >= %%s)', wanted.key, {_LOWER}) END
        || CASE WHEN wanted.upper IS NULL THEN ''
           ELSE format(' AND (%%I < %%s)', wanted.key, {_UPPER}) END
        || ')' END || ')'
"""


def bounds_in(definition: str, key: str) -> BoundLiterals | None:
    """Return the bounds in a CHECK of the form of BOUNDS_DEFINITION, or None for any other.

    ``definition`` is as ``pg_get_constraintdef`` prints it, ``key`` as ``quote_ident`` does.
    """
    column, constant = re.escape(key), r"'?(-?[^'()]+?)'?(?:::[^()]+)?"
    lower, upper = (rf"( AND \({column} {op} {constant}\))?" for op in (">=", "<"))
    whole = rf"CHECK \(\(\({column} IS NOT NULL\){lower}{upper}\)\)"
    found = re.fullmatch(whole, definition)
    return found and BoundLiterals(lower=found[2], upper=found[4])


_SIDE = r"\{OPEXPR :opno (\d+) [^{}]*\(\{VAR [^{}]*\} \{CONST [^{}]*\}\)[^{}]*\}"
_TREE = rf"^\{{BOOLEXPR :boolop or :args \({_SIDE} {_SIDE}\)[^{{}}]*\}}$"

# That a default partition holds nothing of a range: ``key < one OR key >= other`` by operators of
# PostgreSQL's own. Deparsing it would wait for who has locked the table, so its tree is read.
_EXCLUDES = """
x.contype = 'c' AND x.conname LIKE %(excluding)s AND EXISTS (
    SELECT FROM regexp_match(x.conbin::text, '{tree}') AS found(operators)
    JOIN pg_catalog.pg_operator l ON l.oid = found.operators[1]::oid AND l.oprname = '<'
    JOIN pg_catalog.pg_operator g ON g.oid = found.operators[2]::oid AND g.oprname = '>='
    JOIN pg_catalog.pg_attribute a ON a.attrelid = x.conrelid AND x.conkey = ARRAY[a.attnum]
    WHERE l.oprnamespace = 'pg_catalog'::regnamespace AND g.oprnamespace = l.oprnamespace
    AND a.attname = {key})
"""


def excludes(key: str) -> str:
    """Return the condition on ``pg_constraint x`` that it is such a CHECK.

    ``key`` is SQL for the name of the partition key's column. The query binds ``excluding``, the
    LIKE pattern of the name.
    """
    return _EXCLUDES.replace("{tree}", _TREE).replace("{key}", key)
