"""Plain SQL that creates partitions, which our passes are compared with."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from deploy.local.binaries import find_postgres
from deploy.local.errors import ServiceError


def transactions(table: str, start: datetime, count: int) -> Iterator[str]:
    """Yield one transaction a day: the cheapest way that stalls nobody who uses the table."""
    for number in range(count):
        lower, upper = start + timedelta(days=number), start + timedelta(days=number + 1)
        leaf = f"{table}_{lower:%Y%m%d}_{upper:%Y%m%d}"
        yield (
            f"BEGIN;\n"
            f"CREATE TABLE {leaf} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY);\n"
            f"ALTER TABLE {table} ATTACH PARTITION {leaf}"
            f" FOR VALUES FROM ('{lower}') TO ('{upper}');\n"
            f"COMMIT;\n"
        )


def find_psql() -> str | None:
    """Return the psql of the server's programs, or else the one on the PATH, or None."""
    try:
        program = find_postgres().path("psql")
    except ServiceError:
        program = ""
    return program if os.access(program, os.X_OK) else shutil.which("psql")


def run_psql(psql: str, script: str) -> float:
    """Run the script through one psql; return the seconds, without those that psql takes to start.

    Raises CalledProcessError where a statement fails.
    """
    return _timed_psql(psql, script) - _timed_psql(psql, "")


def run_driver(script: list[str]) -> float:
    """Send each transaction as one string through Django's driver; return the seconds."""
    with connection.cursor() as cursor:
        begun = time.perf_counter()
        for each in script:
            cursor.execute(each)
        return time.perf_counter() - begun


def _timed_psql(psql: str, script: str) -> float:
    (_, *arguments), extra = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    begun = time.perf_counter()
    subprocess.run(
        [psql, *options, *arguments],
        input=script,
        text=True,
        check=True,
        env={**os.environ, **(extra or {})},
    )
    return time.perf_counter() - begun
