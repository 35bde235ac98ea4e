"""Unattended labels: configs, beat entries and tables without a decorated model.

Where a decorator is removed or lost, or an app is not installed, passes end without an error, and
the partitions run out. Reads only, in a constant number of queries for each database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.db import connections, models, router

from pg_timepart import conf
from pg_timepart.beat.config_entries import TASK_PREFIX
from pg_timepart.beat.entries import beat_entries, is_beat_installed
from pg_timepart.findings import Code, Finding
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.models.database import configs, rows_alias
from pg_timepart.partitions.addresses import qualified
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.partitions.tables import Parent, Relation
from pg_timepart.postgres.catalog import read_parents
from pg_timepart.postgres.ddl import quoted
from pg_timepart.postgres.inheritance import read_links, read_strays
from pg_timepart.schema.registry import declared_formats, registry


@dataclass(slots=True, kw_only=True)
class Unattended:
    """A label that no decorated model has, with what is left of it."""

    label: str
    """The label, as our configs, beat or the comments on partitions have it."""

    config: PartitionConfig | None = None
    entries: list[str] = field(default_factory=list)
    """Names of the entries of beat that send tasks for it."""

    alias: str = field(default_factory=rows_alias)
    """The database of its table; of our rows where there is none."""

    tables: list[Parent] = field(default_factory=list)
    """Tables to which nothing adds partitions."""

    heir: str = ""
    """The label of the decorated model that has its table by now."""

    is_installed: bool = False
    """Whether the label is that of a decorated model, which has another table by now."""

    @property
    def sentence(self) -> str:
        """The sentence for a person: what it is and what to do."""
        return " ".join(self._said())

    @property
    def finding(self) -> Finding:
        """The same with its code."""
        code = Code.UNATTENDED_AND_FULL if self.is_full else Code.UNATTENDED
        return Finding(code, self.sentence)

    @property
    def is_full(self) -> bool:
        """Whether a table of it has no room left for new rows."""
        return any(_is_full(each) for each in self.tables)

    def _said(self) -> Iterator[str]:
        if self.heir:
            yield (
                f"The table of {self.label} is that of {self.heir} by now. Its next pass takes over"
                " this config, unless it has one: then see in the admin which says what is wanted,"
                " and delete the other."
            )
            return
        if self.is_installed:
            yield f"{self.label} has another table by now, and nothing maintains the one it had."
        else:
            yield f"No partitioned model {self.label} is installed, so nothing maintains its table."
        yield from (_room(each) for each in self.tables)
        if self.entries:
            yield f"Beat sends tasks that fail: {', '.join(self.entries)}."
        if not self.is_installed:
            yield "Put the decorator back, or the app that has the model."
        yield f"If it shall be left alone, {' and '.join(self._left_behind())}."

    def _left_behind(self) -> Iterator[str]:
        if self.config is not None:
            yield "delete its config in the admin"
        elif self.entries:
            yield "delete these entries of beat"
        if self.tables:
            yield "remove the comments of pg_timepart from its partitions"


def unattended() -> list[Unattended]:
    """Return all unattended labels, in order.

    Raises the database's error where our tables, beat's or a catalog cannot be read.
    """
    return _Search().run()


class _Search:
    """The labels that are found, and what is found of each."""

    def __init__(self) -> None:
        self.installed = {each._meta.label_lower: each for each in registry()}
        self.found: dict[str, Unattended] = {}
        self.recorded: dict[Relation, str] = {}

    def run(self) -> list[Unattended]:
        """Read our tables and beat's, then the catalog of each database."""
        for config in configs().exclude(model_label__in=self.installed):
            self._of(config.model_label).config = config
        for label, name in _entries():
            if label not in self.installed:
                self._of(label).entries.append(name)
        self._read_logs()
        for alias in sorted({rows_alias(), *map(router.db_for_write, registry())}):
            if connections[alias].vendor == "postgresql":
                self._look_into(alias)
        return [self.found[label] for label in sorted(self.found)]

    def _of(self, label: str) -> Unattended:
        is_installed = label in self.installed
        return self.found.setdefault(label, Unattended(label=label, is_installed=is_installed))

    def _read_logs(self) -> None:
        keys = [each.config.pk for each in self.found.values() if each.config]
        if keys:
            rows = PartitionLog.objects.using(rows_alias()).filter(config__in=keys).order_by()
            found = rows.select_related("config")
            self.recorded = {each.relation: each.config.model_label for each in found}

    def _look_into(self, alias: str) -> None:
        connection = connections[conf.maintenance_alias(alias)]
        here = {each._meta.db_table: each for each in registry() if _is_in(each, alias)}
        bare = {each.replace(".", "_"): each for each in self.found}
        tables: dict[int, tuple[str, Relation]] = {}
        for stray in read_strays(connection, list(here), list(bare)):
            label = bare[stray.table.name] if stray.comment is None else stray.comment.label
            tables[stray.table.oid] = label, stray.table
        for link in read_links(connection, self.recorded):
            tables[link.parent.oid] = self.recorded[link.partition], link.parent
        self._add(alias, here, tables)

    def _add(
        self,
        alias: str,
        here: dict[str, type[models.Model]],
        tables: dict[int, tuple[str, Relation]],
    ) -> None:
        if not tables:
            return
        connection = connections[conf.maintenance_alias(alias)]
        names = [*here, *(_quoted(table) for _, table in tables.values())]
        read = read_parents(connection, names, zone=conf.zone(), formats=declared_formats(here))
        heirs = {read[name].oid: model for name, model in here.items() if name in read}
        for oid, (label, table) in tables.items():
            item = self._of(label)
            item.alias = alias
            if oid in heirs:
                item.heir = heirs[oid]._meta.label_lower
            elif _quoted(table) in read:
                item.tables.append(read[_quoted(table)])


def _entries() -> Iterable[tuple[str, str]]:
    """Yield the model and the name of each entry of beat that sends a task of ours for one."""
    if not is_beat_installed():
        return
    entries = beat_entries().filter(task__startswith=TASK_PREFIX, enabled=True).order_by("name")
    for args, name in entries.values_list("args", "name"):
        label = _first(args)
        if label is not None:
            yield label, name


def _first(args: str) -> str | None:
    """Return the label that is the first argument, or None."""
    try:
        values = json.loads(args or "[]")
    except ValueError:  # beat itself says that it cannot read them
        return None
    first = values[0] if isinstance(values, list) and values else None
    return first.lower() if isinstance(first, str) else None


def _is_in(model: type[models.Model], alias: str) -> bool:
    return router.db_for_write(model) == alias


def _quoted(table: Relation) -> str:
    """Return the name as ``Meta.db_table`` could have it: with its schema, quoted throughout."""
    return quoted(table.schema, table.name)


def _is_full(table: Parent) -> bool:
    runs_out = runs_out_at(table, table.read_at)
    return runs_out is not None and runs_out <= table.read_at


def _room(table: Parent) -> str:
    name, runs_out = qualified(table), runs_out_at(table, table.read_at)
    if _is_full(table):
        return f"Every INSERT of a new row into {name} fails."
    if runs_out is None:
        return f"{name} has room without end."
    return f"{name} has room until {conf.local_time(runs_out)}."
