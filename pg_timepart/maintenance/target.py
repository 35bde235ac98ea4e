"""Target of a run: the model, its config, and the databases of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart import conf
from pg_timepart.errors import Conflict, NotPartitioned, UnknownName
from pg_timepart.maintenance import config_claims
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.models.database import configs, is_home
from pg_timepart.partitions.contradiction import refuse_contradiction
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import formats_of, no_column_type_of
from pg_timepart.partitions.plan import Plan, PlanInput, Policy
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.catalog import read_parent, read_parents
from pg_timepart.postgres.lock_waits import Budget
from pg_timepart.schema.declaration import Declaration, declaration_of, key_column, own_key_field
from pg_timepart.schema.registry import declared_formats, manager_of, registry, seeded_fields

CONFIG_IS_GONE = "Its config was deleted while the run was at work."


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One partitioned model with its config and databases."""

    model: type[models.Model]
    declaration: Declaration
    config: PartitionConfig
    """The config; not saved where our tables or the model's own are not migrated: no logs then."""

    alias: str
    """The database of the table, through which statements run."""

    claimed_by: tuple[config_claims.Claim, ...] = ()
    """Configs that claim the table of a model without a config, none of which can be relabelled."""

    is_disputed: bool = False
    """Whether it is unknown which config the table has, so that none is made."""

    @property
    def label(self) -> str:
        """``app.model``, in lower case."""
        return self.model._meta.label_lower

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """The connection that runs the DDL: the caller's own while that is in a transaction."""
        own = connections[self.alias]
        if own.in_atomic_block:
            return own
        return connections[conf.maintenance_alias(self.alias)]

    @property
    def keeps_logs(self) -> bool:
        """Whether there are logs to keep in step with the catalog."""
        return not self.config._state.adding

    def lock_budget(self, *, is_urgent: bool = False) -> Budget:
        """Return how long a run may wait for a lock, and make others wait.

        Urgent actions may make others wait for longer, where the settings allow it.
        """
        options = conf.options()
        urgent_ms = options.URGENT_LOCK_BUDGET_MS if is_urgent else None
        return Budget(
            lock_ms=options.LOCK_BUDGET_MS if urgent_ms is None else urgent_ms,
            wait_seconds=options.LOCK_WAIT_SECONDS,
            long_transaction_ms=options.LONG_TRANSACTION_MS,
        )

    def read_config(self) -> None:
        """Read the config anew; raises Conflict where it is deleted."""
        if not self.keeps_logs:
            return
        try:
            self.config.refresh_from_db(using=self.config._state.db)
        except PartitionConfig.DoesNotExist as error:
            raise Conflict(CONFIG_IS_GONE) from error

    def policy(self, parent: Parent) -> Policy:
        """Return the policy, checked against the key format; raises InvalidPolicy."""
        policy = self.config.policy()
        if parent.key_format is not None:
            parent.key_format.check_period(policy.period)
        return policy

    def plan_input(self, parent: Parent, logs: Sequence[PartitionLog], now: datetime) -> PlanInput:
        """Return the planner's input for the table as it was just read; raises InvalidPolicy."""
        known = tuple(each.known() for each in logs)
        return PlanInput(parent=parent, known=known, policy=self.policy(parent), now=now)

    def rivals(self, parent: Parent) -> tuple[config_claims.Claim, ...]:
        """Return the claims of other configs on the table, in one query."""
        if not self.keeps_logs and not self.is_disputed:
            return ()
        return config_claims.rivals_of(self.config, parent, self.alias)

    def agreed(self, plan: Plan, parent: Parent) -> Plan:
        """Return the plan, without retirement while other configs claim the table."""
        if not config_claims.retires(plan):
            return plan
        return config_claims.without_retirement(plan, self.label, self.rivals(parent))

    def logs(self) -> list[PartitionLog]:
        """Return the logs of this table's partitions, in one query."""
        return list(self.config.logs.all()) if self.keeps_logs else []

    def read(self, logs: list[PartitionLog]) -> Parent:
        """Return the table from the catalog, in one query; raises NotPartitioned."""
        table = self.model._meta.db_table
        parent = read_parent(
            self.connection,
            table,
            zone=conf.zone(),
            key_format=self.declaration.key_format,
            detached=[each.relid for each in logs],
        )
        return usable(self, parent)


def usable(target: Target, parent: Parent | None) -> Parent:
    """Return ``parent`` if it is partitioned as the model declares, else raise NotPartitioned.

    It is KeyFormatContradicted where only the bounds are not as declared.
    """
    table, label = target.model._meta.db_table, target.model._meta.label
    if parent is None:
        raise NotPartitioned(
            f"The table {table} of {label} does not exist in the database {target.alias!r}:"
            " run migrate, or see that its schema is in search_path and that the role may use it"
            " (GRANT USAGE)."
        )
    wanted = key_column(target.model, target.declaration)
    if parent.key == wanted and parent.key_format is not None:
        refuse_contradiction(parent)
        return parent
    how = _otherwise(parent, wanted, target.declaration.key_format)
    raise NotPartitioned(
        f"The table {table} of {label} {how}. Adding the decorator changes"
        " no existing table; it must be converted, or made anew by migrate."
    )


def _otherwise(parent: Parent, wanted: str | None, declared: KeyFormat | None) -> str:
    """Return the sentence on how the table is partitioned, and how the model declares it."""
    if parent.key == wanted:
        types = no_column_type_of(formats_of(declared))
        return f"is partitioned by {wanted}, which is {types}"
    if not parent.is_partitioned:
        return f"is not partitioned; the model declares RANGE ({wanted})"
    return f"is partitioned by {parent.description}; the model declares RANGE ({wanted})"


