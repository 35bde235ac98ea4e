"""Instances of decorated models: statements about one row name its key, and so its partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.where import AND, ExtraWhere
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.schema.declaration import Declaration, Field, key_field


def prune_instances(model: type[models.Model], declaration: Declaration) -> None:
    """Put ``PrunedInstance`` under ``model``, beneath whatever methods it and its bases define.

    Models whose primary key holds the key prune by themselves, and stay as they are. So do those
    that have no such field, which system checks report.
    """
    key = key_field(model, declaration)
    if key is None or _is_in_primary_key(key, model) or issubclass(model, PrunedInstance):
        return
    bases = [PrunedInstance if base is models.Model else base for base in model.__bases__]
    # An abstract base adds nothing to migrations, which leave such bases out.
    model.__bases__ = (*bases, *(() if PrunedInstance in bases else (PrunedInstance,)))
    pruned: Any = model
    pruned._timepart_key_name, pruned._timepart_key_attname = key.name, key.attname


class PrunedInstance(models.Model):
    """Base that puts the row's key into WHERE when an instance is saved, deleted or refreshed.

    ``_state.row_key`` is the key that the row had when it was last read or written, and goes
    with pickles and copies. None, or none: not known; then the attribute is as good a guess. A
    statement that finds no row by it is followed by the one that Django makes, so that nothing
    depends on what is kept there but speed. What is no method of Django's is named after this
    package, as models have attributes of their own.
    """

    _timepart_key_name: str
    _timepart_key_attname: str

    class Meta:
        abstract = True

    @classmethod
    def from_db(  # runs for each row that is read: no call more than it needs
        cls, db: str | None, field_names: Any, values: Any, **options: Any
    ) -> Any:
        """Return the instance of a row, which remembers its key unless that is deferred."""
        instance: Any = super().from_db(db, field_names, values, **options)
        instance._state.row_key = instance.__dict__.get(cls._timepart_key_attname)
        return instance

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: Any = None,
    ) -> None:
        """Read the row in its partition, or wherever it is; arguments and errors are Django's."""
        names = None if fields is None else [*fields]
        if not self._timepart_refreshed_by_key(using, names, from_queryset):
            super().refresh_from_db(using, names, from_queryset)
        if names is None or not {self._timepart_key_name, self._timepart_key_attname}.isdisjoint(
            names
        ):
            self._timepart_remember_attribute()

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, Any]:
        """Delete the row in its partition, or wherever it is; all else is as Django does it."""
        alias = using or router.db_for_write(self.__class__, instance=self)
        with _pruned_delete(self, alias):
            return super().delete(using=alias, keep_parents=keep_parents)

    def _timepart_refreshed_by_key(
        self, using: str | None, names: list[str] | None, from_queryset: Any
    ) -> bool:
        rows = from_queryset
        if rows is None:
            rows = self.__class__._base_manager.db_manager(using, hints={"instance": self})
        key = self._timepart_row_key(using or rows.db)
        if key is None:
            return False
        prefetched = {*getattr(self, "_prefetched_objects_cache", ())}
        try:
            super().refresh_from_db(
                using, names, _of_key(rows, self._timepart_key_field, key, using or rows.db)
            )
        except ObjectDoesNotExist:
            if names is not None:
                # What was prefetched is forgotten by now, and is no column to read.
                names[:] = [name for name in names if name not in prefetched]
            return False
        return True

    def _save_table(self, *args: Any, **options: Any) -> bool:
        updated: bool = super()._save_table(*args, **options)  # type: ignore[misc]  # not in stubs
        # An expression may have become a value by now.
        if not updated or self._timepart_kept_key is None:
            self._timepart_remember_attribute()
        return updated

    def _do_update(  # type: ignore[override]  # from 6.0 on, Django gives one argument more
        self, base_qs: Any, using: str, pk_val: Any, values: Sequence[Any], *others: Any
    ) -> Any:
        arguments = (using, pk_val, values, *others)
        is_ours = self._timepart_key_field.model is base_qs.model
        key = self._timepart_row_key(using) if is_ours else None
        updated: Any = None
        is_there = False
        if key is not None:
            pruned = _of_key(base_qs, self._timepart_key_field, key, using)
            updated = super()._do_update(pruned, *arguments)
            # A trigger may have refused the change of a row that is where it was.
            is_there = not updated and pruned.filter(pk=pk_val).exists()
        if not updated and not is_there:
            updated = super()._do_update(base_qs, *arguments)
        if updated:
            self._timepart_remember_written(values)
        return updated

    def _timepart_row_key(self, alias: str) -> Any:
        """Return the key of the row, as a filter takes it, or None where it is not known.

        None too where nothing is to be pruned: by the settings, or on another kind of server.
        """
        key = self._timepart_key_field
        if self._state.adding or not conf.prunes_instances() or _is_in_primary_key(key, self):
            return None
        if connections[alias].vendor != "postgresql":
            return None
        kept = self._timepart_kept_key
        return _as_filter(
            key, self.__dict__.get(self._timepart_key_attname) if kept is None else kept
        )

    def _timepart_remember_written(self, values: Sequence[Any]) -> None:
        for field, _model, value in values:
            if field.attname == self._timepart_key_attname:
                self._timepart_remember(value)

    def _timepart_remember_attribute(self) -> None:
        self._timepart_remember(self.__dict__.get(self._timepart_key_attname))

    def _timepart_remember(self, value: Any) -> None:
        state: Any = self._state
        state.row_key = None if _is_expression(value) else value

    @property
    def _timepart_kept_key(self) -> Any:
        return getattr(self._state, "row_key", None)

    @property
    def _timepart_key_field(self) -> Field:
        return self._meta.get_field(self._timepart_key_name)


