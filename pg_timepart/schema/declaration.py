"""Declaration: the decorator's arguments as a value, and the key field that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import connections, router
from django.db.backends.utils import strip_quotes

from pg_timepart.errors import InvalidPolicy, UnknownName
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import format_declared

if TYPE_CHECKING:
    from django.db import models

Field: TypeAlias = Any
"""A concrete field; the stubs have its column as optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The decorator's arguments that decide about the table, and that migrations record."""

    key: str
    """Name of the model field that is the partition key."""

    widen_keys: bool = True
    """Whether unique declarations without the key are widened by it, rather than left out."""

    key_format: KeyFormat | None = None
    """The key format; None: the one that the column's type implies."""


def declaration_of(model: type[models.Model]) -> Declaration | None:
    """Return the declaration of ``model`` (live or historical), or None where it has none.

    A proxy inherits the manager and has no table. A multi-table child inherits its parent's
    declaration, but not the key's column: see ``own_key_field``.
    """
    for manager in model._meta.managers:
        declaration: Declaration | None = getattr(manager, "declaration", None)
        if declaration is not None and not model._meta.proxy:
            return declaration
    return None


def key_field(model: type[models.Model], declaration: Declaration) -> Field | None:
    """Return the field with a column that is declared as the key, or None where there is none."""
    fields = model._meta.concrete_fields
    return next((field for field in fields if field.name == declaration.key), None)


def own_key_field(model: type[models.Model], declaration: Declaration) -> Field | None:
    """Return the declared field, or None where the table of a parent model has its column.

    Raises UnknownName where the model has no such field at all.
    """
    field = key_field(model, declaration)
    if field is None:
        known = [each.name for each in model._meta.concrete_fields]
        raise UnknownName(f"field of {model._meta.label}", declaration.key, known)
    return field if field in model._meta.local_concrete_fields else None


def key_format_of(model: type[models.Model]) -> KeyFormat:
    """Return the format of a decorated model's key, by its field as the write database has it.

    Raises InvalidPolicy where the model declares none that fits; its system checks say why.
    """
    declaration = declaration_of(model)
    field = key_field(model, declaration) if declaration else None
    db_type = field.db_type(connections[router.db_for_write(model)]) if field else None
    found = format_declared(db_type or "", declaration.key_format if declaration else None)
    if found is None:
        raise InvalidPolicy(
            f"The partition key of {model._meta.label} does not fit its key format; `manage.py"
            " check` says what is wrong."
        )
    return found


def key_column(model: type[models.Model], declaration: Declaration) -> str | None:
    """Return the name of the key's column, as the catalog has it, or None where there is none."""
    field = key_field(model, declaration)
    return None if field is None else strip_quotes(field.column)
