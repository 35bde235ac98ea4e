"""Permissions of the admin: view, change, operate and drop, each given apart."""

from __future__ import annotations

from django.contrib.auth import get_permission_codename
from django.http import HttpRequest

from pg_timepart.models import PartitionConfig, PartitionRun


def may_view(request: HttpRequest) -> bool:
    """Return whether the user may see configs; the permission to change them implies it."""
    return _has(request, "view") or _has(request, "change")


def may_change(request: HttpRequest) -> bool:
    """Return whether the user may change configs and schedules."""
    return _has(request, "change")


def may(request: HttpRequest, verb: str) -> bool:
    """Return whether the user may run the operations that need this permission."""
    return may_view(request) and _has(request, verb)


def may_drop(request: HttpRequest) -> bool:
    """Return whether the user may drop detached partitions, and set when passes do."""
    return may(request, "drop")


def may_see_runs(request: HttpRequest) -> bool:
    """Return whether the user may see runs and their messages: Django's permission to view them."""
    meta = PartitionRun._meta
    verbs = (get_permission_codename(verb, meta) for verb in ("view", "change"))
    return any(request.user.has_perm(f"{meta.app_label}.{each}") for each in verbs)


def dropping() -> str:
    """Return the name of the permission to drop, for a sentence."""
    return _permission("drop")


def _has(request: HttpRequest, verb: str) -> bool:
    return request.user.has_perm(_permission(verb))


def _permission(verb: str) -> str:
    meta = PartitionConfig._meta
    return f"{meta.app_label}.{get_permission_codename(verb, meta)}"
