"""Tables whose last runs all gave way to a lock, because another session keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.report import is_for_a_lock
from pg_timepart.models import PartitionConfig, PartitionRun
from pg_timepart.models.database import rows_alias

REPEATED = 3
"""So many in a row are no coincidence; one long run defers one or two others."""


def deferred_repeatedly(configs: Iterable[PartitionConfig]) -> frozenset[str]:
    """Return the labels of those whose last REPEATED recorded runs all gave way to a lock.

    Not of those that were deferred for a finding only, which status reports by itself. At most one
    query, and none where no last run ended so.
    """
    labels = [
        each.model_label
        for each in configs
        if each.last_outcome == Outcome.DEFERRED and not was_well_since(each)
    ]
    if not labels:
        return frozenset()
    number = Window(
        RowNumber(),
        partition_by=F("model_label"),
        order_by=[F("started_at").desc(), F("pk").desc()],
    )
    runs = PartitionRun.objects.using(rows_alias()).filter(model_label__in=labels)
    last = runs.annotate(number=number).filter(number__lte=REPEATED)
    deferred = Counter(
        label
        for label, outcome, actions in last.values_list("model_label", "outcome", "actions")
        if outcome == Outcome.DEFERRED and _gave_way(actions)
    )
    return frozenset(label for label, count in deferred.items() if count == REPEATED)


def _gave_way(actions: Sequence[Mapping[str, Any]]) -> bool:
    """Return the same of a recorded run as ``Report.gave_way``; old records have no codes."""
    return is_for_a_lock(
        each.get("code") for each in actions if each.get("outcome") == Outcome.DEFERRED
    )


def was_well_since(config: PartitionConfig) -> bool:
    """Return whether a later run found nothing to do, which is recorded in the config alone.

    By the server's clock it may seem to be earlier, where that was ahead for a while.
    """
    return config.last_checked_at != config.last_run_at
