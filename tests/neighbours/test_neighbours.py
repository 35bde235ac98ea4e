"""Third-party packages: ``migrate`` and every operation work beside each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from pytest_django import DjangoDbBlocker

from tests.neighbours.packages import folder_of
from tests.neighbours.third_party_packages import (
    NEIGHBOURS,
    PSYCOPG2,
    PSYCOPG3,
    SAMPLE,
    ThirdPartyPackage,
)
from tests.settings import DATABASE_URL
from tests.support.case_samples import some_of
from tests.support.checkout import CHECKOUT
from tests.support.tablespaces import tablespaces_named

DRIVER = PSYCOPG3 if is_psycopg3 else PSYCOPG2

CASES = {each.name: each for each in NEIGHBOURS if DRIVER in each.drivers}


@pytest.fixture
def elsewhere(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A tablespace."""
    name = f"neighbours_{os.getpid()}"
    with django_db_blocker.unblock(), tablespaces_named(name):
        yield name


@pytest.fixture
def database_url(elsewhere: str) -> Iterator[str]:
    """An empty database, which is dropped before that tablespace is."""
    name = f"neighbours_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield urlsplit(DATABASE_URL)._replace(path=f"/{name}").geturl()
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("neighbour", some_of(CASES, CASES.keys() & SAMPLE))
def test_a_whole_life_beside(
    neighbour: ThirdPartyPackage, database_url: str, elsewhere: str
) -> None:
    folder = folder_of(neighbour.packages, with_dependencies=not neighbour.needs_django)
    done = subprocess.run(
        [sys.executable, "-m", "tests.neighbours.lifecycle"],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "NEIGHBOUR": neighbour.name,
            "ELSEWHERE": elsewhere,
            "DJANGO_SETTINGS_MODULE": "tests.neighbours.settings",
            "DATABASE_URL": database_url,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, behind = done.stdout.partition("behind ")
    assert (behind.split(".")[0].strip() in {"psycopg", "psycopg2"}) == (
        DRIVER not in neighbour.wraps
    )
