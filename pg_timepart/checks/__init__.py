"""System checks, with ids that stay: docs/checks.md explains each of them."""

from __future__ import annotations

from django.core import checks

from pg_timepart.checks.beat import check_beat
from pg_timepart.checks.databases import check_databases
from pg_timepart.checks.foreign_keys import check_foreign_keys
from pg_timepart.checks.models import check_models
from pg_timepart.checks.pools import check_pools
from pg_timepart.checks.roles import check_roles
from pg_timepart.checks.search_path import check_search_paths
from pg_timepart.checks.settings import check_settings
from pg_timepart.checks.unattended import check_belonging

__all__ = [
    "check_beat",
    "check_belonging",
    "check_databases",
    "check_foreign_keys",
    "check_models",
    "check_pools",
    "check_roles",
    "check_search_paths",
    "check_settings",
    "register",
]


def register() -> None:
    """Register every check with Django; again is the same as once."""
    checks.register(check_models, checks.Tags.models)
    checks.register(check_foreign_keys, checks.Tags.models)
    checks.register(check_settings, "pg_timepart")
    checks.register(check_beat, "pg_timepart")
    checks.register(check_pools, "pg_timepart")
    checks.register(check_databases, checks.Tags.database)
    checks.register(check_search_paths, checks.Tags.database)
    checks.register(check_roles, checks.Tags.database)
    checks.register(check_belonging, checks.Tags.database)
