"""W015: configs, beat entries and tables without a decorated model. W016: rival configs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as Notice
from django.db import connections, router

from pg_timepart import conf
from pg_timepart.maintenance.config_claims import Claim, claims_on, dispute, is_free
from pg_timepart.maintenance.unattended import unattended
from pg_timepart.models.database import configs, rows_alias
from pg_timepart.partitions.tables import Parent
from pg_timepart.post_migrate.provision import has_rows
from pg_timepart.postgres.catalog import read_parents
from pg_timepart.schema.registry import declared_formats, registry


def check_belonging(
    app_configs: Sequence[AppConfig] | None = None,  # noqa: ARG001
    databases: Sequence[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Return warnings for these databases, once our own tables are migrated."""
    wanted = [each for each in databases or () if connections[each].vendor == "postgresql"]
    if not wanted or conf.problems() or not _is_migrated():
        return []
    lost = [
        Notice(each.sentence, obj=each.label, id="pg_timepart.W015")
        for each in unattended()
        if each.alias in wanted
    ]
    return [*lost, *(message for alias in wanted for message in _disputes(alias))]


def _is_migrated() -> bool:
    alias = rows_alias()
    return connections[alias].vendor == "postgresql" and has_rows(alias)


def _disputes(alias: str) -> Iterator[CheckMessage]:
    here = {each._meta.db_table: each for each in registry() if router.db_for_write(each) == alias}
    if not here:
        return
    parents = read_parents(
        connections[alias], list(here), zone=conf.zone(), formats=declared_formats(here)
    )
    claims = claims_on({each.oid: each.partitions for each in parents.values()}, alias)
    known = set(configs().values_list("model_label", flat=True))
    for table, parent in parents.items():
        label = here[table]._meta.label_lower
        rivals = [each for each in claims[parent.oid] if each.label != label]
        if rivals and (label in known or not _is_settled(rivals, parent, alias)):
            yield Notice(str(dispute(label, rivals)), obj=here[table], id="pg_timepart.W016")


def _is_settled(rivals: Sequence[Claim], parent: Parent, alias: str) -> bool:
    """Whether the next pass will relabel the only config that claims the table for this model."""
    return len(rivals) == 1 and is_free(rivals[0], parent, alias)
