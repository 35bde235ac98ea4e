"""Migration operations run one by one, and the tables that come of them."""

from __future__ import annotations

from typing import Any

from django.db import connections, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from pg_timepart.manager import TimeRangePartitioningManager

LABEL = "lab"


class MigrationRunner:
    """An application without modules: its state, and its tables in one database."""

    def __init__(self, using: str = "default") -> None:
        self.connection: Any = connections[using]
        self.state = ProjectState()
        self._undo: list[tuple[Operation, ProjectState, ProjectState]] = []

    def run(self, *operations: Operation) -> None:
        """Apply the operations as one migration does."""
        with self.connection.schema_editor() as editor:
            for operation in operations:
                before, after = self.state, self.state.clone()
                operation.state_forwards(LABEL, after)
                operation.database_forwards(LABEL, editor, before, after)
                self._undo.append((operation, before, after))
                self.state = after

    def undo(self, count: int = 1) -> None:
        """Take back the last operations."""
        with self.connection.schema_editor() as editor:
            for _ in range(count):
                operation, before, after = self._undo.pop()
                operation.database_backwards(LABEL, editor, after, before)
                self.state = before

    def sql(self, *operations: Operation) -> str:
        """Return what sqlmigrate would show, and execute nothing."""
        state = self.state
        with self.connection.schema_editor(collect_sql=True) as editor:
            for operation in operations:
                after = state.clone()
                operation.state_forwards(LABEL, after)
                operation.database_forwards(LABEL, editor, state, after)
                state = after
        return "\n".join(editor.collected_sql)

    def model(self, name: str) -> Any:
        """Return the historical model."""
        return self.state.apps.get_model(LABEL, name)

    def query(self, statement: str, *values: Any) -> list[Any]:
        """Return the rows, or the first column where there is just one."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows = cursor.fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def execute(self, statement: str) -> None:
        """Execute one statement without parameters."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)

    def partition_key(self, table: str) -> Any:
        """Return how the table is partitioned; ``table`` is quoted where it must be."""
        return self.query("SELECT pg_get_partkeydef(%s::regclass)", table)[0]

    def constraints(self, table: str, kinds: str = "pu") -> set[str]:
        """Return the definitions of the table's constraints."""
        return set(
            self.query(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conrelid = %s::regclass AND contype = ANY(%s)",
                table,
                list(kinds),
            )
        )

    def indexes(self, table: str) -> list[str]:
        """Return what each index of the table indexes, without its name."""
        definitions = self.query(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass", table
        )
        return sorted(
            ("UNIQUE " if " UNIQUE " in each else "") + each.partition(" USING ")[2]
            for each in definitions
        )

    def cover(self, table: str, partition: str = "leaf") -> None:
        """Attach one partition that takes every row."""
        self.execute(
            f"CREATE TABLE {partition} PARTITION OF {table}"
            " FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
        )


def create(
    name: str,
    *fields: tuple[str, models.Field[Any, Any]],
    key: str | None = "at",
    widen_keys: bool = True,
    **options: Any,
) -> migrations.CreateModel:
    """Return CreateModel with an id, a key ``at`` and ``fields``, as makemigrations writes it."""
    declared: dict[str, models.Field[Any, Any]] = {
        "id": models.BigAutoField(primary_key=True),
        "at": models.DateTimeField(),
    }
    return migrations.CreateModel(
        name,
        list({**declared, **dict(fields)}.items()),
        options=options,
        managers=[] if key is None else partitioned_by(key, widen_keys),
    )


def partitioned_by(key: str, widen_keys: bool = True) -> list[tuple[str, Any]]:
    """Return the managers that makemigrations records."""
    return [
        ("objects", models.Manager()),
        ("partitioning", TimeRangePartitioningManager(key, widen_keys=widen_keys)),
    ]
