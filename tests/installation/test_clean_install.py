"""From the wheel alone, and by the Dockerfile's recipe, everything starts and does its work.

Each environment holds what its installation brought, and nothing of what the tests need. These take
minutes and PyPI: ``make install-check``.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from deploy.local.ports import HOST, free_port
from tests.installation.conftest import BuiltPackages
from tests.installation.environments import empty_environment, pip
from tests.installation.image import Image, build
from tests.installation.quickstart import assert_rotates, own_redis, quickstart_user
from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import compose_services, own_database, run, running, until

pytestmark = pytest.mark.long

WORDS = {"web": "Listening at", "worker": " ready.", "beat": "beat: Starting"}
MAINTAIN = (
    "from pg_timepart import tasks; print(tasks.maintain.delay('shop.order').get(timeout=60))"
)
INSTALLED = """
from importlib.metadata import distributions
for each in distributions():
    print(f"{each.name}=={each.version}")
"""


def test_the_sdist_builds_the_same_wheel(built: BuiltPackages) -> None:
    with ZipFile(built.wheel) as wheel, ZipFile(built.wheel_of_sdist) as again:
        assert {each.filename: each.CRC for each in wheel.infolist()} == {
            each.filename: each.CRC for each in again.infolist()
        }
        names = set(wheel.namelist())
    package = CHECKOUT / "pg_timepart"
    for file in package.rglob("*"):
        if file.is_file() and file.suffix != ".pyc":
            assert f"pg_timepart/{file.relative_to(package)}" in names


def test_the_sdist_has_what_its_tests_read(built: BuiltPackages) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {each.partition("/")[2] for each in sdist.getnames()}
    assert {"docker-compose.yml", ".dockerignore", ".ci/run", "deploy/constraints.txt"} <= names


def test_the_quickstart_with_the_wheel_alone(built: BuiltPackages, tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "environment")
    pip(python, "install", str(built.wheel))
    folder = tmp_path / "project"
    folder.mkdir()
    with quickstart_user(folder, python.parent) as person, ExitStack() as stack:
        where = person.type("python -c 'import pg_timepart; print(pg_timepart.__file__)'")
        assert where.startswith(str(tmp_path / "environment"))
        services = person.follow(stack, installed=True)
        assert_rotates(person, services)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture
def environ(image: Image) -> Iterator[dict[str, str]]:
    with own_database() as database_url:
        yield {
            **image.environ,
            "SECRET_KEY": "only for tests",
            "DATABASE_URL": database_url,
            "REDIS_URL": own_redis(),
            "CELERY_KEY_PREFIX": "image",
            "PORT": str(free_port()),
        }


def test_the_image_holds_what_the_constraints_pin(image: Image) -> None:
    lines = (CHECKOUT / "deploy/constraints.txt").read_text().splitlines()
    pinned = {_name(each) for each in lines if not each.startswith("#")}
    found = run(["python", "-c", INSTALLED], image.environ, image.workdir).splitlines()
    ours = {"django-pg-timepart", "setuptools"}  # the second comes with an older Python's venv
    assert {_name(each) for each in found if _name(each).split("==")[0] not in ours} == pinned


def test_the_image_runs_what_compose_starts(image: Image, environ: dict[str, str]) -> None:
    services = compose_services()
    assert image.command == services["web"]["command"]
    run(services["migrate"]["command"], environ, image.workdir)
    with ExitStack() as stack:
        for name, words in WORDS.items():
            command, log = services[name]["command"], image.workdir / f"{name}.log"
            process = stack.enter_context(running(command, environ, log))
            until(lambda: process.has_ended() or words in process.said(), 90)  # noqa: B023
            assert not process.has_ended(), process.said()
        result = run(["python", "-m", "deploy", "shell", "-c", MAINTAIN], environ, image.workdir)
        assert "'outcome': 'unchanged'" in result.splitlines()[-1]
        with urlopen(f"http://{HOST}:{environ['PORT']}/healthz", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"


def _name(pin: str) -> str:
    name, _, version = pin.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"