def read_table(connection: BaseDatabaseWrapper, model: type[models.Model]) -> Parent | None:
    """Return the table of a partitioned model with its attached partitions, or None."""
    declared = _declared(model).key_format
    return read_parent(connection, model._meta.db_table, zone=conf.zone(), key_format=declared)


def read_tables(
    connection: BaseDatabaseWrapper,
    targets: Sequence[Target],
    logs: Callable[[Target], Iterable[PartitionLog]],
) -> dict[str, Parent]:
    """Return the tables of these targets in the connection's database, by name, in one query.

    Each with its detached partitions, as ``logs`` has them. Two models may have one table, while a
    model moves to another app.
    """
    models_there = {each.model._meta.db_table: each.model for each in targets}
    detached: dict[str, list[int]] = {}
    for each in targets:
        oids = detached.setdefault(each.model._meta.db_table, [])
        oids += [log.relid for log in logs(each) if not log.is_attached]
    return read_parents(
        connection,
        list(detached),
        zone=conf.zone(),
        formats=declared_formats(models_there),
        detached=detached,
    )


def decorated(label: str) -> type[models.Model]:
    """Return the partitioned model of this label, in any case; raises UnknownName."""
    known = {each._meta.label_lower: each for each in registry()}
    try:
        return known[label.lower()]
    except (KeyError, AttributeError) as error:
        raise UnknownName("partitioned model", str(label), list(known)) from error


def target_named(label: str, config: PartitionConfig | None = None) -> Target:
    """Return the target of the model ``label``; see target_of(). Raises UnknownName."""
    return target_of(decorated(label), config=config)


def target_of(
    model: type[models.Model], using: str | None = None, config: PartitionConfig | None = None
) -> Target:
    """Return the target of ``model``.

    Where no config is given or saved, one is made, unless the table does not exist either: a
    message that outlives its model shall not bring back what ``migrate`` removed with the table.
    ``using`` is the alias of the table's database; the routers' answer for writes by default. In
    any other database the table has no logs: ours are about the one that the routers name.
    """
    declaration, alias = _declared(model), using or router.db_for_write(model)
    if not is_home(model, alias):
        return _target_elsewhere(model, alias)
    known = config or _saved_config(model)
    if known is None:
        return _first_target(model, alias)
    return Target(model=model, declaration=declaration, config=known, alias=alias)


def target_without_logs(model: type[models.Model], using: str) -> Target:
    """Return the target of a model without logs: they are elsewhere, or not migrated yet."""
    config = PartitionConfig(model_label=model._meta.label_lower, **defaults_of(model))
    return Target(model=model, declaration=_declared(model), config=config, alias=using)


def _target_elsewhere(model: type[models.Model], using: str) -> Target:
    """Return the target of the model's table in a database that the routers do not name.

    It has no logs, and the policy of the model's config applies there too.
    """
    target, known = target_without_logs(model, using), _saved_config(model)
    if known is None:
        return target
    wanted = [each.attname for each in known._meta.local_concrete_fields if each.editable]
    copied = {name: getattr(known, name) for name in wanted if name != "id"}
    return replace(target, config=PartitionConfig(**copied))


def config_of(model: type[models.Model]) -> PartitionConfig:
    """Return the config, made from the decorator's defaults if there is none.

    Raises Conflict where other configs claim the table, and only a person can decide.
    """
    found = _saved_config(model)
    if found is not None:
        return found
    target = target_of(model)
    if target.is_disputed:
        raise Conflict(str(config_claims.dispute(target.label, target.claimed_by)))
    return target.config if target.keeps_logs else _new_config(model)


def _first_target(model: type[models.Model], alias: str) -> Target:
    """Return the target of a model for which there is no config yet.

    A table whose partitions are recorded for another config keeps that one: a config of defaults
    might retire partitions that an operator wanted to keep.
    """
    without_logs = target_without_logs(model, alias)
    try:
        parent = read_table(connections[alias], model)
    except DatabaseError:  # the run itself raises it again, and records it
        if config_claims.has_loose_configs():
            return replace(without_logs, is_disputed=True)
        return replace(without_logs, config=_new_config(model))
    if parent is None:
        return without_logs
    owner = config_claims.owner_of(model, parent, alias)
    if owner.rivals:
        return replace(without_logs, is_disputed=True, claimed_by=owner.rivals)
    return replace(without_logs, config=owner.config or _new_config(model))


def _new_config(model: type[models.Model]) -> PartitionConfig:
    label = model._meta.label_lower
    return configs().get_or_create(model_label=label, defaults=defaults_of(model))[0]


def _saved_config(model: type[models.Model]) -> PartitionConfig | None:
    return configs().filter(model_label=model._meta.label_lower).first()


def defaults_of(model: type[models.Model]) -> dict[str, Any]:
    """Return the fields of a new config that the decorator seeds, checked."""
    seeded = seeded_fields(manager_of(model).defaults)
    PartitionConfig(model_label=model._meta.label_lower, **seeded).policy()
    return seeded


def _declared(model: type[models.Model]) -> Declaration:
    declaration = declaration_of(model)
    if declaration is None or own_key_field(model, declaration) is None:
        known = [each._meta.label_lower for each in registry()]
        raise UnknownName("partitioned model", model._meta.label_lower, known)
    return declaration
