"""Ask a person at a terminal before an operation that must be confirmed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from django.core.management.base import BaseCommand, CommandError

from pg_timepart import conf
from pg_timepart.constants import State
from pg_timepart.errors import Refused
from pg_timepart.maintenance.operation_registry.operation import Confirmation, Operation
from pg_timepart.maintenance.target import Target
from pg_timepart.management import rendering
from pg_timepart.models import PartitionLog
from pg_timepart.status import status_of


def refuse_states(
    operation: Operation, confirmation: Confirmation, logs: Sequence[PartitionLog]
) -> None:
    """Raise Refused for a partition in a state that the operation does not take."""
    for each in logs:
        state = State.ATTACHED if each.is_attached else State.DETACHED
        if state not in operation.states:
            raise Refused(
                f"{each.table_name} is {state}: {confirmation.refusal}."
                f" Nothing was {confirmation.participle}."
            )


def ask(
    command: BaseCommand,
    operation: Operation,
    confirmation: Confirmation,
    target: Target,
    logs: Sequence[PartitionLog],
) -> None:
    """Show the tables and ask a person to type yes; raises CommandError for all else."""
    name = operation.name
    if not sys.stdin.isatty():
        raise CommandError(f"Nobody is there to ask: add --yes to {name} without asking.")
    oids = {each.relid for each in logs}
    listed = [each for each in status_of(target.model).partitions if each.oid in oids]
    lines = rendering.partition_table(listed, conf.zone())
    warning = "\n".join([f"{confirmation.warning}:", *lines])
    command.stderr.write(warning, command.style.WARNING)
    command.stderr.write(f"Type yes to {name} them: ", ending="")
    command.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise CommandError(f"Nothing was {confirmation.participle}.")
