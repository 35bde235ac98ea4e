"""``timepart`` with whole lines of which a word or two is hostile: refused, and nothing changed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.hostile.tables_to_protect import OFF, ON, SHIP, rows
from tests.hostile.values import LABELS, MOMENTS, NAMES, texts
from tests.support.command_line import CommandResult, timepart

pytest_plugins = ("tests.hostile.fixtures",)
pytestmark = pytest.mark.usefixtures("two_partitions")

Line = tuple[str, ...]

FROM_ARGPARSE = "Error: "

unlike_days = texts.filter(lambda each: not each[:1].isdecimal())
days = st.one_of(st.sampled_from(("-1", "1e3", "1.5", "9" * 5_000, "\u0663")), unlike_days)
moments = st.one_of(st.sampled_from(MOMENTS), unlike_days)
names = st.one_of(st.sampled_from((*NAMES, "pg_class", "fleet_ship", f'"{ON}"', "")), texts)
labels = st.one_of(
    st.sampled_from(LABELS), texts.filter(lambda each: not each.startswith(("-", "f")))
)
partitions = st.lists(st.one_of(names, st.sampled_from((ON, OFF))), min_size=1, max_size=3).filter(
    lambda each: not {ON, OFF}.issuperset(each)
)


def chosen(found: list[str]) -> Line:
    return tuple(f"--partition={each}" for each in found)


def of_ships(operation: str, *options: st.SearchStrategy[Line]) -> st.SearchStrategy[Line]:
    """Return lines of a real label with one value of each of these options."""
    return st.tuples(*options).map(lambda found: (operation, SHIP, *sum(found, ())))


def valued(option: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[Line]:
    return values.map(lambda each: (f"{option}={each}",))


def sure(*words: str) -> st.SearchStrategy[Line]:
    return st.just(words)


hostile = partitions.map(chosen)
known = st.sampled_from((chosen([ON]), chosen([OFF])))

of_hostile_options = st.one_of(
    of_ships("create", valued("--days", days)),
    of_ships("create", valued("--from", moments), sure("--to=2002-01-01")),
    of_ships("create", sure("--from=2002-01-01"), valued("--to", moments)),
    of_ships("create", sure("--days=1", "--from=2002-01-01"), valued("--to", moments)),
    of_ships("detach", hostile, st.sampled_from(((), ("--plain",)))),
    of_ships("attach", hostile, st.sampled_from(((), ("--pin=2030-01-01",)))),
    of_ships("attach", st.sampled_from((("--all",), chosen([OFF]))), valued("--pin", moments)),
    of_ships("move", known, valued("--tablespace", names)),
    of_ships("move", hostile, sure("--tablespace=pg_default")),
    of_ships("drop", sure("--yes"), hostile),
)
of_hostile_labels = st.one_of(
    st.builds(
        lambda operation, found: (operation, *found),
        st.sampled_from(("status", "plan", "maintain", "reconcile")),
        labels.flatmap(lambda each: st.permutations((each, SHIP))),
    ),
    st.builds(
        lambda label, line: (line[0], label, *line[1:]),
        labels,
        st.sampled_from(
            (
                ("create", "--days=1"),
                ("detach", f"--partition={ON}"),
                ("attach", "--all"),
                ("move", f"--partition={ON}", "--tablespace=pg_default"),
                ("drop", f"--partition={OFF}", "--yes"),
            )
        ),
    ),
)


def assert_refused(line: Line) -> CommandResult:
    """The line ended with a sentence, and all is as it was."""
    before = rows()
    ended = timepart(*line)
    assert ended.status in {1, 2}, ended
    assert ended.error.strip()
    assert "Traceback" not in ended.error + ended.out
    assert rows() == before
    return ended


def refused_by(ended: CommandResult) -> str:
    return "argparse" if ended.error.startswith(FROM_ARGPARSE) else "timepart"


def test_labels_of_any_kind() -> None:
    ends = Counter[str]()

    @settings(settings.get_profile("hostile"))
    @given(line=of_hostile_labels)
    @example(line=("maintain", SHIP, NAMES[0]))
    def refused(line: Line) -> None:
        ends[refused_by(assert_refused(line))] += 1

    refused()
    assert ends["timepart"] > ends["argparse"]


def test_options_of_any_kind_for_a_real_table() -> None:
    ends = Counter[str]()

    @settings(settings.get_profile("hostile"))
    @given(line=of_hostile_options)
    @example(line=("drop", SHIP, "--yes", *chosen([OFF, NAMES[0]])))
    @example(line=("move", SHIP, *chosen([ON]), f"--tablespace={NAMES[0]}"))
    def refused(line: Line) -> None:
        ended = assert_refused(line)
        ends[refused_by(ended)] += 1
        ends[line[0]] += refused_by(ended) == "timepart"

    refused()
    assert ends["move"]
    assert ends["drop"]
    assert ends["timepart"] > ends["argparse"] / 2
