"""Reading the catalog while somebody holds everything exclusively."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from pg_timepart.maintenance import maintain
from tests.apps.shop.models import Event


@pytest.mark.usefixtures("committing")
def test_a_pass_reads_while_the_table_and_a_leaf_are_locked() -> None:
    maintain.maintain("shop.event")
    leaf = Event.partitioning.latest
    assert leaf is not None
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {leaf.table_name}, shop_event IN ACCESS EXCLUSIVE MODE")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '5s'")
            assert maintain.maintain("shop.event").outcome == "unchanged"
    finally:
        other.rollback()
        other.close()
