"""The filter that has a query of a partitioned model read few partitions, as it is typed."""

from __future__ import annotations

from django.db import models

from pg_timepart.schema.declaration import declaration_of, key_column


def column_of(model: type[models.Model]) -> str:
    """Return the name of the key's column, or nothing where the model declares none."""
    declaration = declaration_of(model)
    return (declaration and key_column(model, declaration)) or ""


def sql_range(model: type[models.Model]) -> str:
    """Return the condition on the key in SQL, such as ``timestamp >= ... AND timestamp < ...``."""
    column = column_of(model)
    return f"{column} >= ... AND {column} < ..."


def key_filter(model: type[models.Model]) -> str:
    """Return what to type: a range of a time column, or ``during()`` of a key that carries time."""
    declaration = declaration_of(model)
    if declaration is None or declaration.key_format is None:
        return sql_range(model)
    return f"{model.__name__}.partitioning.during(start, end)"


def instance_filter(model: type[models.Model]) -> str:
    """Return the filter that finds one row by its primary key in its partition alone."""
    declaration = declaration_of(model)
    names = dict.fromkeys([model._meta.pk.name, declaration.key if declaration else "pk"])
    return f"filter({', '.join(f'{name}=...' for name in names)})"
