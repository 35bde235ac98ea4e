"""Send the signals of what was done, after the commit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.actions.handlers import HANDLERS
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.report import ActionResult


def announce(work: Work, results: Iterable[ActionResult]) -> None:
    """Send the signals once the change is committed; a receiver's error is logged, not raised."""
    by_oid = {log.relid: log for log in work.logs}
    by_place = {(log.schema_name, log.table_name): log for log in work.logs}
    for result in results:
        signal = HANDLERS[result.kind].signal
        made = by_place.get((work.parent.schema, result.partition))
        log = made if result.oid is None else by_oid.get(result.oid)
        if signal is not None and log is not None and result.outcome is Outcome.DONE:
            send = partial(signal.send_robust, sender=work.target.model, partition_log=log)
            transaction.on_commit(send, using=work.target.connection.alias, robust=True)
