"""Rewrite SQL statements of schema editors, ours and others', for partitioned tables.

Another package's editor may have templates and statements of classes of its own, which are not
text. They are returned unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.ddl_references import Statement
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

PERCENT = re.compile(r"%(?:%|(?![s(]))")
"""A literal percent sign, doubled or not."""

NOTHING = Statement("")
"""An empty statement, returned to Django where there is nothing to execute."""

BUILDING = (
    "sql_create_index",
    "sql_create_unique",
    "sql_create_unique_index",
    "sql_create_pk",
    "sql_create_fk",
    "sql_delete_index",
    "sql_delete_index_concurrently",
)
"""Templates for which others take what the server refuses for a partitioned table: CONCURRENTLY,
USING INDEX, and NOT VALID for a foreign key."""


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """Template of CREATE TABLE that makes a partitioned one, around a template of any class."""

    template: Any
    ending: str
    """The text after the columns: it closes their parenthesis, and opens that of the key."""

    def __mod__(self, parts: Mapping[str, Any]) -> Any:
        return self.template % {**parts, "definition": f"{parts['definition']}{self.ending}"}


def without_ending(statement: Any, endings: Sequence[str]) -> Any:
    """Return a text without such a clause at its end, and anything else unchanged."""
    if isinstance(statement, str):
        for each in endings:
            statement = statement.removesuffix(f" {each}")
    return statement


def with_percent_signs(statement: Any) -> Any:
    """Return the statement for execution with parameters: in a name, a percent sign is doubled.

    A statement without parameters reaches Django as it is; one without percent signs is returned
    unchanged.
    """
    if not _is_text(statement):
        return statement
    text = str(statement)
    doubled = PERCENT.sub("%%", text)
    return statement if doubled == text else doubled


def fit_for_partitioned(statement: Statement, editor: Any) -> Statement:
    """Return a statement about a partitioned table in a form that the server accepts.

    It takes Django's own template where another editor would build or drop an index concurrently,
    or add a foreign key NOT VALID.
    """
    for name in BUILDING:
        stock = getattr(DatabaseSchemaEditor, name)
        if statement.template is getattr(editor, name) is not stock:
            plain = getattr(DatabaseSchemaEditor, name.removesuffix("_concurrently"))
            return Statement(plain, **statement.parts)
    return statement


def table_of(statement: Any) -> str | None:
    """Return the name of the statement's table, or None where it does not tell."""
    parts = statement.parts if isinstance(statement, Statement) else {}
    return getattr(parts.get("table"), "table", None)


def _is_text(statement: Any) -> bool:
    """Whether it is plain text, or one of Django's own statements made of nothing else."""
    if type(statement) is Statement:
        statement = statement.template
    return isinstance(statement, str)
