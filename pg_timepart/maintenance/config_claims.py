"""Claims of configs on a table: it belongs to the config whose logs record its partitions.

A label is not enough: a model may move to another app and keep its table, or a table may be renamed
to that of another model. The config, its pins and its history follow the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, connections, models, router, transaction
from django.db.models import Q
from django.utils import timezone

from pg_timepart.constants import Outcome
from pg_timepart.findings import Code, Finding
from pg_timepart.logger import logger
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.models.database import configs, is_home, rows_alias
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Plan
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres.inheritance import read_links
from pg_timepart.schema.registry import registry

FOLLOW = "follow"
"""The operation of the PartitionRun that records the relabelling of a config."""

_SAID = ("config_id", "config__model_label", "relid", "schema_name", "table_name", "start", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A config whose logs record partitions of a table."""

    key: int
    """The config's primary key."""

    label: str
    oids: frozenset[int]
    """The partitions of the table that it records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The config of a table whose model has none; both fields are empty where none claims it."""

    config: PartitionConfig | None = None
    rivals: tuple[Claim, ...] = ()
    """Several configs that claim it; a person must decide between them."""


def claims_on(tables: Mapping[int, Sequence[Partition]], alias: str) -> dict[int, list[Claim]]:
    """Return the configs that record partitions of these tables, in one query of our tables.

    ``tables`` are partitions by the OID of their table, in the database ``alias``: in another
    database the same OIDs and names may be other tables. A log is about the partition that has its
    name, or else its OID and its bounds.
    """
    places = _Places(tables)
    found: dict[tuple[int, int, str], set[int]] = {}
    for key, label, *said in _rows_about(places):
        for table, oid in places.meant_by(*said):
            found.setdefault((table, key, label), set()).add(oid)
    claims: dict[int, list[Claim]] = {table: [] for table in tables}
    for (table, key, label), oids in sorted(found.items()):
        if _is_about(label, alias):
            claims[table].append(Claim(key=key, label=label, oids=frozenset(oids)))
    return claims


def rivals_of(config: PartitionConfig, parent: Parent, alias: str) -> tuple[Claim, ...]:
    """Return the claims of other configs on a table; ``config`` need not be saved."""
    there = (*parent.partitions, *parent.detached)
    return tuple(
        each for each in claims_on({parent.oid: there}, alias)[parent.oid] if each.key != config.pk
    )


def owner_of(model: type[models.Model], parent: Parent, alias: str) -> Owner:
    """Return the config of the table of a model that has no config, relabelled for this model.

    Only a single claim is relabelled, and only if its own label has no model and no other table.
    """
    found = rivals_of(PartitionConfig(), parent, alias)
    if not found:
        return Owner(config=_follow_name(model, parent, alias))
    if len(found) > 1 or not is_free(found[0], parent, alias):
        return Owner(rivals=found)
    followed = relabel(found[0].key, found[0].label, model._meta.label_lower)
    return Owner(config=followed) if followed else Owner(rivals=found)


def is_free(claim: Claim, parent: Parent, alias: str) -> bool:
    """Return whether the claim's label has neither a decorated model nor another table."""
    if claim.label in _installed():
        return False
    rows = PartitionLog.objects.using(rows_alias()).filter(config=claim.key)
    links = read_links(connections[alias], [each.relation for each in rows])
    return all(each.parent.oid == parent.oid for each in links)


def relabel(key: int, old: str, new: str) -> PartitionConfig | None:
    """Relabel the config to ``new``, with its logs, its runs and its beat entry.

    Returns it; None where its label is not ``old`` any more, or ``new`` has another config.
    """
    using = rows_alias()
    try:
        with transaction.atomic(using=using):
            config = (
                configs().select_for_update(no_key=True).filter(pk=key, model_label=old).first()
            )
            if config is None:
                return None
            config.model_label = new
            config.save(using=using, update_fields=["model_label"])
            _take_along(config, old)
    except IntegrityError:
        return None
    logger.info("The config of %s is that of %s now, as its table is.", old, new)
    return config


def has_loose_configs() -> bool:
    """Return whether there is a config without a model: it may belong to any table."""
    return configs().exclude(model_label__in=_installed()).exists()


