"""Leave out TABLESPACE clauses that name the database's default tablespace for partitioned tables.

The server refuses them ("cannot specify default tablespace for partitioned relations"), also where
only the session's default_tablespace names it. Without a clause, tables are there anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pg_timepart.postgres.search_path import fetch_one
from pg_timepart.schema.partition_keys import PartitionKeyEditor
from pg_timepart.schema.unique_keys import Model

HOME = """
SELECT t.spcname::text, pg_catalog.current_setting('default_tablespace')
FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
WHERE d.datname = pg_catalog.current_database()
"""

SET_DEFAULT = "SELECT pg_catalog.set_config('default_tablespace', %s, %s)"


class HomeTablespaceEditor(PartitionKeyEditor):
    """Removes the database's default tablespace from statements about partitioned tables."""

    _home: tuple[str, ...] = ()
    _default_to_restore = ""

    def __exit__(self, *args: Any) -> None:
        try:
            super().__exit__(*args)
        finally:
            if self._default_to_restore:
                self._set_default_tablespace(self._default_to_restore, is_local=False)

    def _remember_key(self, table: str, column: str | None) -> None:
        super()._remember_key(table, column)
        if column is not None:
            self._home_clauses()

    def _iter_column_sql(
        self, column_db_type: str, params: Any, model: Model, *args: Any
    ) -> Iterator[str]:
        parts: Iterator[str] = super()._iter_column_sql(column_db_type, params, model, *args)
        return (part for part in parts if not part or self._spared(model, part))

    def _get_index_tablespace_sql(
        self, model: Model, fields: Sequence[Any], db_tablespace: str | None = None
    ) -> str:
        clause = super()._get_index_tablespace_sql(model, fields, db_tablespace)
        return str(self._spared(model, clause))

    def _spared(self, model: Model, clause: Any) -> Any:
        if not isinstance(clause, str) or "TABLESPACE" not in clause or self._key_of(model) is None:
            return clause
        return "" if clause.strip() in self._home_clauses() else clause

    def _home_clauses(self) -> tuple[str, ...]:
        """Return the clauses of the default tablespace: for a table or index, and for a constraint.

        From then on, default_tablespace does not name it either.
        """
        if not self._home:
            name, default = fetch_one(self.connection, HOME)
            in_sql = self.connection.ops.tablespace_sql
            self._home = (in_sql(name), in_sql(name, inline=True))
            if default == name and not self.collect_sql:
                self._leave_default_tablespace(default)
        return self._home

    def _leave_default_tablespace(self, default: str) -> None:
        """Set default_tablespace to empty, which means the same, until the transaction ends."""
        is_local: bool = self.connection.in_atomic_block
        self._set_default_tablespace("", is_local=is_local)
        if not is_local:
            self._default_to_restore = default

    def _set_default_tablespace(self, name: str, *, is_local: bool) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(SET_DEFAULT, [name, is_local])
