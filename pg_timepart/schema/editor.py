"""Schema editor mixin: PARTITION BY in CREATE TABLE, and unique declarations widened by the key.

Django's editor does the work. This mixin changes its arguments, and adds to its SQL, for models
with a declaration whose tables are partitioned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from django.db import connections
from django.db.backends.ddl_references import Columns, Statement
from django.db.backends.utils import split_identifier, strip_quotes

from pg_timepart.postgres.foreign_key_columns import without_inherited
from pg_timepart.schema.declaration import Field, declaration_of, own_key_field
from pg_timepart.schema.drop_detached import detached_from, drop_empty
from pg_timepart.schema.statements import (
    NOTHING,
    PartitionedTable,
    fit_for_partitioned,
    table_of,
    with_percent_signs,
    without_ending,
)
from pg_timepart.schema.tablespaces import HomeTablespaceEditor
from pg_timepart.schema.unique_keys import (
    Model,
    count_widened,
    count_written,
    is_same,
    short_name,
    with_key,
    with_key_expression,
    without_uniqueness,
)


def install() -> None:
    """Extend the schema editor of each configured PostgreSQL connection's class, once."""
    for connection in connections.all():
        if connection.vendor == "postgresql":
            _extend(type(connection))


def _extend(wrapper: type[Any]) -> None:
    editor = wrapper.SchemaEditorClass
    if not issubclass(editor, PartitioningSchemaEditor):
        wrapper.SchemaEditorClass = type(
            editor.__name__, (PartitioningSchemaEditor, editor), {"__module__": __name__}
        )