def without_retirement(
    plan: Plan, label: str, rivals: Sequence[Claim], *, is_by_hand: bool = False
) -> Plan:
    """Return the plan without what would be retired while another config claims the table.

    What a person asks to detach stays, because it can be attached again. The claim is a problem of
    the plan; where ``is_by_hand``, nothing is left out and the claim is only a note.
    """
    if not rivals:
        return plan
    retired = [each for each in plan.actions if each.retires]
    said = dispute(label, rivals)
    if is_by_hand and not retired:
        return replace(plan, notes=(*plan.notes, said))
    return plan.without(retired, said)


def retires(plan: Plan) -> bool:
    """Return whether a plan detaches because of retention, or drops."""
    return any(each.retires for each in plan.actions)


def dispute(label: str, rivals: Iterable[Claim]) -> Finding:
    """Return the finding that more than one config claims the table, with what to do."""
    claims = list(rivals)
    others = " and ".join(f"{each.label}{_state(each)}" for each in claims)
    return Finding(
        Code.CONFIG_DISPUTED,
        f"Partitions of the table of {label} are recorded for another config too: {others}. Until"
        f" one is left, nothing is detached by itself or dropped. {_way_out(label, claims)}",
    )


def _way_out(label: str, rivals: list[Claim]) -> str:
    """Return what to do; a config whose model exists and needs it is not to be deleted."""
    installed = _installed()
    is_needed = all(each.label in installed for each in rivals)
    if is_needed and not configs().filter(model_label=label).exists():
        return (
            f"If only {label} has this table by now, save a config that says what is wanted of it:"
            f" PartitionConfig.objects.create(model_label={label!r}, ...)."
        )
    return "See in the admin which says what is wanted, and delete the other."


class _Places:
    """Partitions by their names and by their OIDs."""

    def __init__(self, tables: Mapping[int, Sequence[Partition]]) -> None:
        self.by_name: dict[tuple[str, str], tuple[int, Partition]] = {}
        self.by_oid: dict[int, tuple[int, Partition]] = {}
        for table, partitions in tables.items():
            for each in partitions:
                self.by_name[each.schema, each.name] = self.by_oid[each.oid] = (table, each)

    def meant_by(
        self, relid: int, schema: str, name: str, start: Any, end: Any
    ) -> Iterator[tuple[int, int]]:
        """Yield the OIDs of the table and partition that a log is about, if there is one."""
        named, numbered = self.by_name.get((schema, name)), self.by_oid.get(relid)
        if named is not None:
            yield named[0], named[1].oid
        elif numbered is not None and numbered[1].bounds == Bounds(start=start, end=end):
            yield numbered[0], relid


def _rows_about(places: _Places) -> Iterable[tuple[Any, ...]]:
    if not places.by_oid:
        return ()
    names = {name for _, name in places.by_name}
    rows = PartitionLog.objects.using(rows_alias()).order_by()
    about = rows.filter(Q(relid__in=places.by_oid) | Q(table_name__in=names))
    found: Iterable[tuple[Any, ...]] = about.values_list(*_SAID)
    return found


def _is_about(label: str, alias: str) -> bool:
    """Whether the table of the config with this label is in this database."""
    model = _installed().get(label)
    if model is not None:
        return is_home(model, alias)
    app_label, _, name = label.partition(".")
    return bool(router.allow_migrate(alias, app_label, model_name=name))


def _follow_name(model: type[models.Model], parent: Parent, alias: str) -> PartitionConfig | None:
    """Return the relabelled config of a removed model whose table would have this table's name.

    It must record no partition of the table, which may have none attached.
    """
    name = model._meta.db_table
    for key, label in configs().values_list("pk", "model_label"):
        claim = Claim(key=key, label=label, oids=frozenset())
        is_meant = label.replace(".", "_") == name and _is_about(label, alias)
        if is_meant and is_free(claim, parent, alias):
            return relabel(key, label, model._meta.label_lower)
    return None


def _take_along(config: PartitionConfig, old: str) -> None:
    """Relabel the runs with their config, and record the relabelling itself."""
    runs = PartitionRun.objects.using(config._state.db)
    of_it = Q(config=config) | Q(config=None, model_label=old)
    runs.filter(of_it).update(model_label=config.model_label)
    runs.create(
        config=config,
        model_label=config.model_label,
        operation=FOLLOW,
        outcome=Outcome.DONE.value,
        message=f"This was the config of {old}, whose table is that of {config.model_label} now.",
        started_at=timezone.now(),
        seconds=0.0,
    )


def _state(claim: Claim) -> str:
    return "" if claim.label in _installed() else " (its model is gone)"


def _installed() -> dict[str, type[models.Model]]:
    return {each._meta.label_lower: each for each in registry()}
