"""What a new partition gets: all that its parent has, also what LIKE does not copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.db.models.functions import Lower

from tests.apps.fleet.models import Port
from tests.support.database import Database, Tablespaces, at

JANUARY = "fleet_raft_20240101_20240201"
FEBRUARY = "fleet_raft_20240201_20240301"

GRANTS = """
SELECT COALESCE(r.rolname, 'public'), g.privilege_type, g.is_grantable
FROM pg_class c, aclexplode(c.relacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE c.oid = %s::regclass AND g.grantee <> c.relowner ORDER BY 1, 2
"""

COLUMN_GRANTS = """
SELECT a.attname, COALESCE(r.rolname, 'public'), g.privilege_type, g.is_grantable
FROM pg_attribute a, aclexplode(a.attacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE a.attrelid = %s::regclass ORDER BY 1, 2, 3
"""

POLICIES = """
SELECT policyname, permissive, roles::text[], cmd, qual, with_check
FROM pg_policies WHERE tablename = %s ORDER BY 1
"""


@pytest.fixture
def raft(database: Database) -> Any:
    return database.build(code=models.TextField(unique=True))


@pytest.fixture
def roles(database: Database) -> Iterator[tuple[str, str]]:
    """Two roles; one has a name that needs quoting."""
    names = ("timepart_reader", 'timepart "odd" Rôle')
    for name in names:
        database.execute(f"CREATE ROLE {quoted(name)}")
    yield names
    for name in names:
        database.execute(f"DROP OWNED BY {quoted(name)} CASCADE")
        database.execute(f"DROP ROLE {quoted(name)}")


def quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def make(model: Any) -> None:
    """Make January, and then February."""
    model.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    model.partitioning.create_range(at("2024-02-01"), at("2024-03-01"))


# Storage


def test_storage_parameters_follow_the_newest_partition(database: Database, raft: Any) -> None:
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    database.execute(
        f"ALTER TABLE {JANUARY} SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01,"
        " toast.autovacuum_enabled = false)"
    )
    raft.partitioning.create_range(at("2024-02-01"), at("2024-03-01"))
    assert database.one("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", FEBRUARY) == [
        "fillfactor=70",
        "autovacuum_vacuum_scale_factor=0.01",
    ]
    assert database.one(
        "SELECT t.reloptions FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid"
        " WHERE c.oid = %s::regclass",
        FEBRUARY,
    ) == ["autovacuum_enabled=false"]


def test_toast_parameters_alone(database: Database, raft: Any) -> None:
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    database.execute(f"ALTER TABLE {JANUARY} SET (toast.autovacuum_vacuum_threshold = 7)")
    raft.partitioning.create_range(at("2024-02-01"), at("2024-03-01"))
    assert database.one(
        "SELECT t.reloptions FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid"
        " WHERE c.oid = %s::regclass",
        FEBRUARY,
    ) == ["autovacuum_vacuum_threshold=7"]


def test_a_columns_storage_and_statistics(database: Database, raft: Any) -> None:
    database.execute("ALTER TABLE fleet_raft ALTER COLUMN code SET STORAGE EXTERNAL")
    make(raft)
    assert database.one(
        "SELECT attstorage FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'code'",
        JANUARY,
    ) in {"e", b"e"}


# Who may


def test_grants(database: Database, raft: Any, roles: tuple[str, str]) -> None:
    reader, odd = map(quoted, roles)
    database.execute(f"GRANT SELECT, INSERT ON fleet_raft TO {reader}")
    database.execute(f"GRANT SELECT, UPDATE ON fleet_raft TO {odd} WITH GRANT OPTION")
    database.execute("GRANT SELECT ON fleet_raft TO PUBLIC")
    database.execute(f"GRANT UPDATE (code) ON fleet_raft TO {reader}")
    database.execute(f"GRANT SELECT (at, id) ON fleet_raft TO {odd} WITH GRANT OPTION")
    database.execute("GRANT REFERENCES (id) ON fleet_raft TO PUBLIC")
    make(raft)
    of_parent = database.query(GRANTS, "fleet_raft")
    assert len(of_parent) == 5
    assert database.query(GRANTS, JANUARY) == of_parent
    of_columns = database.query(COLUMN_GRANTS, "fleet_raft")
    assert len(of_columns) == 4
    assert database.query(COLUMN_GRANTS, JANUARY) == of_columns


def test_every_privilege(database: Database, raft: Any, roles: tuple[str, str]) -> None:
    database.execute(f"GRANT ALL ON fleet_raft TO {roles[0]}")
    make(raft)
    assert database.query(GRANTS, JANUARY) == database.query(GRANTS, "fleet_raft")


def test_the_owner_of_the_parent(database: Database, raft: Any, roles: tuple[str, str]) -> None:
    database.execute(f"GRANT SELECT ON fleet_raft TO {roles[0]}")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {quoted(roles[1])}")
    database.execute(f"ALTER TABLE fleet_raft OWNER TO {quoted(roles[1])}")
    make(raft)
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass"
    assert database.one(owner, JANUARY) == database.one(owner, "fleet_raft") == quoted(roles[1])
    assert database.query(GRANTS, JANUARY) == [(roles[0], "SELECT", False)]


def test_row_security(database: Database, raft: Any, roles: tuple[str, str]) -> None:
    reader, odd = map(quoted, roles)
    database.execute("ALTER TABLE fleet_raft ENABLE ROW LEVEL SECURITY")
    database.execute("ALTER TABLE fleet_raft FORCE ROW LEVEL SECURITY")
    database.execute(
        f"""CREATE POLICY "odd 5% Name" ON fleet_raft FOR SELECT TO {reader}, {odd}
        USING (code LIKE '5%''' || current_user)"""
    )
    database.execute("CREATE POLICY writing ON fleet_raft FOR INSERT WITH CHECK (code <> '%s')")
    database.execute("CREATE POLICY strict ON fleet_raft AS RESTRICTIVE USING (id > 0)")
    make(raft)
    flags = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass"
    assert database.one(flags, JANUARY) == (True, True)
    assert database.query(POLICIES, JANUARY) == database.query(POLICIES, "fleet_raft")
    assert len(database.query(POLICIES, JANUARY)) == 3


def test_row_security_that_came_while_it_was_detached(
    database: Database, raft: Any, roles: tuple[str, str]
) -> None:
    """Who may read the leaf by its own name would read rows there that the parent hides."""
    make(raft)
    log = database.log(raft, "2024-01-01")
    raft.partitioning.detach_partition(log)
    database.execute("ALTER TABLE fleet_raft ENABLE ROW LEVEL SECURITY")
    database.execute("ALTER TABLE fleet_raft FORCE ROW LEVEL SECURITY")
    for table in ("fleet_raft", JANUARY):
        database.execute(f"CREATE POLICY earlier ON {table} USING (id > 0)")
    database.execute(
        f"CREATE POLICY later ON fleet_raft FOR SELECT TO {quoted(roles[0])} USING (true)"
    )
    raft.partitioning.attach_partition(log)
    flags = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass"
    assert database.one(flags, JANUARY) == (True, True)
    assert database.query(POLICIES, JANUARY) == database.query(POLICIES, "fleet_raft")
    assert len(database.query(POLICIES, JANUARY)) == 2


def test_row_security_that_is_not_forced(database: Database, raft: Any) -> None:
    database.execute("ALTER TABLE fleet_raft ENABLE ROW LEVEL SECURITY")
    make(raft)
    flags = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass"
    assert database.one(flags, JANUARY) == (True, False)


def test_no_row_security_where_the_parent_has_none(database: Database, raft: Any) -> None:
    database.execute("CREATE POLICY idle ON fleet_raft USING (true)")
    make(raft)
    assert not database.one("SELECT relrowsecurity FROM pg_class WHERE oid = %s::regclass", JANUARY)
    assert database.query(POLICIES, JANUARY) == database.query(POLICIES, "fleet_raft")


# Replication


@pytest.mark.parametrize(("words", "letter"), [("FULL", "f"), ("NOTHING", "n"), ("DEFAULT", "d")])
def test_replica_identity(database: Database, raft: Any, words: str, letter: str) -> None:
    database.execute(f"ALTER TABLE fleet_raft REPLICA IDENTITY {words}")
    make(raft)
    assert replica_identity(database, JANUARY) == letter


def replica_identity(database: Database, table: str) -> str:
    found = database.one("SELECT relreplident::text FROM pg_class WHERE oid = %s::regclass", table)
    return str(found)


def test_replica_identity_by_an_index(database: Database) -> None:
    raft = database.build(
        code=models.CharField(max_length=20),
        indexes=[models.Index(Lower("code"), name="raft_lower")],
        constraints=[models.UniqueConstraint(fields=["code", "at"], name="raft_code")],
    )
    database.execute("ALTER TABLE fleet_raft REPLICA IDENTITY USING INDEX raft_code")
    make(raft)
    chosen = """
        SELECT i.inhparent::regclass::text FROM pg_index x
        JOIN pg_inherits i ON i.inhrelid = x.indexrelid
        WHERE x.indrelid = %s::regclass AND x.indisreplident
    """
    for leaf in (JANUARY, FEBRUARY):
        assert replica_identity(database, leaf) == "i"
        assert database.query(chosen, leaf) == ["raft_code"]
    log = database.log(raft, "2024-01-01")
    raft.partitioning.detach_partition(log)
    raft.partitioning.attach_partition(log)
    assert database.query(chosen, JANUARY) == ["raft_code"]


def test_replica_identity_of_a_table_whose_name_has_a_dollar_tag_in_it(database: Database) -> None:
    raft = database.build(
        db_table="raft $pg_timepart$ it's",
        constraints=[models.UniqueConstraint(fields=["id", "at"], name="raft_id")],
    )
    database.execute('ALTER TABLE "raft $pg_timepart$ it\'s" REPLICA IDENTITY USING INDEX raft_id')
    (log,) = database.cover(raft, "2024-01-01", "2024-02-01")
    raft.partitioning.detach_partition(log)
    raft.partitioning.attach_partition(log)
    assert replica_identity(database, f'"{log.table_name}"') == "i"


def test_an_update_can_be_published(database: Database) -> None:
    raft = database.build(widen_keys=False, code=models.CharField(max_length=20))
    database.execute("ALTER TABLE fleet_raft REPLICA IDENTITY FULL")
    make(raft)
    database.execute("CREATE PUBLICATION fleet_news FOR TABLE fleet_raft")
    try:
        database.execute("INSERT INTO fleet_raft (at, code) VALUES ('2024-01-15', 'a')")
        database.execute("UPDATE fleet_raft SET code = 'b'")
    finally:
        database.execute("DROP PUBLICATION fleet_news")


# Columns and constraints


def test_generated_columns_checks_defaults_and_comments(database: Database) -> None:
    raft = database.build(
        tons=models.PositiveIntegerField(db_default=7, db_comment="5% of what's loaded"),
        kilos=models.GeneratedField(
            expression=models.F("tons") * 1000,
            output_field=models.IntegerField(),
            db_persist=True,
        ),
    )
    make(raft)
    database.execute(f"INSERT INTO {JANUARY} (id, at) VALUES (1, '2024-01-15')")
    assert database.one(f"SELECT tons, kilos FROM {JANUARY}") == (7, 7000)
    assert database.query(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'c' AND conrelid = %s::regclass",
        JANUARY,
    ) == ["CHECK ((tons >= 0))"]
    assert database.query(
        "SELECT description FROM pg_description WHERE objoid = %s::regclass AND objsubid > 0",
        JANUARY,
    ) == ["5% of what's loaded"]


def test_numbers_of_an_identity_column_go_on_over_partitions(database: Database, raft: Any) -> None:
    make(raft)
    first = raft.objects.create(at=at("2024-01-15"), code="a")
    second = raft.objects.create(at=at("2024-02-15"), code="b")
    assert second.pk == first.pk + 1
    log = database.log(raft, "2024-01-01")
    raft.partitioning.detach_partition(log)
    raft.partitioning.attach_partition(log)
    assert raft.objects.create(at=at("2024-01-16"), code="c").pk == second.pk + 1


def test_foreign_keys_and_row_triggers(database: Database) -> None:
    raft = database.build(port_id=models.BigIntegerField())
    database.execute(
        "ALTER TABLE fleet_raft ADD CONSTRAINT raft_port FOREIGN KEY (port_id)"
        " REFERENCES fleet_port ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
    )
    database.execute(
        "CREATE TRIGGER raft_quiet BEFORE UPDATE ON fleet_raft FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    make(raft)
    assert database.query(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid = %s::regclass",
        JANUARY,
    ) == [
        (
            "FOREIGN KEY (port_id) REFERENCES fleet_port(id) ON DELETE CASCADE"
            " DEFERRABLE INITIALLY DEFERRED"
        )
    ]
    assert "raft_quiet" in database.query(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass", JANUARY
    )
    port = Port.objects.create(name="Lisbon")
    raft.objects.create(at=at("2024-01-15"), port_id=port.pk)
    database.execute("DELETE FROM fleet_port")
    assert raft.objects.count() == 0


def test_the_comment_says_whose_partition_it_is(database: Database, raft: Any) -> None:
    make(raft)
    assert database.one("SELECT obj_description(%s::regclass, 'pg_class')", JANUARY) == (
        'pg_timepart {"model": "fleet.raft", "from": "2024-01-01T00:00:00+00:00",'
        ' "to": "2024-02-01T00:00:00+00:00", "schema": "public", "table": "fleet_raft"}'
    )


# Tablespaces


def test_table_and_indexes_live_where_the_config_says(
    database: Database, raft: Any, tablespaces: Tablespaces
) -> None:
    database.configure(raft, attach_tablespace=tablespaces.fast)
    make(raft)
    assert database.tablespaces(JANUARY) == {tablespaces.fast}


def test_table_and_indexes_live_where_the_parent_does(
    database: Database, raft: Any, tablespaces: Tablespaces
) -> None:
    database.execute(f"ALTER TABLE fleet_raft SET TABLESPACE {tablespaces.cold}")
    make(raft)
    assert database.tablespaces(JANUARY) == {tablespaces.cold}


@pytest.mark.parametrize("wish", ["", "fast"])
def test_indexes_go_along_whatever_the_parents_indexes_say(
    database: Database, raft: Any, tablespaces: Tablespaces, wish: str
) -> None:
    database.configure(raft, attach_tablespace=getattr(tablespaces, wish, ""))
    for number, index in enumerate(
        database.query(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass",
            "fleet_raft",
        )
    ):
        if number % 2 == 0:
            database.execute(f"ALTER INDEX {index} SET TABLESPACE {tablespaces.cold}")
    make(raft)
    expected = {getattr(tablespaces, wish, "pg_default")}
    assert database.tablespaces(JANUARY) == database.tablespaces(FEBRUARY) == expected


def test_a_default_tablespace_of_the_session_changes_nothing(
    database: Database, raft: Any, tablespaces: Tablespaces
) -> None:
    database.execute(f"SET default_tablespace = {tablespaces.cold}")
    try:
        make(raft)
    finally:
        database.execute("RESET default_tablespace")
    assert database.tablespaces(JANUARY) == {"pg_default"}