class PartitioningSchemaEditor(HomeTablespaceEditor):
    """Schema editor mixin; it comes before the class of the connection's own editor."""

    sql_create_table: Any

    def table_sql(self, model: Model) -> Any:
        """Return CREATE TABLE, with PARTITION BY where one is declared."""
        declaration = declaration_of(model)
        key = None if declaration is None else own_key_field(model, declaration)
        self._remember_key(model._meta.db_table, None if key is None else key.column)
        if key is None:
            return super().table_sql(model)
        plain = self.sql_create_table
        self.sql_create_table = PartitionedTable(plain, self._ending(model, key))
        try:
            statement, params = super().table_sql(model)
        finally:
            self.sql_create_table = plain
        return without_ending(statement, self._home_clauses()), params

    def column_sql(self, model: Model, field: Any, include_default: bool = False) -> Any:
        """Return the column's definition, without uniqueness that it alone cannot have."""
        if self._needs_key(model, field):
            field = without_uniqueness(field)
        return super().column_sql(model, field, include_default)

    def add_field(self, model: Model, field: Any) -> None:
        """Add the column, then the widened constraint that its definition could not hold."""
        # Read first whether the table is partitioned: the names of constraints depend on it.
        key = self._key_of(model)
        super().add_field(model, field)
        if key is None or not self._needs_key(model, field):
            return
        if field.primary_key:
            self.execute(self._create_primary_key_sql(model, field))
        elif self._widening_key(model) is not None:
            self.execute(self._create_unique_sql(model, [field]))

    def alter_field(
        self, model: Model, old_field: Any, new_field: Any, strict: bool = False
    ) -> None:
        """Alter the column, and remember the key by its new name."""
        is_key = is_same(self._key_of(model), old_field)
        super().alter_field(model, old_field, new_field, strict)
        if is_key:
            self._key_columns[model._meta.db_table] = new_field.column

    def alter_db_table(self, model: Model, old_db_table: str, new_db_table: str) -> None:
        """Rename the table, and remember its key by the new name."""
        super().alter_db_table(model, old_db_table, new_db_table)
        if old_db_table in self._key_columns:
            self._key_columns[new_db_table] = self._key_columns.pop(old_db_table)

    def delete_model(self, model: Model) -> None:
        """Drop the table with its partitions, and the detached ones that hold no row.

        Those that hold rows are kept and named in a warning.
        """
        was_partitioned = not self.collect_sql and self._key_of(model) is not None
        detached = detached_from(self.connection, model) if was_partitioned else ()
        super().delete_model(model)
        self._key_columns.pop(model._meta.db_table, None)
        drop_empty(self.connection, model, detached)

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Execute, unless there is nothing to execute; others' statements stay unchanged."""
        if sql is NOTHING:
            return
        if self._key_columns.get(table_of(sql) or ""):
            sql = fit_for_partitioned(sql, self)
        super().execute(sql if params is None else with_percent_signs(sql), params)

    def remove_field(self, model: Model, field: Any) -> None:
        """Drop the column, after reading whether the table is partitioned."""
        self._key_of(model)
        super().remove_field(model, field)

    def _create_index_sql(self, model: Model, **options: Any) -> Any:
        self._key_of(model)
        return super()._create_index_sql(model, **options)

    def _create_fk_sql(self, model: Model, field: Any, suffix: str) -> Any:
        self._key_of(model)
        return super()._create_fk_sql(model, field, suffix)

    def _delete_index_sql(self, model: Model, name: str, **options: Any) -> Any:
        self._key_of(model)
        return super()._delete_index_sql(model, name, **options)

    def _delete_constraint_sql(self, template: Any, model: Model, name: str) -> Any:
        self._key_of(model)
        return super()._delete_constraint_sql(template, model, name)

    def _create_primary_key_sql(self, model: Model, field: Field) -> Statement:
        statement: Statement = super()._create_primary_key_sql(model, field)
        if not self._needs_key(model, field):
            return statement
        key = self._widening_key(model)
        if key is None:
            return NOTHING
        statement.parts["columns"] = Columns(
            model._meta.db_table, [field.column, key.column], self.quote_name
        )
        return statement

    def _unique_should_be_added(self, old_field: Any, new_field: Any) -> bool:
        # The new field may belong to no model; the old one is the table's.
        model = getattr(old_field, "model", None)
        if model and self._needs_key(model, new_field) and not self._widening_key(model):
            return False
        return bool(super()._unique_should_be_added(old_field, new_field))

    def _unique_sql(self, model: Model, fields: Sequence[Any], name: str, **options: Any) -> Any:
        key = self._widening_key(model)
        # What becomes an index goes through _create_unique_sql(), which widens the rest.
        if key is not None and fields and not options.get("opclasses"):
            fields = with_key(fields, key)
        return super()._unique_sql(model, fields, name, **options)

    def _create_unique_sql(
        self, model: Model, fields: Sequence[Any], name: str | None = None, **options: Any
    ) -> Any:
        key = self._widening_key(model)
        if key is None:
            return super()._create_unique_sql(model, fields, name, **options)
        wide = with_key(fields, key) if fields else []
        if options.get("opclasses") and len(wide) > len(fields):
            # An empty name leaves the key's operator class to the server.
            options["opclasses"] = [*options["opclasses"], ""]
        if options.get("expressions"):
            options["expressions"] = with_key_expression(model, options["expressions"], key)
        statement = super()._create_unique_sql(model, wide, name, **options)
        if name is None:
            # Named after the declared columns: by that name Django removes it.
            columns = [field.column for field in fields]
            statement.parts["name"] = self._unique_constraint_name(model._meta.db_table, columns)
        return statement

    def _constraint_names(
        self,
        model: Model,
        column_names: Sequence[str] | None = None,
        unique: bool | None = None,
        primary_key: bool | None = None,
        **criteria: Any,
    ) -> list[str]:
        names: list[str] = super()._constraint_names(
            model, column_names, unique, primary_key, **criteria
        )
        if criteria.get("foreign_key") and len(names) > 1:
            return without_inherited(self.connection, model._meta.db_table, names)
        key = self._widening_key(model) if unique and column_names else None
        if key is None or column_names is None:
            return names
        column = strip_quotes(key.column)
        if column in column_names:
            others = count_widened(model, column_names, key)
            return self._without_equals(model, names, column_names, others, is_written=True)
        wide = [*column_names, column]
        found = super()._constraint_names(model, wide, unique, primary_key, **criteria)
        others = count_written(model, wide)
        return names + self._without_equals(model, found, wide, others, is_written=False)

    def _create_index_name(
        self, table_name: str, column_names: Sequence[str], suffix: str = ""
    ) -> str:
        name: str = super()._create_index_name(table_name, column_names, suffix)
        # On plain tables the server has cut long names, and will cut them again.
        return short_name(name) if self._key_columns.get(table_name) else name

    def _widening_key(self, model: Model) -> Field | None:
        declaration = declaration_of(model)
        return self._key_of(model) if declaration and declaration.widen_keys else None

    def _needs_key(self, model: Model, field: Any) -> bool:
        """Whether the field's own uniqueness cannot be enforced by this partitioned table."""
        if not field.unique or field.column is None:
            return False
        key = self._key_of(model)
        return key is not None and not is_same(key, field)

    def _ending(self, model: Model, key: Field) -> str:
        added = chain(self._widened_constraints(model), self._value_checks(model, key))
        constraints = "".join(f", {each}" for each in added)
        return f"{constraints}) PARTITION BY RANGE ({self.quote_name(key.column)}"

    def _widened_constraints(self, model: Model) -> Iterator[str]:
        """Yield what column_sql() leaves out, as table constraints."""
        key = self._widening_key(model)
        if key is None:
            return
        for field in model._meta.local_concrete_fields:
            if self._needs_key(model, field):
                yield self._widened_constraint(field, key) + self._index_place(model, field)

    def _value_checks(self, model: Model, key: Field) -> Iterator[str]:
        """Yield the CHECK by which the table refuses keys without a time, where bounds do not."""
        declaration = declaration_of(model)
        key_format = declaration.key_format if declaration else None
        condition = key_format.value_check(self.quote_name(key.column)) if key_format else ""
        if condition:
            _, table = split_identifier(model._meta.db_table)
            name = short_name(f"{table}_{strip_quotes(key.column)}_time")
            check = self.sql_check_constraint % {"check": condition}
            yield str(self.sql_constraint % {"name": self.quote_name(name), "constraint": check})

    def _widened_constraint(self, field: Any, key: Field) -> str:
        if field.primary_key:
            return str(self._pk_constraint_sql([field.column, key.column]))
        columns = ", ".join(self.quote_name(each.column) for each in (field, key))
        return str(self.sql_unique_constraint % {"columns": columns, "deferrable": ""})

    def _index_place(self, model: Model, field: Any) -> str:
        tablespace = field.db_tablespace or model._meta.db_tablespace
        if not tablespace:
            return ""
        clause = self.connection.ops.tablespace_sql(tablespace, inline=True)
        return str(self._spared(model, f" {clause}"))

    def _without_equals(
        self,
        model: Model,
        names: list[str],
        columns: Sequence[str],
        others: int,
        *,
        is_written: bool,
    ) -> list[str]:
        """Return those of these constraints to drop: ``others``, equal declarations, keep one each.

        Names do not always tell to which declaration a constraint belongs, since renaming a table
        keeps the names of its constraints. They need not, because the constraints are equal.
        """
        name = self._unique_constraint_name(model._meta.db_table, list(columns), quote=False)
        ordered = sorted(names, key=lambda each: (each == str(name)) != is_written)
        return ordered[: max(len(ordered) - others, 0)]