def _of_key(rows: models.QuerySet[Any], key: Field, value: Any, alias: str) -> models.QuerySet[Any]:
    """Return ``rows`` filtered by the key; by ready SQL, which is quicker than a lookup."""
    table = key.model._meta.db_table
    pruned = rows.all()
    query: Any = pruned.query
    if query.get_initial_alias() != table or len(query.alias_map) > 1:
        # Of a query with joins, Django makes the subquery of an UPDATE, and renames its tables.
        return rows.filter(**{key.name: value})
    condition, parameter = _condition(key, value, connections[alias])
    query.where.add(ExtraWhere([condition], [parameter]), AND)
    return pruned


def _condition(key: Field, value: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
    """Return the condition on the key in SQL, and its parameter."""
    quote = connection.ops.quote_name
    column = f"{quote(key.model._meta.db_table)}.{quote(key.column)}"
    return f"{column} = %s", key.get_db_prep_value(value, connection)


def _is_in_primary_key(key: Field, model: Any) -> bool:
    has_one = model._meta.pk is not None  # an abstract model may have none
    return has_one and any(field.name == key.name for field in model._meta.pk_fields)


def _is_expression(value: Any) -> bool:
    return hasattr(value, "resolve_expression")


def _as_filter(key: Field, value: Any) -> Any:
    """Return what a filter by the key takes without a warning, or None where nothing is."""
    if value is None or _is_expression(value):
        return None
    try:
        if isinstance(value, str):
            value = key.to_python(value)
        if isinstance(key, models.DateTimeField):
            value = _as_stored(value)
        key.get_prep_value(value)
    except (TypeError, ValueError, ValidationError):
        return None
    return value


def _as_stored(value: Any) -> datetime | None:
    """Return the moment that is stored for a datetime; a naive one is in the default time zone.

    Django warns of naive ones, or sends them as they are, and then the server prunes later: after
    it has planned for all partitions.
    """
    if not isinstance(value, datetime):
        return None
    if timezone.is_naive(value):
        return timezone.make_aware(value, timezone.get_default_timezone())
    return value


def _pruned_delete(instance: PrunedInstance, alias: str) -> AbstractContextManager[Any]:
    """Return the block in which the DELETE of this instance's row finds its partition."""
    if instance.pk is None or instance._timepart_row_key(alias) is None:
        return nullcontext()
    connection = connections[alias]
    return connection.execute_wrapper(_PrunedDelete(instance, connection))


class _PrunedDelete:
    """Adds the key to the DELETE of one instance's row, and leaves all other statements alone.

    Django makes that statement between signals and cascades, where no method can be overridden.
    Where a later Django makes another, that stays as it is, and right.
    """

    def __init__(self, instance: PrunedInstance, connection: Any) -> None:
        self._instance = instance
        self._connection = connection
        meta = instance._timepart_key_field.model._meta
        quote = connection.ops.quote_name
        table = quote(meta.db_table)
        self._rows = f"FROM {table} WHERE {table}.{quote(meta.pk.column)} IN (%s)"
        self._plain = f"DELETE {self._rows}"  # as Django makes it
        value = getattr(instance, meta.pk.attname)
        self._row = (meta.pk.get_db_prep_value(value, connection),)

    def __call__(
        self, execute: Callable[..., Any], statement: str, params: Any, many: bool, context: Any
    ) -> Any:
        # A receiver may have moved the row since: the key is asked for now.
        is_its_own = statement == self._plain and tuple(params) == self._row
        key = self._instance._timepart_row_key(self._connection.alias) if is_its_own else None
        if key is not None:
            condition, value = _condition(self._instance._timepart_key_field, key, self._connection)
            result = execute(f"{statement} AND {condition}", (*params, value), many, context)
            if context["cursor"].rowcount > 0 or self._is_there(condition, value):
                return result
        return execute(statement, params, many, context)

    def _is_there(self, condition: str, value: Any) -> bool:
        """Return whether the row is where it was, as after a trigger that refused its deletion."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 {self._rows} AND {condition}", (*self._row, value))
            return cursor.fetchone() is not None
