"""``assert_prunes``: fails with the partitions of the plan named, where there are too many."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, models
from django.db.models import Count, F
from django.db.models.functions import Now

from pg_timepart.errors import NotPartitioned
from pg_timepart.testing import assert_prunes
from tests.apps.fleet.models import Cargo, Crossing, Port, Ship
from tests.support.database import Database, at, rolled_back

MARCH, APRIL = at("2024-03-01"), at("2024-04-01")


@pytest.fixture
def ships(database: Database) -> models.QuerySet[Ship]:
    """Ships in three partitions, a month each."""
    database.cover(Ship, "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01")
    return Ship.objects.all()


def in_march(ships: models.QuerySet[Any]) -> models.QuerySet[Any]:
    return ships.filter(sailed_at__gte=MARCH, sailed_at__lt=APRIL)


def test_a_queryset_that_prunes_passes_in_whatever_form(ships: models.QuerySet[Ship]) -> None:
    for each in (
        in_march(ships),
        in_march(ships).values("name").annotate(ships=Count("id")),
        in_march(ships).order_by("-sailed_at")[:3],
        in_march(ships).union(in_march(ships).filter(name="x"), all=True),
        in_march(ships).filter(pk__in=in_march(ships).values("pk")),
        in_march(ships).select_for_update(),
        Ship.partitioning.during(MARCH, APRIL),
        ships.filter(sailed_at=MARCH),
        ships.none(),
        ships.filter(pk__in=[]),
    ):
        assert_prunes(each)


def test_too_many_partitions_are_named_with_their_table_and_what_helps(
    ships: models.QuerySet[Ship],
) -> None:
    with pytest.raises(AssertionError) as failed:
        assert_prunes(ships.filter(pk=7))

    sentence = str(failed.value)
    assert "3 of the 3 partitions of public.fleet_ship, not 1 at most" in sentence
    assert "fleet_ship_20240201_20240301, fleet_ship_20240301_20240401, " in sentence
    assert "sailed_at >= ... AND sailed_at < ..." in sentence
    assert_prunes(ships.filter(pk=7), at_most=3)
    with pytest.raises(AssertionError):
        assert_prunes(ships.filter(pk=7), at_most=2)
    with pytest.raises(AssertionError):
        assert_prunes(in_march(ships).union(ships, all=True))


def test_what_now_prunes_before_the_first_row_counts_as_pruned(
    ships: models.QuerySet[Ship],
) -> None:
    assert_prunes(ships.filter(sailed_at__gt=Now()), at_most=0)
    assert_prunes(ships.filter(sailed_at__lt=Now() - dt.timedelta(days=1)), at_most=3)


def test_each_partitioned_table_of_a_join_is_counted_by_itself(
    ships: models.QuerySet[Ship], database: Database
) -> None:
    database.cover(Cargo, "2024-02-01", "2024-03-01", "2024-04-01")
    cargo = Cargo.objects.filter(loaded_at__gte=MARCH, loaded_at__lt=APRIL)
    both = in_march(ships).filter(pk__in=cargo.values("pk"))

    assert_prunes(both)
    assert_prunes(Port.objects.filter(cargo__loaded_at=MARCH))
    with pytest.raises(AssertionError, match=r"2 of the 2 partitions of public\.fleet_cargo"):
        assert_prunes(in_march(ships).filter(pk__in=Cargo.objects.values("pk")))
    with pytest.raises(AssertionError, match="fleet_cargo"):
        assert_prunes(Port.objects.filter(cargo__code="x"))


def test_default_partitions_and_leaves_of_partitioned_partitions_count(
    ships: models.QuerySet[Ship], database: Database
) -> None:
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_ship DEFAULT")
    database.execute(
        "CREATE TABLE fleet_may PARTITION OF fleet_ship FOR VALUES FROM ('2024-05-01Z')"
        " TO ('2024-06-01Z') PARTITION BY HASH (id)"
    )
    for number in range(2):
        database.execute(
            f"CREATE TABLE fleet_may_{number} PARTITION OF fleet_may"
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {number})"
        )
    may = ships.filter(sailed_at__gte=at("2024-05-01"), sailed_at__lt=at("2024-06-01"))

    with pytest.raises(AssertionError, match=r"2 of the 6 .* fleet_may_0, fleet_may_1"):
        assert_prunes(may)
    with pytest.raises(AssertionError, match="fleet_rest"):
        assert_prunes(ships.filter(sailed_at__lt=MARCH))
    assert_prunes(in_march(ships))


def test_a_key_that_carries_its_time_is_helped_by_during(database: Database) -> None:
    model = database.build(key="id", key_format="uuid7", id=models.UUIDField(primary_key=True))
    for start, end in (("2024-02-01", "2024-03-01"), ("2024-03-01", "2024-04-01")):
        model.partitioning.create_range(at(start), at(end))

    assert_prunes(model.partitioning.during(MARCH, APRIL))
    assert_prunes(model.objects.filter(pk=model.partitioning.key_at(MARCH)))
    with pytest.raises(AssertionError, match="2 of the 2 partitions"):
        assert_prunes(model.objects.filter(at__gte=MARCH))


def test_the_database_is_the_one_that_the_queryset_reads(
    ships: models.QuerySet[Ship],
) -> None:
    other = Database("other")
    with other.tidy():
        other.execute(
            "CREATE TABLE fleet_only PARTITION OF fleet_ship"
            " FOR VALUES FROM ('2024-02-01Z') TO ('2024-06-01Z')"
        )
        assert_prunes(ships.using("other"))
        with rolled_back(), pytest.raises(AssertionError, match="3 of the 3"):
            assert_prunes(ships)
        assert not connections["other"].in_atomic_block


@pytest.mark.parametrize(
    ("wrong", "at_most", "error", "words"),
    [
        (Ship.objects, 1, TypeError, r"fleet\.Ship\.objects\.all\(\)"),
        (Ship, 1, TypeError, "takes a queryset, not ModelBase"),
        (None, 1, TypeError, "not NoneType"),
        (Ship.objects.all(), -1, ValueError, "from 0, not -1"),
        (Ship.objects.all(), "1", TypeError, "a number of partitions, not '1'"),
        (Ship.objects.all(), True, TypeError, "not True"),
        (User.objects.all(), 1, NotPartitioned, "auth.User is not partitioned"),
        (User.objects.none(), 1, NotPartitioned, "nothing to prune"),
    ],
)
@pytest.mark.usefixtures("database")
def test_bad_input_gets_a_sentence(
    wrong: Any, at_most: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        assert_prunes(wrong, at_most)


def test_a_table_that_is_not_partitioned_after_all_does_not_pass(database: Database) -> None:
    database.execute("ALTER TABLE fleet_crossing RENAME TO fleet_kept")
    try:
        database.execute("CREATE TABLE fleet_crossing (LIKE fleet_kept)")
        with pytest.raises(NotPartitioned, match="is not partitioned; the model declares"):
            assert_prunes(Crossing.objects.filter(day="2024-03-01"))
    finally:
        database.execute("DROP TABLE IF EXISTS fleet_crossing")
        database.execute("ALTER TABLE fleet_kept RENAME TO fleet_crossing")


def test_what_a_join_prunes_while_it_runs_is_not_counted_as_pruned(
    ships: models.QuerySet[Ship],
) -> None:
    with pytest.raises(AssertionError):
        assert_prunes(ships.filter(sailed_at__in=ships.filter(pk=F("pk")).values("sailed_at")))
