"""What a run works on: the model, its config, and where both live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart import conf
from pg_timepart.catalog import read_parent
from pg_timepart.declaration import Declaration, declaration_of, key_column
from pg_timepart.declaring import registry
from pg_timepart.errors import Conflict, NotPartitioned, UnknownName
from pg_timepart.keeping import configs
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.plans import Known, Policy
from pg_timepart.relations import Parent
from pg_timepart.widening import declared_key

CONFIG_IS_GONE = "Its config was deleted while the run was at work."


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One partitioned model, ready to be worked on."""

    model: type[models.Model]
    declaration: Declaration
    config: PartitionConfig
    """Not saved where our tables or the model's own are not migrated: no rows are kept then."""

    alias: str
    """The database of the table, through which statements run."""

    @property
    def label(self) -> str:
        """``app.model``, in lower case."""
        return self.model._meta.label_lower

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """The connection that runs the DDL: the caller's own while it is in a transaction."""
        own = connections[self.alias]
        if own.in_atomic_block:
            return own
        return connections[conf.maintenance_alias(self.alias)]

    @property
    def keeps_rows(self) -> bool:
        """Whether there are rows to keep in step with the catalog."""
        return not self.config._state.adding

    def read_config(self) -> None:
        """Read anew what an operator wants; raises Conflict where the config is deleted."""
        if not self.keeps_rows:
            return
        try:
            self.config.refresh_from_db(using=self.config._state.db)
        except PartitionConfig.DoesNotExist as error:
            raise Conflict(CONFIG_IS_GONE) from error

    def policy(self, parent: Parent) -> Policy:
        """Return what is wanted, checked against the kind of key; raises InvalidPolicy."""
        policy = self.config.policy()
        if parent.kind is not None:
            parent.kind.check_period(policy.period)
        return policy

    def rows(self) -> list[PartitionLog]:
        """Return our rows of this table, in one query."""
        return list(self.config.logs.all()) if self.keeps_rows else []

    def read(self, rows: list[PartitionLog]) -> Parent:
        """Return the table from the catalog, in one query; raises NotPartitioned."""
        table = self.model._meta.db_table
        parent = read_parent(
            self.connection, table, zone=conf.zone(), detached=[each.relid for each in rows]
        )
        return usable(self, parent)


def usable(target: Target, parent: Parent | None) -> Parent:
    """Return ``parent`` if it is partitioned as the model declares, else raise NotPartitioned."""
    table, label = target.model._meta.db_table, target.model._meta.label
    if parent is None:
        raise NotPartitioned(
            f"The table {table} of {label} does not exist in the database {target.alias!r}:"
            " run migrate, or see that its schema is in search_path."
        )
    wanted = key_column(target.model, target.declaration)
    if parent.kind is None or parent.key != wanted:
        raise NotPartitioned(
            f"The table {table} of {label} is {parent.description}, not partitioned by RANGE of"
            f" {wanted} alone. Adding the decorator changes no existing table; it must be"
            " converted, or made anew by migrate."
        )
    return parent


def known_rows(rows: list[PartitionLog]) -> list[Known]:
    """Return what planning needs to know of the rows."""
    return [each.known() for each in rows]


def decorated(label: str) -> type[models.Model]:
    """Return the partitioned model of this label, in any case; raises UnknownName."""
    known = {each._meta.label_lower: each for each in registry()}
    try:
        return known[label.lower()]
    except (KeyError, AttributeError) as error:
        raise UnknownName("partitioned model", str(label), list(known)) from error


def target_of(
    model: type[models.Model], using: str | None = None, config: PartitionConfig | None = None
) -> Target:
    """Return what a run on ``model`` works on.

    Where no config is given or there, its row is made, unless the table is not there either: a
    message that outlives its model shall not bring back what ``migrate`` removed with the table.

    ``using`` is the alias of the table's database; the routers' answer for writes by default. In
    any other database the table has no rows of ours: those are about the one that they name.
    """
    declaration, alias = _declared(model), using or router.db_for_write(model)
    if not _is_home(model, alias):
        return _target_elsewhere(model, alias)
    known = config or _saved_config(model)
    if known is None and not _has_table(model, alias):
        return target_without_rows(model, alias)
    return Target(
        model=model, declaration=declaration, config=known or config_of(model), alias=alias
    )


def target_without_rows(model: type[models.Model], using: str) -> Target:
    """Return what a run works on that keeps no rows: they are elsewhere, or not migrated yet."""
    config = PartitionConfig(model_label=model._meta.label_lower, **defaults_of(model))
    return Target(model=model, declaration=_declared(model), config=config, alias=using)


def _target_elsewhere(model: type[models.Model], using: str) -> Target:
    """Return the table of the model in a database that the routers do not name.

    It keeps no rows, and what an operator wants of the model is wanted there too.
    """
    target, known = target_without_rows(model, using), _saved_config(model)
    if known is None:
        return target
    wanted = [each.attname for each in known._meta.local_concrete_fields if each.editable]
    copied = {name: getattr(known, name) for name in wanted if name != "id"}
    return replace(target, config=PartitionConfig(**copied))


def _is_home(model: type[models.Model], alias: str) -> bool:
    """Whether this is the database that the routers name for the model, by whatever alias."""
    named = router.db_for_write(model)
    if alias in {named, conf.maintenance_alias(named)}:
        return True
    return _place(alias) == _place(named)


def _place(alias: str) -> tuple[str, ...]:
    options = connections[alias].settings_dict
    return tuple(str(options.get(name) or "") for name in ("HOST", "PORT", "NAME"))


def config_of(model: type[models.Model]) -> PartitionConfig:
    """Return the config row, made from the decorator's defaults if there is none."""
    rows = configs()
    label = model._meta.label_lower
    found = _saved_config(model)
    return found or rows.get_or_create(model_label=label, defaults=defaults_of(model))[0]


def _saved_config(model: type[models.Model]) -> PartitionConfig | None:
    rows = configs()
    return rows.filter(model_label=model._meta.label_lower).first()


def _has_table(model: type[models.Model], alias: str) -> bool:
    try:
        parent = read_parent(connections[alias], model._meta.db_table, zone=conf.zone())
    except DatabaseError:  # the run itself meets it again, and records it
        return True
    return parent is not None


def defaults_of(model: type[models.Model]) -> dict[str, Any]:
    """Return the fields of a new config that the decorator seeds, checked."""
    given: dict[str, Any] = getattr(model, "partitioning").defaults  # noqa: B009
    fields = {name.removeprefix("default_"): value for name, value in given.items()}
    seeded = {name: value for name, value in fields.items() if value is not None}
    PartitionConfig(model_label=model._meta.label_lower, **seeded).policy()
    return seeded


def _declared(model: type[models.Model]) -> Declaration:
    declaration = declaration_of(model)
    if declaration is None or declared_key(model, declaration) is None:
        known = [each._meta.label_lower for each in registry()]
        raise UnknownName("partitioned model", model._meta.label_lower, known)
    return declaration
