"""``python -m tests.neighbours.lifecycle``: migrate, and everything done to partitions, once each.

The database is an empty one. Prints what is around the connection; fails at what does not end well.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from tests.neighbours import project_setup


def main() -> None:
    """Start the neighbour, then live."""
    from tests.neighbours.third_party_packages import NEIGHBOURS

    neighbour = next(each for each in NEIGHBOURS if each.name == os.environ["NEIGHBOUR"])
    if neighbour.start:
        getattr(project_setup, neighbour.start)()
    import django

    django.setup()
    _live()


def _live() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from pg_timepart.models import PartitionConfig
    from tests.apps.plant.models import Machine, Measurement

    call_command("migrate", verbosity=0)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    now = timezone.now()
    machine = Machine.objects.create(name="mill")
    partitioning: Any = Measurement.partitioning
    partitioning.create_range(now - timedelta(days=6), now)
    for days in range(7):
        Measurement.objects.create(at=now - timedelta(days=days), value=days, machine=machine)
    PartitionConfig.objects.filter(model_label="plant.measurement").update(
        interval=3, premake=5, detach_tablespace=os.environ["ELSEWHERE"]
    )
    _rotate()
    _rotate_by_id(now)
    print("behind", type(connection.connection).__module__)
    call_command("migrate", "plant", "zero", verbosity=0)


def _rotate() -> None:
    from django.core.management import call_command

    from pg_timepart.maintenance.maintain import maintain
    from pg_timepart.models import PartitionLog
    from tests.apps.plant.models import Measurement

    report = maintain("plant.measurement")
    assert report.outcome == "done", report.reason
    kinds = {each.kind for each in report.actions}
    assert kinds >= {"create", "detach", "move"}, kinds
    detached = [each.statements[-1] for each in report.actions if each.kind == "detach"]
    assert all(each.endswith(" CONCURRENTLY") for each in detached), detached
    assert maintain("plant.measurement").outcome == "unchanged"
    first, *others = PartitionLog.objects.filter(is_attached=False).order_by("start")
    assert others
    first.attach()
    first.set_tablespace("pg_default")
    assert Measurement.objects.filter(at__lt=first.end).exists()
    Measurement.partitioning.delete_partition(others)
    assert not PartitionLog.objects.filter(is_attached=False).exists()
    call_command("timepart", "status")


def _rotate_by_id(now: datetime) -> None:
    """Rotate a table by version 7 UUIDs, to which rows of another table refer."""
    from pg_timepart.maintenance.maintain import maintain
    from pg_timepart.models import PartitionConfig
    from tests.apps.depot.models import Pallet, Weighing

    partitioning: Any = Pallet.partitioning
    partitioning.create_range(now - timedelta(days=6), now)
    pallet = Pallet.objects.create()
    Weighing.objects.create(pallet=pallet)
    assert list(partitioning.during(now - timedelta(hours=1), None)) == [pallet]
    PartitionConfig.objects.filter(model_label="depot.pallet").update(interval=3)
    report = maintain("depot.pallet")
    assert (report.outcome, {each.kind for each in report.actions}) == ("done", {"detach"}), report
    assert maintain("depot.pallet").outcome == "unchanged"


if __name__ == "__main__":
    main()
