"""Starts PostgreSQL and Redis for a bare ``pytest``, and stops them at its end.

It is loaded with ``-p``, before pytest-django reads the settings, which take the URLs from the
environment. Under ``python -m deploy.local run`` the URLs are there, and it starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .errors import ServiceError
from .services import services


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start what the environment names no server for."""
    if not _only_informs(early_config):
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        try:
            os.environ.update(stack.enter_context(services()))
        except ServiceError as error:
            raise pytest.UsageError(str(error)) from error
    yield


def _only_informs(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    return bool(options.help or options.version or options.collectonly)
