"""A server that keeps no account of what runs: it cannot watch over a concurrent detach."""

from __future__ import annotations

from django.db import connection

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionConfig
from tests.apps.plant.models import Reading
from tests.faults.own_server import OwnServer
from tests.support.scenarios import execute, pending, prepare_old, run_pass


def test_it_is_said_instead_of_blaming_a_pooler(database: OwnServer) -> None:
    prepare_old(Reading, interval=2)()
    execute("ALTER DATABASE postgres SET track_activities = off")
    connection.close()
    try:
        assert run_pass(Reading) is Outcome.DEFERRED
        assert pending(Reading) == []
        said = PartitionConfig.objects.get(model_label="plant.reading").last_message
        assert "track_activities is off" in said
        assert "pooler" not in said
    finally:
        execute("ALTER DATABASE postgres RESET track_activities")
        connection.close()
    assert run_pass(Reading) is Outcome.DONE
