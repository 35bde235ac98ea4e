"""Plugins with the fixtures that all tests and proofs share."""

from __future__ import annotations

pytest_plugins = (
    "proof.locks.fixtures",
    "tests.support.beat_fixtures",
    "tests.support.celery_messages",
    "tests.support.crash_fixtures",
    "tests.support.database_fixtures",
    "tests.support.upgrade_fixtures",
)
