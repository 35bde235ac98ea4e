"""Web, worker and beat import nothing that only the tests' own environment brings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.checkout import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

IMPORTING = """
import importlib, json, pkgutil, sys

hidden, names, packages = json.loads(sys.argv[1])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for name in names:
    importlib.import_module(name)
for package in packages:
    for each in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not {"demo", "local", "__main__"} & {*each.name.split(".")}:
            importlib.import_module(each.name)
"""

RUN = (
    "deploy.wsgi",  # first, for it sets up Django
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "django_celery_beat.schedulers",
    "kombu.transport.redis",
)
WEB = ("gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "whitenoise.storage")


def needed(wanted: Iterable[str]) -> set[str]:
    """Return the distributions that pip installs for these requirements."""
    found: set[tuple[str, str]] = set()
    waiting = [each for text in wanted for each in _wants(Requirement(text), extra="")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in found:
            found.add((name, extra))
            waiting += _needs(name, extra)
    return {name for name, _ in found}


def _needs(name: str, extra: str) -> Iterator[tuple[str, str]]:
    try:
        texts = requires(name) or []
    except PackageNotFoundError:  # not for this platform
        return
    for text in texts:
        yield from _wants(Requirement(text), extra)


def _wants(requirement: Requirement, extra: str) -> Iterator[tuple[str, str]]:
    if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
        name = canonicalize_name(requirement.name)
        yield from ((name, each) for each in ("", *requirement.extras))


def import_with(wanted: Iterable[str], names: Iterable[str], packages: Iterable[str]) -> str:
    """Import as where only these requirements are installed, and return what went wrong."""
    here = needed(wanted) | {canonicalize_name(PROJECT["name"]), "pip", "setuptools"}
    hidden = [
        module
        for module, distributions in packages_distributions().items()
        if not here & {canonicalize_name(each) for each in distributions}
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, json.dumps([hidden, [*names], [*packages]])],
        cwd=CHECKOUT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "deploy.settings", "SECRET_KEY": "of a test"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stderr if done.returncode else ""


def test_all_that_a_deployment_imports_is_declared() -> None:
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["deploy"]]

    assert import_with(wanted, (*RUN, *WEB), ("pg_timepart", "deploy")) == ""


def test_an_import_that_is_not_declared_is_found() -> None:
    """What this project declared once: kombu's transport imports packaging too."""
    wanted = [each.replace("[redis]", "") for each in (*PROJECT["dependencies"], "redis>=5.0")]

    assert "No module named 'packaging'" in import_with(wanted, ["kombu.transport.redis"], ())
