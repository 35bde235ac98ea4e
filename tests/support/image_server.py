"""A PostgreSQL server whose cluster is made as the image of the compose file makes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from deploy.local import Server, start_postgres, stop
from deploy.local.binaries import find_postgres
from deploy.local.ports import HOST
from deploy.local.privileges import unprivileged_account
from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import compose_services, until

SCRIPTS = CHECKOUT / "deploy/docker"
PASSWORD = "a-password"
TABLESPACE = compose_services()["tablespaces"]["command"][-1]
_FIRST_WITH_GETENV = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageServer:
    """The server, which trusts who comes by its socket, and wants a password over TCP."""

    socket: str
    port: int
    scripts: Path
    """``deploy/docker``, with the folder of the tablespace where the server may make files."""

    @property
    def url(self) -> str:
        """How web, worker, beat and migrate connect."""
        return f"postgresql://timepart:{PASSWORD}@{HOST}:{self.port}/timepart"

    def psql(self, *arguments: str, user: str = "postgres", database: str = "timepart") -> str:
        """Run psql from within the container, so to speak; return what it says."""
        place = {"PGHOST": self.socket, "PGUSER": user, "PGDATABASE": database}
        done = self._run(place, *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def initialise(self) -> None:
        """Run the scripts as the image does, in the order of their names."""
        for script in sorted((self.scripts / "initdb").iterdir()):
            self.psql(f"--file={script}")

    def accepts_the_socket(self) -> bool:
        """Return whether the rules for who may connect are read by now."""
        place = {"PGHOST": self.socket, "PGUSER": "postgres", "PGDATABASE": "postgres"}
        return self._run(place, "--command=SELECT 1").returncode == 0

    def ask(self, query: str) -> str:
        """Return the one value, or the lines of values, that the superuser gets for a query."""
        return self.psql(f"--command={query}").rstrip("\n")

    def owners(self) -> list[str]:
        """Return the roles that own a relation of ours."""
        query = "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = {}"
        return self.ask(query.format("'public'::regnamespace")).splitlines()

    def refuses(self, user: str) -> bool:
        """Return whether the password does not let this role in over TCP."""
        place = {"PGHOST": HOST, "PGUSER": user, "PGDATABASE": "postgres", "PGPASSWORD": PASSWORD}
        return self._run(place, "--command=SELECT 1").returncode != 0

    def _run(self, place: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        words = {"PGPORT": str(self.port), "POSTGRES_PASSWORD": PASSWORD, **place}
        options = ("--no-password", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--tuples-only")
        return subprocess.run(
            [find_postgres().path("psql"), *options, "--no-align", *arguments],
            env={"PATH": os.environ["PATH"], **words},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )


@contextmanager
def image_server(folder: Path) -> Iterator[ImageServer]:
    """Start a server with an empty database ``timepart``, in which no script has run yet."""
    programs = find_postgres()
    if programs.major < _FIRST_WITH_GETENV or not Path(programs.path("psql")).exists():
        pytest.skip("The scripts are for the image's psql: \\getenv came with PostgreSQL 15.")
    with tempfile.TemporaryDirectory(prefix="timepart") as socket:
        unprivileged_account().own(Path(socket))
        server = start_postgres(folder, settings={"unix_socket_directories": socket})
        try:
            _authenticate_as_the_image(server, folder / f"data-{programs.major}/pg_hba.conf")
            found = ImageServer(socket=socket, port=server.port, scripts=_scripts(folder))
            until(found.accepts_the_socket)
            found.psql("--command=CREATE DATABASE timepart", database="postgres")
            yield found
        finally:
            stop(server)


def _authenticate_as_the_image(server: Server, rules: Path) -> None:
    rules.write_text(f"local all all trust\n{rules.read_text()}")
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER ROLE postgres PASSWORD %s", [PASSWORD])
        cursor.execute("SELECT pg_reload_conf()")
        connection.commit()


def _scripts(folder: Path) -> Path:
    """Copy the scripts, so that the tablespace is in a folder that the server may write to."""
    scripts = shutil.copytree(SCRIPTS, folder / "scripts")
    archive = folder / "archive"
    archive.mkdir(mode=0o700)
    unprivileged_account().own(archive)
    script = scripts / "initdb/20-tablespace.sql"
    statements = script.read_text()
    assert f"'{TABLESPACE}'" in statements
    script.write_text(statements.replace(TABLESPACE, str(archive)))
    return scripts
