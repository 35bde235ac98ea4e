"""PgBouncer as a local service: started, asked for a password, and gone afterwards."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from deploy.local import ServiceError, find, pgbouncer
from deploy.local.debian import unpacked
from tests.pooler.pooled_deployment import PooledInstallation


def test_a_pooler_is_gone_after_its_block(installation: PooledInstallation) -> None:
    folder = installation.folder / "once"
    with pgbouncer(folder, installation.postgres.url) as pooler:
        assert find(folder) == pooler
        assert (folder / "users.txt").stat().st_mode & 0o777 == 0o600
        with closing(psycopg2.connect(pooler.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == ("postgres",)
        with pytest.raises(psycopg2.OperationalError, match="SASL authentication failed"):
            psycopg2.connect(pooler.url, password="another")
    assert find(folder) is None
    with pytest.raises(ProcessLookupError):
        os.kill(pooler.pid, 0)


def test_where_there_is_no_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="pgbouncer cannot be fetched: there is no apt-get"):
        unpacked("pgbouncer", "usr/sbin/pgbouncer", tmp_path / "packages")
    assert not (tmp_path / "packages" / "pgbouncer").exists()
