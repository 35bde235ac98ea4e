"""Partition keys of the tables that a schema editor handles: which are partitioned, and how."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from pg_timepart.postgres.catalog import read_parent
from pg_timepart.schema.declaration import Declaration, Field, declaration_of, key_field
from pg_timepart.schema.unique_keys import Model, is_named

if TYPE_CHECKING:
    # The stubs lack most of the overridden methods.
    from typing import Any as Editor
else:
    Editor = object


class PartitionKeyEditor(Editor):  # type: ignore[misc]
    """Reads whether a declared model's table is partitioned once, and keeps its key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # By db_table: the key's column, or None where the table is a plain one.
        self._key_columns: dict[str, str | None] = {}

    def _key_of(self, model: Model) -> Field | None:
        """Return the key's field where the model's table is partitioned, according to the catalog.

        For a table that does not exist, and for statements that are only collected, the declaration
        decides.
        """
        declaration = declaration_of(model)
        if declaration is None:
            return None
        table = model._meta.db_table
        if table not in self._key_columns:
            self._remember_key(table, self._key_column(model, declaration))
        column = self._key_columns[table]
        fields = model._meta.local_concrete_fields
        return next((each for each in fields if column and is_named(each, column)), None)

    def _remember_key(self, table: str, column: str | None) -> None:
        self._key_columns[table] = column

    def _key_column(self, model: Model, declaration: Declaration) -> str | None:
        parent = None
        if not self.collect_sql:
            parent = read_parent(self.connection, model._meta.db_table, zone=UTC)
        if parent is not None:
            return parent.key
        field = key_field(model, declaration)
        if field is None or field not in model._meta.local_concrete_fields:
            return None
        return str(field.column)
