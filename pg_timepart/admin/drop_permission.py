"""Rules for users without the permission to drop: no edit that makes passes drop sooner.

Where a config has a grace, partitions are dropped some time after they are past retention. So edits
that bring that time nearer take the permission to drop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.utils import timezone

from pg_timepart.admin import permissions
from pg_timepart.beat import schedules
from pg_timepart.constants import State
from pg_timepart.errors import InvalidPolicy
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.retention import Pace, Terms, edge_of, is_past, is_pinned, taken_sooner
from pg_timepart.status import PartitionStatus

FIELDS = {"retention": ("interval", "period", "periods_per_partition")}
"""The form fields of a setting that has no field of its own."""

_PURPOSES = {
    "enabled": "to switch the config on",
    "retention": "to shorten retention",
    "drop_after": "to shorten the grace",
    "max_retire_per_pass": "to raise the fuse",
    "schedule": "to have passes come sooner or more often",
    "detach": "to detach what is pinned or not past retention yet",
    "attach": "to put back what is pinned without a pin that holds as long",
    "pass": "to run a pass on a config or schedule that is switched off",
}


def terms_of(config: PartitionConfig, pace: Pace | None = None) -> Terms:
    """Return the terms on which passes detach and drop partitions of this config, saved or not."""
    try:
        policy = config.policy()
    except InvalidPolicy:
        policy = None
    return Terms(policy=policy, is_enabled=config.enabled, pace=pace)


def edited_sooner(before: PartitionConfig, after: PartitionConfig) -> Iterator[tuple[str, str]]:
    """Yield each field whose edit makes passes detach or drop sooner, with the error."""
    for setting in taken_sooner(terms_of(before), terms_of(after), timezone.now()):
        for name in FIELDS.get(setting, (setting,)):
            if getattr(before, name) != getattr(after, name):
                yield name, sentence(setting)


def refusal(
    operation: str,
    config: PartitionConfig,
    chosen: Sequence[PartitionStatus],
    pin: datetime | None,
) -> str:
    """Return why an operation takes the permission to drop, or None where it does not."""
    if operation == "maintain":
        return sentence("pass") if terms_of(config).drops and _is_off(config) else ""
    if operation == "detach":
        early = _detached_early(config, chosen)
    elif operation == "attach":
        early = _unpinned_early(config, chosen, pin)
    else:
        return ""
    names = ", ".join(each.address for each in early)
    return f"{names}: {sentence(operation)}" if early else ""


def _is_off(config: PartitionConfig) -> bool:
    """Whether the schedule runs no passes."""
    entry = schedules.entry_of(config)
    return not config.enabled or (entry is not None and not entry.enabled)


def _detached_early(
    config: PartitionConfig, chosen: Iterable[PartitionStatus]
) -> list[PartitionStatus]:
    """Return those of these partitions that passes would drop sooner after a detach by hand."""
    terms = terms_of(config)
    if terms.policy is None or not terms.drops:
        return []
    now = timezone.now()
    edge = edge_of(terms.policy, now)
    return [
        each
        for each in chosen
        if each.state is State.ATTACHED
        and (is_pinned(each.pinned_until, now) or not is_past(each.bounds, edge))
    ]


def _unpinned_early(
    config: PartitionConfig, chosen: Iterable[PartitionStatus], pin: datetime | None
) -> list[PartitionStatus]:
    """Return those of these partitions that passes would drop sooner if pinned until ``pin``."""
    if not terms_of(config).drops:
        return []
    now = timezone.now()
    return [each for each in chosen if is_pinned(each.pinned_until, max(pin or now, now))]


def sentence(purpose: str) -> str:
    """Return the sentence with the refusal and the permission that it takes."""
    return (
        "What passes detach here they drop after the grace, so that rows would be gone sooner:"
        f" {_PURPOSES[purpose]} takes the permission {permissions.dropping()}. Nothing was changed."
    )
