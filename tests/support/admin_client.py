"""The admin as a person uses it: users with some permissions, and configs in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from pg_timepart.models import PartitionConfig, PartitionLog

CONFIGS = "admin:pg_timepart_partitionconfig_changelist"
RUNS = "admin:pg_timepart_partitionrun_changelist"
PREFIX = "uninstalled."
"""Sorts behind the labels of all test apps, so that these stay on the first page of a list."""


def user_with(*codenames: str) -> User:
    """Return a member of staff with these permissions of ours."""
    user = User.objects.create_user("-".join(codenames) or "nobody", password="x", is_staff=True)
    permissions = Permission.objects.filter(
        content_type__app_label="pg_timepart", codename__in=codenames
    )
    assert permissions.count() == len(codenames)
    user.user_permissions.set(permissions)
    return user


def signed_in(*codenames: str, enforce_csrf_checks: bool = False) -> Client:
    """Return the browser of a member of staff with these permissions."""
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    client.force_login(user_with(*codenames))
    return client


@contextmanager
def no_users_left() -> Iterator[None]:
    """Remove the users that a test made."""
    try:
        yield
    finally:
        User.objects.all().delete()


def orphans(count: int) -> None:
    """Make configs whose models are not installed, and keep those that are there."""
    PartitionConfig.objects.bulk_create(
        (PartitionConfig(model_label=f"{PREFIX}model{number:03}") for number in range(count)),
        ignore_conflicts=True,
    )


def key_of(log: PartitionLog) -> str:
    """Return how the pages of the admin name a partition."""
    return f"{log.relid}:{log.table_name}"


def entry_of(log: PartitionLog) -> dict[str, Any]:
    """Return how a message names a partition that was shown."""
    return {"name": log.table_name, "oid": log.relid}


def page_of(config: PartitionConfig) -> str:
    """Return the address of one config's page."""
    return reverse("admin:pg_timepart_partitionconfig_change", args=(config.pk,))
