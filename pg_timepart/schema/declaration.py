"""What the decorator says about a model, in a form that every layer may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_timepart.partitions.key_formats.base import KeyFormat

if TYPE_CHECKING:
    from django.db import models


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The facts of a table that migrations record."""

    key: str
    """Name of the model field that is the partition key."""

    widen_keys: bool = True
    """Whether unique declarations without the key are widened by it, rather than left out."""

    key_format: KeyFormat | None = None
    """What the key's values say about time; None: what the column's type implies."""


def declaration_of(model: type[models.Model]) -> Declaration | None:
    """Return what is declared for ``model`` (live or historical), or None where nothing is.

    A proxy inherits the manager and has no table. Nor has a multi-table child the key's column,
    although it has what is declared for its parent: ``widening.declared_key`` tells.
    """
    for manager in model._meta.managers:
        declaration: Declaration | None = getattr(manager, "declaration", None)
        if declaration is not None and not model._meta.proxy:
            return declaration
    return None


def key_column(model: type[models.Model], declaration: Declaration) -> str:
    """Return the name of the key's column, as the catalog has it; raises FieldDoesNotExist."""
    field: models.Field[object, object] = model._meta.get_field(declaration.key)  # type: ignore[assignment]
    return (field.column or "").strip('"')
