"""Starts PostgreSQL and Redis for a bare ``pytest``, and stops them at its end.

It is loaded with ``-p``, before pytest-django reads the settings, which take the URLs from the
environment. Under ``python -m deploy.local run`` the URLs are there, and it starts nothing; nor
does it where all tests that are asked for are in folders that need no server. Each process of
``pytest -n`` that runs tests has servers of its own.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .errors import ServiceError
from .services import services

_STARTED = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting that names the folders of tests that need no server."""
    parser.addini("without_servers", "Folders of tests that need no server.", type="paths")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start what the environment names no server for."""
    if not _runs_no_test(early_config) and not _needs_no_server(early_config):
        stack = ExitStack()
        early_config.stash[_STARTED] = stack
        early_config.add_cleanup(stack.close)
        try:
            os.environ.update(stack.enter_context(services()))
        except ServiceError as error:
            raise pytest.UsageError(str(error)) from error
    yield


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop it before a process of ``pytest -n`` says that it has ended: 10 s later it is killed."""
    started = session.config.stash.get(_STARTED, None)
    if started is not None:
        started.close()


def _runs_no_test(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    only_informs = options.help or options.version or options.collectonly
    return bool(only_informs or _leaves_tests_to_others(options))


def _leaves_tests_to_others(options: Namespace) -> bool:
    return bool(getattr(options, "numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ


def _needs_no_server(config: pytest.Config) -> bool:
    """Return whether all tests asked for are in folders that need no server."""
    asked: list[str] = config.known_args_namespace.file_or_dir
    paths = [Path(each.partition("::")[0]).resolve() for each in asked]
    folders: list[Path] = config.getini("without_servers")
    return bool(paths) and all(any(map(each.is_relative_to, folders)) for each in paths)
