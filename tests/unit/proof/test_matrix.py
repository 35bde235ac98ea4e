"""Which versions are tried together, which Python is taken, and the tables."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import pytest

from proof.matrix.__main__ import main
from proof.matrix.combinations import FACTORS, Combination, chosen, only, quick
from proof.matrix.folders import CHECKOUT
from proof.matrix.pythons import find_python
from proof.matrix.results import Outcome, Result, counted, log_of
from proof.matrix.table import HEADING, documented, line, printed, summary

OLDEST = Combination(pg="14", django="5.2", python="3.11", driver="psycopg2")
NEWEST = Combination(pg="18", django="6.0", python="3.14", driver="psycopg3")
RELEASES = {"pg": "14.23", "django": "5.2.19", "python": "3.11.7", "driver": "psycopg2 2.9.13"}
IMPOSSIBLE = {"python": "3.11", "django": "6.0"}
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def passed(combination: Combination) -> Result:
    return Result(
        combination=combination,
        outcome=Outcome.PASSED,
        releases=RELEASES,
        passed=1_737,
        skipped=1,
        seconds=527.7,
    )


def failed(combination: Combination) -> Result:
    return Result(
        combination=combination,
        outcome=Outcome.FAILED,
        why="pytest ended with status 1",
        releases=RELEASES,
        passed=1_736,
        failed=2,
    )


def missing(combination: Combination) -> Result:
    why = f"Python {combination.python}"
    return Result(combination=combination, outcome=Outcome.NOT_HERE, why=why, releases={})


def pairs_of(combination: Combination) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    versions = [(factor, getattr(combination, factor)) for factor in FACTORS]
    return set(combinations(versions, 2))


def possible_pairs() -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield any two versions that can meet, each with the name of its factor."""
    for one, other in combinations(FACTORS, 2):
        for left in FACTORS[one]:
            for right in FACTORS[other]:
                if {one: left, other: right} != IMPOSSIBLE:
                    yield (one, left), (other, right)


# Which versions


def test_every_postgresql_meets_every_django() -> None:
    met = {(each.pg, each.django) for each in chosen()}
    assert met == set(product(("14", "15", "16", "17", "18"), ("5.2", "6.0")))


def test_any_two_versions_that_can_meet_do() -> None:
    met = set().union(*map(pairs_of, chosen()))
    assert met == set(possible_pairs())


def test_no_combination_is_impossible_or_chosen_twice() -> None:
    those = chosen()
    assert not [each for each in those if (each.django, each.python) == ("6.0", "3.11")]
    assert len(set(those)) == len(those)


def test_what_the_readme_and_the_package_promise_is_tried() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"(Python|Django) :: (\d\.\d+)", " ".join(project["classifiers"]))
    tried = [(name, each) for name in ("Django", "Python") for each in FACTORS[name.lower()]]
    assert promised == tried
    sentence = "Django 5.2 and 6.0, PostgreSQL 14 to 18, Python 3.11 to 3.14, psycopg 2 and 3."
    assert sentence in (CHECKOUT / "README.md").read_text()


def test_the_readme_shows_what_would_be_run_now() -> None:
    table = summary([passed(each) for each in chosen()])
    assert table in (CHECKOUT / "README.md").read_text()


def test_wishes_for_one_factor_add_up_and_for_several_narrow() -> None:
    those = only(chosen(), [("pg", "14"), ("pg", "15"), ("driver", "psycopg2")])
    assert {each.pg for each in those} == {"14", "15"}
    assert {each.driver for each in those} == {"psycopg2"}
    assert only(chosen(), []) == chosen()


def test_the_quick_ones_are_the_oldest_and_the_newest() -> None:
    assert quick(chosen()) == [OLDEST, NEWEST]
    assert quick([OLDEST]) == [OLDEST]


def test_an_unknown_version_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "pg=13"])
    assert "pg=14|15|16|17|18" in capsys.readouterr().err


def test_the_list_names_what_would_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--quick"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(OLDEST), str(NEWEST)]


# Which Python


def test_the_python_that_runs_this_is_found() -> None:
    folder = Path(sys.executable).parent
    found = find_python(THIS_PYTHON, {"PATH": str(folder), "PYENV_ROOT": "/nowhere"})
    assert found == folder / f"python{THIS_PYTHON}"


def test_one_that_pyenv_keeps_is_found(tmp_path: Path) -> None:
    folder = tmp_path / f"versions/{THIS_PYTHON}.1/bin"
    folder.mkdir(parents=True)
    program = folder / f"python{THIS_PYTHON}"
    program.symlink_to(sys.executable)
    assert find_python(THIS_PYTHON, {"PATH": "", "PYENV_ROOT": str(tmp_path)}) == program


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\necho 'pyenv: python: command not found' >&2\nexit 127\n",
        "#!/no/such/interpreter\n",
        "#!/bin/sh\necho 2.7\n",
    ],
)
def test_one_that_does_not_run_is_none(tmp_path: Path, script: str) -> None:
    shim = tmp_path / f"python{THIS_PYTHON}"
    shim.write_text(script)
    shim.chmod(0o755)
    environ = {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    assert find_python(THIS_PYTHON, environ) is None
    behind = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent)])
    assert find_python(THIS_PYTHON, {"PATH": behind, "PYENV_ROOT": str(tmp_path)}) is not None


# Tables


def test_a_line_says_how_it_ended() -> None:
    assert line(passed(OLDEST)) == (
        "PostgreSQL 14, Django 5.2, Python 3.11, psycopg2: passed in 8 min 48 s:"
        " 1,737 passed, 1 skipped."
    )
    assert line(missing(NEWEST)) == (
        "PostgreSQL 18, Django 6.0, Python 3.14, psycopg3: not here: Python 3.14."
    )
    assert line(failed(OLDEST)) == (
        "PostgreSQL 14, Django 5.2, Python 3.11, psycopg2: FAILED: 1,736 passed, 2 failed,"
        f" pytest ended with status 1. Log: {log_of(OLDEST)}"
    )


def test_the_printed_table_passes_nothing_over() -> None:
    lines = printed([passed(OLDEST), failed(OLDEST), missing(NEWEST)]).splitlines()
    versions = "14.23 5.2.19 3.11.7 psycopg2 2.9.13"
    assert lines[3].split() == [*versions.split(), "passed", "1,737", "passed,", "1", "skipped"]
    assert "FAILED" in lines[4]
    assert lines[5].split()[:6] == ["18", "6.0", "3.14", "psycopg3", "not", "here"]
    assert lines[-1] == "1 passed, 1 FAILED, 1 not here."


def test_the_documented_tables_replace_those_of_the_run_before() -> None:
    results = [passed(OLDEST), passed(NEWEST)]
    once = documented(f"words\n\n{HEADING}\nold\n", results, dt.date(2026, 1, 2))
    assert once.startswith(f"words\n\n{HEADING}\n2026-01-02:\n\n| PostgreSQL | Django 5.2 |")
    assert "old" not in once
    assert "| 14 | 3.11 with psycopg2 |  |\n" in once
    assert "| 14.23 | 5.2.19 | 3.11.7 | psycopg2 2.9.13 | 1,737 passed, 1 skipped |\n" in once
    assert documented(once, results, dt.date(2026, 1, 2)) == once


def test_tests_are_counted_as_pytest_reports_them(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>'
    )
    assert counted(report) == {"passed": 4, "failed": 3, "skipped": 3}
