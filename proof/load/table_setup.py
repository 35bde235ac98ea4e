"""Set-up of the tables: old rows, configs and schedules. Needs Django set up."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from deploy.demo.schedule_change import change_schedule
from pg_timepart.models import PartitionConfig
from proof.load.clients import ACCOUNTS
from proof.load.models import TABLES, Account, Table
from proof.load.options import Options

KEPT = 3
"""How many periods stay attached in the end."""

AHEAD = 4
"""How many periods are ready in the beginning, besides those of the quiet time."""

_STARTING_MINUTES = 2

FILL = """
INSERT INTO {table} (at, number, note{columns})
SELECT at, -n, repeat('x', 80){values}
FROM generate_series(1, %(count)s) n,
LATERAL (SELECT %(first)s + (%(now)s - %(first)s) * (n - 1) / %(count)s AS at) moment
"""

# Of the version 7: milliseconds, the version, and the number of the row.
ID = """
, (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
   || '70008000' || lpad(to_hex(n), 12, '0'))::uuid
"""


def prepare(options: Options, archive: str | None) -> dict[str, int]:
    """Make the past of each table and what is wanted of it; return how many rows each has.

    The configs are disabled: nothing rotates yet.
    """
    Account._default_manager.bulk_create(Account() for _ in range(ACCOUNTS))
    now = timezone.now()
    counts = {each.label: _prepare(each, options, archive, now) for each in TABLES}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return counts


def enable(options: Options) -> None:
    """Let beat send passes over all tables from now on, which have as much ahead as they want."""
    for each in TABLES:
        config = each.partitioning.config
        config.premake = config.logs.filter(start__gt=timezone.now()).count()
        config.enabled = True
        config.full_clean()
        config.save()
        change_schedule(config, options.pass_seconds)


def disable() -> None:
    """Let nothing rotate any more."""
    for config in PartitionConfig.objects.all():
        config.enabled = False
        config.save()


def step(table: Table) -> None:
    """Make one more partition of this table due for each end, as an operator does in the admin."""
    config = table.partitioning.config
    config.premake += 1
    config.interval -= 1
    config.full_clean()
    config.save()


def _prepare(table: Table, options: Options, archive: str | None, now: datetime) -> int:
    config = table.partitioning.config
    config.enabled = False
    config.interval = options.rotations + KEPT
    if table.kind.moves and archive:
        config.detach_tablespace = archive
    if table.kind.drops:
        config.drop_after = timedelta(seconds=options.grace_seconds)
    config.full_clean()
    config.save()
    policy = config.policy()
    initial_rows = policy.period.shift(now, -config.interval, policy.zone)
    unneeded = timedelta(minutes=options.quiet_minutes + _STARTING_MINUTES)
    table.partitioning.create_range(initial_rows, now + AHEAD * table.kind.length + unneeded)
    return _fill(table, now, options.rows_a_partition * config.interval)


def _fill(table: Table, now: datetime, count: int) -> int:
    """Spread rows over the past, with negative numbers; return how many."""
    first = table.partitioning.config.logs.order_by("start")[0].start
    columns, values = (
        (", account_id", f", 1 + mod(n, {ACCOUNTS})") if table.kind.has_account else ("",) * 2
    )
    if table.kind.is_by_id:
        columns, values = f", id{columns}", f"{ID}{values}"
    with connection.cursor() as cursor:
        cursor.execute(
            FILL.format(table=table.name, columns=columns, values=values),
            {"first": first, "now": now, "count": count},
        )
        return int(cursor.rowcount)
