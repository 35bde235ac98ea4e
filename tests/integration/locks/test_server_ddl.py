"""What docs/postgresql.md says of the server's DDL and locks, tried on the server at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, connection

from pg_timepart.postgres.sqlstate import sqlstate
from tests.support.checkout import CHECKOUT
from tests.support.processes import session, wait_until

pytestmark = pytest.mark.usefixtures("tables")

PAGE = CHECKOUT / "docs/postgresql.md"
ROW = re.compile(r"^\| `(?P<statement>[^`]+)` \| (?P<modes>.+) \|$", re.MULTILINE)
COLUMNS = ("parent", "partition", "rest", "target")
STRONG = ("SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE")
"""Modes that the page names, in the order of their strength; it has a dash for all weaker ones."""

JANUARY = "FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')"
FEBRUARY = "FOR VALUES FROM ('2024-02-01+00') TO ('2024-03-01+00')"
MARCH = "FOR VALUES FROM ('2024-03-01+00') TO ('2024-04-01+00')"
DETACH = "ALTER TABLE parent DETACH PARTITION leaf"

TABLES = f"""
CREATE SCHEMA facts;
SET search_path = facts;
CREATE TABLE target (id int PRIMARY KEY);
CREATE TABLE parent (
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    target int CONSTRAINT fk REFERENCES target DEFERRABLE INITIALLY DEFERRED
) PARTITION BY RANGE (at);
CREATE TABLE leaf PARTITION OF parent {JANUARY};
CREATE TABLE loose PARTITION OF parent {FEBRUARY};
ALTER TABLE parent DETACH PARTITION loose;
ALTER TABLE loose ADD CONSTRAINT c CHECK (id > 0) NOT VALID;
CREATE TABLE made (LIKE parent INCLUDING ALL EXCLUDING IDENTITY);
INSERT INTO target VALUES (1);
"""

LOCKS = """
SELECT l.relation::regclass::text, regexp_replace(l.mode, '(?<=[a-z])(?=[A-Z])', ' ', 'g')
FROM pg_locks l WHERE l.locktype = 'relation' AND l.pid = {pid} AND l.granted
"""


@pytest.fixture
def tables(committing: None) -> Iterator[None]:
    with working() as cursor:
        cursor.execute(TABLES)
    yield
    with working() as cursor:
        cursor.execute("DROP SCHEMA facts CASCADE")


@contextmanager
def working(*statements: str) -> Iterator[Any]:
    """Give the cursor of a session that has run these statements; its transaction is undone."""
    with session("facts") as cursor:
        cursor.execute("SET search_path = facts; SET lock_timeout = '5s'")
        for each in statements:
            cursor.execute(each)
        yield cursor
        cursor.execute("ROLLBACK")


def refusal(*statements: str) -> str | None:
    """Return the SQLSTATE that the last of the statements gets, or None."""
    with working(*statements[:-1]) as cursor:
        try:
            cursor.execute(statements[-1])
        except DatabaseError as error:
            return sqlstate(error)
        return None


def names(cursor: Any) -> dict[str, str]:
    """Return the tables by OID, as text: what is dropped meanwhile has no name any more."""
    cursor.execute("SELECT oid::text, relname::text FROM pg_class WHERE relkind IN ('r', 'p')")
    return dict(cursor.fetchall())


def strong_locks(cursor: Any, pid: str = "pg_backend_pid()") -> dict[str, str]:
    """Return the strongest lock on each table that an application could wait for."""
    cursor.execute(LOCKS.format(pid=pid))
    held: dict[str, str] = {}
    for table, words in cursor.fetchall():
        mode = words.removesuffix(" Lock").upper()
        if mode in STRONG and STRONG.index(mode) >= STRONG.index(held.get(table, mode)):
            held[table] = mode
    return held


def told(*statements: str) -> str:
    """Return what the server says of its proofs while it runs the last of the statements."""
    with working(*statements[:-1]) as cursor:
        said: list[str] = []
        raw = cursor.connection
        if hasattr(raw, "add_notice_handler"):
            raw.add_notice_handler(lambda diagnosis: said.append(diagnosis.message_primary))
        cursor.execute("SET client_min_messages = debug1")
        cursor.execute(statements[-1])
        return " ".join([*said, *getattr(raw, "notices", ())])


def leave_pending() -> None:
    """Leave the detach of ``leaf`` pending: cancelled while it waited for a reader."""
    with working("BEGIN", "SELECT FROM parent"):
        assert refusal("SET statement_timeout = '200ms'", f"{DETACH} CONCURRENTLY") == "57014"


def documented() -> list[Any]:
    found = ROW.finditer(PAGE.read_text())
    return [
        pytest.param(row["statement"], [each.strip() for each in row["modes"].split("|")])
        for row in found
    ]


@pytest.mark.parametrize(("statement", "modes"), documented())
def test_a_statement_takes_the_locks_that_the_page_says(statement: str, modes: list[str]) -> None:
    wanted = dict(zip(COLUMNS, modes, strict=True))
    partition = next((each for each in ("leaf", "loose", "made") if each in statement), None)
    bounds = FEBRUARY if "loose" in statement else MARCH
    with working("CREATE TABLE rest PARTITION OF parent DEFAULT", "BEGIN") as cursor:
        known = names(cursor)
        cursor.execute(statement.replace("...", bounds))
        held = {known.get(table, table): mode for table, mode in strong_locks(cursor).items()}
    found = {
        column: held.get(partition or "" if column == "partition" else column, "-")
        for column in COLUMNS
    }
    if partition is None or not wanted["partition"]:
        del found["partition"], wanted["partition"]
    assert found == wanted


def test_the_page_has_a_table() -> None:
    assert len(documented()) > 15


def test_a_concurrent_detach_that_waits_has_no_table_lock_and_no_snapshot() -> None:
    with working("BEGIN", "SELECT FROM parent") as reader, working() as worker:
        worker.execute("SELECT pg_backend_pid()")
        pid = worker.fetchone()[0]
        detach = Thread(target=lambda: worker.execute(f"{DETACH} CONCURRENTLY"))
        detach.start()
        with working() as looking:

            def is_waiting() -> bool:
                looking.execute("SELECT 1 FROM pg_inherits WHERE inhdetachpending")
                return bool(looking.fetchall())

            wait_until(is_waiting)
            looking.execute("SELECT backend_xmin FROM pg_stat_activity WHERE pid = %s", [pid])
            assert looking.fetchone() == (None,)
            assert strong_locks(looking, str(pid)) == {}
        reader.execute("ROLLBACK")
        detach.join()


def test_a_concurrent_detach_is_refused_where_the_page_says() -> None:
    concurrent = f"{DETACH} CONCURRENTLY"

    assert refusal("BEGIN", concurrent) == "25001"
    leave_pending()
    assert refusal(f"CREATE TABLE other PARTITION OF parent {MARCH}") is None
    assert refusal("ALTER TABLE parent DETACH PARTITION other CONCURRENTLY") == "55000"
    assert refusal(f"{DETACH} FINALIZE") is None
    assert refusal("CREATE TABLE rest PARTITION OF parent DEFAULT") is None
    assert refusal("ALTER TABLE parent DETACH PARTITION other CONCURRENTLY") == "55000"


def test_a_pending_detach_hides_the_rows_and_keeps_the_range() -> None:
    leave_pending()

    assert refusal("INSERT INTO parent VALUES (1, '2024-01-05')") == "23514"
    assert refusal(f"ALTER TABLE parent ATTACH PARTITION made {JANUARY}") == "42P17"
    assert refusal("ALTER TABLE leaf ADD COLUMN more int") == "55000"
    assert refusal("ALTER TABLE parent ADD COLUMN more int") is None
    assert refusal("COMMENT ON TABLE leaf IS ''") is None


def test_finalize_waits_for_an_old_snapshot_before_it_locks_what_is_referred_to() -> None:
    old = ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    leave_pending()
    with working(*old), working("SET lock_timeout = '2s'", "BEGIN") as worker:
        worker.execute("SELECT pg_backend_pid()")
        pid = str(worker.fetchone()[0])
        states: list[str | None] = []

        def finalize() -> None:
            try:
                worker.execute(f"{DETACH} FINALIZE")
            except DatabaseError as error:
                states.append(sqlstate(error))

        thread = Thread(target=finalize)
        thread.start()
        with working() as looking:
            wait_until(lambda: strong_locks(looking, pid))
            held = strong_locks(looking, pid)
        thread.join()
    assert held == {"leaf": "ACCESS EXCLUSIVE", "parent": "SHARE UPDATE EXCLUSIVE"}
    assert states == ["55P03"]


def test_what_a_detach_leaves_proves_the_bounds_to_the_next_attach() -> None:
    assert refusal(f"{DETACH} CONCURRENTLY") is None

    attach = f"ALTER TABLE parent ATTACH PARTITION leaf {JANUARY}"
    assert "is implied by existing constraints" in told("BEGIN", attach)


@pytest.mark.parametrize(
    ("sql_type", "suffix", "is_proof"),
    [("timestamptz", "", True), ("timestamp", "", False), ("timestamptz", "NOT VALID", False)],
)
def test_a_check_proves_the_bounds_if_it_is_validated_and_of_the_type_of_the_key(
    sql_type: str, suffix: str, is_proof: bool
) -> None:
    check = (
        f"ALTER TABLE loose ADD CHECK (at >= '2024-02-01+00'::{sql_type}"
        f" AND at < '2024-03-01+00'::{sql_type}) {suffix}"
    )

    said = told("BEGIN", check, f"ALTER TABLE parent ATTACH PARTITION loose {FEBRUARY}")

    assert ("is implied by existing constraints" in said) is is_proof


def test_a_check_spares_the_scan_of_the_default_partition() -> None:
    rest = "CREATE TABLE rest PARTITION OF parent DEFAULT"
    check = (
        "ALTER TABLE rest ADD CHECK (at < '2024-03-01+00'::timestamptz"
        " OR at >= '2024-04-01+00'::timestamptz)"
    )
    attach = f"ALTER TABLE parent ATTACH PARTITION made {MARCH}"
    proof = 'partition constraint for default partition "rest" is implied'

    assert proof not in told("BEGIN", rest, attach)
    assert proof in told("BEGIN", rest, check, attach)


def test_a_check_spares_the_scan_of_set_not_null() -> None:
    check = "ALTER TABLE loose ADD CHECK (target IS NOT NULL)"

    said = told("BEGIN", check, "ALTER TABLE loose ALTER COLUMN target SET NOT NULL")

    assert "are sufficient to prove that it does not contain nulls" in said


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("ALTER TABLE loose ADD COLUMN more int", "42804"),
        ("ALTER TABLE parent ADD COLUMN more int", "42804"),
        ("ALTER TABLE parent ADD CONSTRAINT positive CHECK (id > 0)", "42804"),
        ("ALTER TABLE loose ALTER COLUMN id DROP NOT NULL", "42804"),
    ],
)
def test_attach_refuses_what_is_not_like_the_parent(change: str, state: str) -> None:
    attach = f"ALTER TABLE parent ATTACH PARTITION loose {FEBRUARY}"

    assert refusal("BEGIN", change, attach) == state


def test_attach_refuses_an_identity_from_17_on() -> None:
    identity = "ALTER TABLE loose ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY"

    state = refusal("BEGIN", identity, f"ALTER TABLE parent ATTACH PARTITION loose {FEBRUARY}")

    has_refusal = connection.pg_version >= 170_000  # type: ignore[attr-defined]  # not in the stubs
    assert state == ("55000" if has_refusal else None)


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ("CREATE TYPE new AS (a int)", "42P07"),
        ("CREATE TYPE new AS ENUM ('a')", "42710"),
        ("CREATE SEQUENCE new", "42P07"),
    ],
)
def test_a_name_is_taken_by_a_relation_or_a_type(made: str, state: str) -> None:
    assert refusal("BEGIN", made, "CREATE TABLE new (LIKE parent)") == state


def test_attach_says_what_is_in_the_way() -> None:
    assert refusal(f"ALTER TABLE parent ATTACH PARTITION leaf {JANUARY}") == "42809"
    assert refusal(f"ALTER TABLE parent ATTACH PARTITION made {JANUARY}") == "42P17"


@pytest.mark.parametrize("statement", ["ALTER TABLE leaf ADD CHECK (id > 0)", "DROP TABLE leaf"])
def test_rows_that_await_a_check_keep_a_table_from_being_altered(statement: str) -> None:
    row = "INSERT INTO parent VALUES (1, '2024-01-05', 1)"

    assert refusal("BEGIN", row, statement) == "55006"
    assert refusal("BEGIN", row, "SET CONSTRAINTS ALL IMMEDIATE", statement) is None
    assert refusal("BEGIN", row, DETACH) is None


def test_a_detached_partition_with_its_foreign_key_keeps_what_it_refers_to() -> None:
    assert refusal("INSERT INTO loose VALUES (1, '2024-02-05', 1)") is None

    assert refusal("DELETE FROM target") == "23503"
    with working("BEGIN", "LOCK TABLE loose"):
        assert refusal("SET lock_timeout = '100ms'", "DELETE FROM target") == "55P03"


@pytest.mark.parametrize(
    ("expression", "waits"),
    [
        ("pg_get_expr(relpartbound, 0) FROM pg_class WHERE relname = 'leaf'", False),
        ("pg_partition_root(oid) FROM pg_class WHERE relname = 'leaf'", False),
        ("conbin::text FROM pg_constraint WHERE conname = 'c'", False),
        ("pg_get_partkeydef('parent'::regclass)", True),
        ("pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'c'", True),
        ("pg_total_relation_size(oid) FROM pg_class WHERE relname = 'leaf'", True),
    ],
)
def test_some_functions_of_the_catalog_wait_for_who_has_locked_a_table(
    expression: str, waits: bool
) -> None:
    with working("BEGIN", "LOCK TABLE parent, leaf, loose"):
        state = refusal("SET lock_timeout = '100ms'", f"SELECT {expression}")

    assert state == ("55P03" if waits else None)


def test_functions_see_past_an_old_snapshot() -> None:
    with working("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 'leaf'::regclass::oid") as old:
        oid = old.fetchone()[0]
        assert refusal(DETACH) is None
        old.execute(
            "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = %s), pg_partition_root(%s)",
            [oid, oid],
        )
        assert old.fetchone() == (True, None)
