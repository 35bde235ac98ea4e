"""Django's own tests give the same with pg_timepart as without: here some quick ones.

``make django-suite`` runs them all.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.checkout import CHECKOUT


def suite(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proof.django_suite", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    "name", [pytest.param("schema", marks=pytest.mark.long), "migrate_signals"]
)
def test_a_suite_of_django_ends_the_same(name: str) -> None:
    done = suite(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The same, test by test." in done.stdout
    ran = re.search(rf"^{name} .* (\d+) of (\d+)$", done.stdout, re.MULTILINE)
    assert ran is not None
    assert ran[1] == ran[2] != "0"


@pytest.mark.parametrize("name", ["basic", "delete"])
def test_a_suite_of_django_ends_as_it_must_with_its_models_partitioned(name: str) -> None:
    done = suite("--partitioned", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^The same(, test by test|, but for the \d+ above, which must differ)\.$",
        done.stdout,
        re.M,
    )


def test_so_does_a_part_of_one_with_another_backend() -> None:
    name = "migrations.test_operations.OperationTests.test_add_index"
    done = suite("--backend", "zero-downtime", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r" 1 of 1$", done.stdout, re.MULTILINE)


def test_a_suite_that_cannot_begin_is_no_success() -> None:
    done = suite("no_such_suite")
    assert done.returncode == 1
    assert "no_such_suite" in done.stdout + done.stderr
