"""Creating partitions."""

from __future__ import annotations

from tests.fleet.models import Ship
from tests.fleet.yard import Yard

pytest_plugins = ("tests.fleet.fixtures",)


def test_after_a_change_of_period_the_next_ends_at_the_next_boundary(yard: Yard) -> None:
    yard.cover(Ship, "2018-08-01", "2018-09-01")
    yard.configure(Ship, period="Week")
    Ship.partitioning.create_partition(0)
    Ship.partitioning.create_partition(0)
    assert yard.ranges(Ship) == [
        ("2018-08-01", "2018-09-01"),
        ("2018-09-01", "2018-09-03"),
        ("2018-09-03", "2018-09-10"),
    ]
