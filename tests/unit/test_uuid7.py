"""``pg_timepart.uuid7``: one name on every Python, whoever makes the UUID."""

from __future__ import annotations

import subprocess
import sys
import time
from uuid import UUID

from django.db.migrations.writer import MigrationWriter

from pg_timepart import uuid7

# A Python that says it is 3.14, with its uuid7, and without the library for older ones.
NEWER_PYTHON = """
import sys
import django.db.models
import uuid
uuid.uuid7 = lambda: uuid.UUID(int=7 << 76)
sys.version_info = (3, 14, 0, "final", 0)
sys.modules["uuid_utils"] = sys.modules["uuid_utils.compat"] = None
import pg_timepart
print(pg_timepart.uuid7())
"""


def test_it_is_of_the_version_7_and_has_the_time_of_now_in_milliseconds() -> None:
    before = time.time()
    made = uuid7()
    assert type(made) is UUID
    assert made.version == 7
    assert int(before * 1000) <= made.int >> 80 <= time.time() * 1000


def test_those_of_one_process_are_in_the_order_in_which_they_were_made() -> None:
    made = [uuid7() for _ in range(5_000)]
    assert made == sorted(set(made))


def test_migrations_name_the_function_and_no_library() -> None:
    assert MigrationWriter.serialize(uuid7) == ("pg_timepart.uuid7", {"import pg_timepart"})


def test_the_standard_library_makes_it_where_python_has_uuid7() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NEWER_PYTHON], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str(UUID(int=7 << 76)), done.stderr
