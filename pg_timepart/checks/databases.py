"""Checks of a database: the server's version, and the tables of the decorated models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Notice
from django.db import connections, models, router
from django.db.utils import NotSupportedError

from pg_timepart.checks.enforcement import check_enforcement
from pg_timepart.partitions.contradiction import contradiction
from pg_timepart.partitions.key_formats.registry import formats_of, no_column_type_of
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.catalog import read_parents
from pg_timepart.postgres.other_tools import OtherManager, read_other_managers
from pg_timepart.schema.declaration import key_field
from pg_timepart.schema.registry import declared_formats, manager_of, registry
from pg_timepart.schema.unique_keys import is_named

# After DETACH a table can lack the triggers of its foreign keys to partitioned tables, and its
# rows go unchecked; older ones still can break concurrent queries and index builds.
# https://www.postgresql.org/docs/release/16.5/
REPAIRED_IN = {14: 14, 15: 9, 16: 5, 17: 1}
"""By major version, the first minor version without known bugs in detaching."""


def check_databases(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Return warnings about these databases and the tables of decorated models in them."""
    messages: list[CheckMessage] = []
    for alias, found in models_by_database(app_configs, databases):
        messages += check_database(alias, found)
    return messages


def models_by_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None
) -> Iterator[tuple[str, list[type[models.Model]]]]:
    """Yield each PostgreSQL database with the decorated models of these apps written to it."""
    labels = None if app_configs is None else {config.label for config in app_configs}
    for alias in databases or ():
        found = [
            model
            for model in registry()
            if _has_table(model)
            and router.db_for_write(model) == alias
            and (labels is None or model._meta.app_label in labels)
        ]
        if found and connections[alias].vendor == "postgresql":
            yield alias, found


def check_database(alias: str, models_there: list[type[models.Model]]) -> Iterator[CheckMessage]:
    """Yield warnings about one PostgreSQL database and the tables of these models."""
    connection: Any = connections[alias]
    try:
        version: int = connection.pg_version
    except NotSupportedError as error:
        yield _too_old(alias, error)
        return
    if is_defective(version):
        yield _defective(alias, version)
    yield from _check_tables(alias, models_there)


def is_defective(version: int) -> bool:
    """Whether a server of this version, as ``160004``, has a known bug in detaching."""
    major, minor = divmod(version, 10_000)
    return minor < REPAIRED_IN.get(major, 0)


def _has_table(model: type[models.Model]) -> bool:
    options = model._meta
    return not (options.abstract or options.proxy or options.swapped)


def _too_old(alias: str, error: Exception) -> CheckMessage:
    return Error(
        f"The server of the database {alias!r} is too old: {error}",
        hint="Partitions can be detached without blocking anybody from PostgreSQL 14 on.",
        id="pg_timepart.E010",
    )


def _defective(alias: str, version: int) -> CheckMessage:
    major, minor = divmod(version, 10_000)
    return Notice(
        f"The server of the database {alias!r} is PostgreSQL {major}.{minor}, which has known "
        "bugs in detaching partitions.",
        hint=f"Update it to {major}.{REPAIRED_IN[major]} or newer; no dump is needed.",
        id="pg_timepart.W011",
    )


def _check_tables(alias: str, models_there: list[type[models.Model]]) -> Iterator[CheckMessage]:
    """Yield a warning for each table that is not what its model declares.

    A warning and no error, because an error would keep ``migrate``, which can mend it, from
    running. A table that does not exist yet is left to ``migrate``.
    """
    by_table = {model._meta.db_table: model for model in models_there}
    # Only the bounds depend on the zone, and they are not used here.
    formats = declared_formats(by_table)
    parents = read_parents(connections[alias], list(by_table), zone=UTC, formats=formats)
    managers = read_other_managers(connections[alias], parents.values())
    as_declared: list[tuple[type[models.Model], Parent]] = []
    for table, parent in parents.items():
        message = _check_table(alias, by_table[table], parent)
        if message is None:
            as_declared.append((by_table[table], parent))
        else:
            yield message
        for each in managers[parent.oid]:
            yield _managed(by_table[table], each)
    yield from check_enforcement(connections[alias], as_declared)


def _managed(model: type[models.Model], manager: OtherManager) -> CheckMessage:
    return Notice(
        manager.sentence,
        hint=f"{model._meta.label} is maintained here too. See docs/drift.md.",
        obj=model,
        id="pg_timepart.W019",
    )


def _check_format(alias: str, model: type[models.Model], parent: Parent) -> CheckMessage | None:
    reason = contradiction(parent)
    if reason is None:
        return None
    return Notice(
        f"In the database {alias!r}, {reason}",
        hint=f"Give the decorator of {model._meta.label} another key_format.",
        obj=model,
        id="pg_timepart.W013",
    )


def _check_table(alias: str, model: type[models.Model], parent: Parent) -> CheckMessage | None:
    where = f"The table {parent.name!r} of {model._meta.label} in the database {alias!r}"
    if not parent.is_partitioned:
        return Notice(
            f"{where} is not partitioned.",
            hint=(
                "Decorating a model does not change a table that exists. Create a new model for "
                "the partitioned table and copy the rows, or remove the decorator."
            ),
            obj=model,
            id="pg_timepart.W012",
        )
    declaration = manager_of(model).declaration
    key = key_field(model, declaration)
    if key is None:
        return None
    is_named_so = parent.key is not None and is_named(key, parent.key)
    if is_named_so and parent.key_format is not None:
        return _check_format(alias, model, parent)
    if is_named_so:
        types = no_column_type_of(formats_of(declaration.key_format))
        what = f"{key.column}, which is {types}."
    else:
        what = f"{parent.description}, and the model declares RANGE ({key.column})."
    return Notice(
        f"{where} is partitioned by {what}",
        hint="Name the field of that column in the decorator, or create the table anew.",
        obj=model,
        id="pg_timepart.W013",
    )
