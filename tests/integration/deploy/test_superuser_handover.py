"""A database of an earlier compose file, whose only role was the superuser, goes over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployed_project import environment, run
from tests.support.image_server import PASSWORD, ImageServer, image_server

EARLIER = f"""
CREATE ROLE other SUPERUSER;
SET SESSION AUTHORIZATION other;
ALTER ROLE postgres RENAME TO timepart;
RESET SESSION AUTHORIZATION;
DROP ROLE other;
ALTER ROLE timepart PASSWORD '{PASSWORD}';
"""
OWN = """
CREATE SCHEMA reports;
CREATE TYPE reports.mood AS ENUM ('good', 'bad');
CREATE FUNCTION reports.twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2';
CREATE VIEW reports.orders AS SELECT count(*) FROM public.shop_order;
CREATE TABLE reports."Odd name" (id serial, twin integer GENERATED ALWAYS AS (1) STORED);
CREATE SEQUENCE reports.alone;
"""
NOT_HANDED_OVER = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname IN ('public', 'reports') AND relowner <> 'timepart'::regrole
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'reports'
AND nspowner <> 'timepart'::regrole
UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE proname = 'twice'
AND proowner <> 'timepart'::regrole
UNION ALL SELECT oid::regtype::text FROM pg_type WHERE typname = 'mood'
AND typowner <> 'timepart'::regrole
"""


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[tuple[ImageServer, dict[str, str]]]:
    """The server, and the environment of a project whose tables are the superuser's."""
    with image_server(tmp_path / "postgres") as server:
        server.psql(f"--command={EARLIER}")
        archive = (server.scripts / "initdb/20-tablespace.sql").read_text()
        server.psql(*(f"--command={each}" for each in archive.split(";")[:-1]), user="timepart")
        environ = environment(server.url, "redis://nowhere")
        run(["python", "-m", "deploy", "migrate"], environ, tmp_path)
        server.psql(f"--command={OWN}", user="timepart")
        yield server, environ


def test_all_goes_over_to_the_role(
    earlier: tuple[ImageServer, dict[str, str]], tmp_path: Path
) -> None:
    server, environ = earlier
    script = f"--file={server.scripts / 'hand-over.sql'}"
    server.psql("--single-transaction", script, user="timepart")
    assert server.owners() == ["timepart"]
    assert server.ask(NOT_HANDED_OVER) == ""
    assert server.ask("SELECT rolsuper FROM pg_roles WHERE rolname = 'timepart'") == "f"
    assert not server.refuses("timepart")
    assert server.refuses("postgres")
    run(["python", "-m", "deploy", "migrate"], environ, tmp_path)
    server.psql("--command=UPDATE pg_timepart_partitionconfig SET premake = premake + 1")
    said = run(["python", "-m", "deploy", "timepart", "maintain", "shop.order"], environ, tmp_path)
    assert "create" in said
