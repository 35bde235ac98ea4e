"""``timepart`` with words of any kind: an exit status and a sentence, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apps.fleet.models import Ship
from tests.hostile.quoting_check import nothing_breaks_out
from tests.hostile.values import LABELS, MOMENTS, NAMES
from tests.support.command_line import run_timepart, timepart
from tests.support.database import Database, at

OPERATIONS = (
    *("status", "plan", "maintain", "create", "detach"),
    *("attach", "move", "drop", "reconcile", "destroy"),
)
OPTIONS = (
    *("--json", "--yes", "--plain", "--expired", "--all", "--days", "--from", "--to"),
    *("--pin", "--partition", "--tablespace", "--", "-", "--no-such-option"),
)

words = st.one_of(
    st.sampled_from(OPTIONS),
    st.builds("{}={}".format, st.sampled_from(OPTIONS[5:11]), st.sampled_from((*MOMENTS, *NAMES))),
    st.sampled_from((*LABELS, "fleet.ship", "fleet_ship_20010101_20010201", "pg_default", "3")),
    # The operating system itself passes no NUL.
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
)


@pytest.fixture(autouse=True)
def fleet_tables(database: Database) -> Iterator[None]:
    """Ships with a partition that has a row, which is attached and so cannot be dropped."""
    (log,) = database.cover(Ship, "2001-01-01", "2001-02-01")
    Ship.objects.create(sailed_at=at("2001-01-01"))
    with nothing_breaks_out(database):
        yield
    assert database.one(f"SELECT count(*) FROM {log.table_name}") == 1


@settings(settings.get_profile("hostile"))
@given(operation=st.sampled_from(OPERATIONS), rest=st.lists(words, max_size=5))
def test_words_of_any_kind(operation: str, rest: list[str]) -> None:
    without_drop = [each for each in rest if each != "--expired"]
    ended = timepart(operation, *without_drop)
    assert ended.status in {0, 1, 2}
    assert ended.status == 0 or ended.error, ended


@pytest.mark.parametrize(
    "line",
    [
        ("maintain", NAMES[0]),
        ("detach", "fleet.ship", f"--partition={NAMES[1]}"),
        ("move", "fleet.ship", "--partition=fleet_ship_20010101_20010201", "--tablespace=%s"),
        ("create", "fleet.ship", "--from=now", "--to=2024-01-01"),
        ("create", "fleet.ship", "--days=-1"),
        ("status", "fleet.\udcff"),
    ],
    ids=lambda line: line[0],
)
def test_a_program_of_its_own_says_what_is_wrong(line: tuple[str, ...]) -> None:
    ended = run_timepart(*line)
    assert ended.status in {1, 2}
    assert ended.error.strip()
    assert "Traceback" not in ended.error + ended.out
