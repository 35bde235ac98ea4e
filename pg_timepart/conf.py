"""Settings of this package, read here alone and at call time, as ``override_settings`` needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from pg_timepart.errors import InvalidSetting, UnknownName
from pg_timepart.partitions.time_zones import in_zone, zone_named

SETTING = "PG_TIMEPART"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``settings.PG_TIMEPART`` with its defaults."""

    LOCK_BUDGET_MS: int = 50
    """How long one attempt waits for its locks, and how long it may then block others."""

    LOCK_WAIT_SECONDS: float = 10.0
    """How long a run waits for locks in all, before remaining actions end ``deferred``."""

    LONG_TRANSACTION_MS: int = 250
    """While a holder's transaction is open for longer than this, no lock is requested."""

    URGENT_LOCK_BUDGET_MS: int | None = None
    """Lock budget of creates without which INSERTs fail within a period; None: as usual."""

    HISTORY_DAYS: int = 90
    """How long the records of runs are kept."""

    MAX_RETIRE_PER_PASS: int = 31
    """The fuse of new configs."""

    QUEUE: str | None = None
    """The Celery queue of our tasks; None leaves them to CELERY_TASK_ROUTES and the default."""

    DISPATCHER: bool = False
    """Whether one beat entry sends all due passes, instead of one entry per config."""

    PRUNE_INSTANCES: bool = True
    """Whether save(), delete() and refresh_from_db() of an instance put its key into WHERE."""

    MAINTENANCE_DATABASES: Mapping[str, str] | None = None
    """Aliases of connections for maintenance, such as past a pooler, by the tables' alias."""


_RANGES = {
    "LOCK_BUDGET_MS": ("number", 1, 60_000),
    "URGENT_LOCK_BUDGET_MS": ("number", 1, 60_000),
    "LOCK_WAIT_SECONDS": ("number", 0, 86_400),
    "LONG_TRANSACTION_MS": ("number", 1, 86_400_000),
    "HISTORY_DAYS": ("number", 1, 36_525),
    "MAX_RETIRE_PER_PASS": ("whole number", 1, 1_000_000),
}


def options() -> Options:
    """Return the options in force; raise InvalidSetting with the first problem."""
    found = problems()
    if found:
        raise InvalidSetting(found[0])
    return Options(**_given())


def zone() -> ZoneInfo:
    """Return ``PARTITION_TIMEZONE``, else ``TIME_ZONE``; raise InvalidSetting if there is none."""
    try:
        return zone_named(_zone_name())
    except UnknownName as error:
        raise InvalidSetting(f"PARTITION_TIMEZONE: {error}") from error


def local_time(moment: datetime) -> str:
    """Return the moment to the minute in the configured zone; raises as zone() does."""
    return f"{in_zone(moment, zone()):%Y-%m-%d %H:%M %Z}"


def maintenance_alias(alias: str) -> str:
    """Return the alias whose connection maintains the tables of ``alias``."""
    return (options().MAINTENANCE_DATABASES or {}).get(alias, alias)


def prunes_instances() -> bool:
    """Return ``PRUNE_INSTANCES``, without a look at the other options: each save() asks."""
    given = getattr(settings, SETTING, None)
    return not isinstance(given, Mapping) or bool(given.get("PRUNE_INSTANCES", True))


def problems() -> list[str]:
    """Return a sentence for each setting of ours that cannot be used."""
    return [*_zone_problems(), *_option_problems()]


def _zone_name() -> str:
    return str(getattr(settings, "PARTITION_TIMEZONE", None) or settings.TIME_ZONE)


def _zone_problems() -> list[str]:
    try:
        zone()
    except InvalidSetting as error:
        return [str(error)]
    return []


def _option_problems() -> list[str]:
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        return [f"{SETTING} must be a dictionary, not {type(given).__name__}."]
    known = Options.__dataclass_fields__
    unknown = sorted(str(name) for name in given if name not in known)
    found = [f"{SETTING}[{name!r}] is unknown. Known: {', '.join(known)}." for name in unknown]
    found += [
        f"{SETTING}[{name!r}] must be a {kind} from {least} to {most}, not {given[name]!r}."
        for name, (kind, least, most) in _RANGES.items()
        if given.get(name, known[name].default) != known[name].default
        and not _is_number(given[name], kind, least, most)
    ]
    if not isinstance(given.get("QUEUE"), str | None):
        found.append(f"{SETTING}['QUEUE'] must be the name of a queue, not {given['QUEUE']!r}.")
    found += [
        f"{SETTING}[{name!r}] must be True or False, not {given[name]!r}."
        for name in ("DISPATCHER", "PRUNE_INSTANCES")
        if not isinstance(given.get(name, False), bool)
    ]
    if not found:
        found += _budget_problems(Options(**given))
    return [*found, *_alias_problems(given.get("MAINTENANCE_DATABASES"))]


def _budget_problems(given: Options) -> list[str]:
    usual, urgent = given.LOCK_BUDGET_MS, given.URGENT_LOCK_BUDGET_MS
    if urgent is None or urgent >= usual:
        return []
    name = f"{SETTING}['URGENT_LOCK_BUDGET_MS']"
    return [f"{name} must be {usual}, as LOCK_BUDGET_MS, or more, not {urgent}."]


def _is_number(value: Any, kind: str, least: float, most: float) -> bool:
    wanted = int if kind == "whole number" else int | float
    is_number = isinstance(value, wanted) and not isinstance(value, bool)
    return is_number and least <= value <= most


def _alias_problems(aliases: Any) -> list[str]:
    if aliases is None:
        return []
    if not isinstance(aliases, Mapping):
        return [f"{SETTING}['MAINTENANCE_DATABASES'] must be a dictionary of database aliases."]
    known = ", ".join(sorted(settings.DATABASES))
    return [
        f"{SETTING}['MAINTENANCE_DATABASES'] names the database {alias!r}. Known: {known}."
        for alias in (*aliases, *aliases.values())
        if alias not in [*settings.DATABASES]
    ]


def _given() -> dict[str, Any]:
    return dict(getattr(settings, SETTING, {}))
