"""Arguments of the operations: how each is read from a message, a command line and a form."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date, datetime
from typing import Any

import django.db
from django import forms
from django.core.exceptions import ValidationError

from pg_timepart import conf
from pg_timepart.errors import InvalidPolicy, TimepartError
from pg_timepart.maintenance.lookup import tablespace_named
from pg_timepart.maintenance.operation_registry.operation import Argument, Flag, FormField
from pg_timepart.maintenance.target import target_named
from pg_timepart.maintenance.task_arguments import moment_in
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.planner import MAX_DAYS
from pg_timepart.partitions.time_zones import in_utc, representable, start_of_day
from pg_timepart.postgres.catalog import tablespaces


def moment(text: str) -> datetime:
    """Return the moment in UTC that ISO 8601 ``text`` of a command line names.

    A date is the start of that day in the configured zone, and a time without an offset is read
    there. Raises ArgumentTypeError.
    """
    try:
        return in_utc(representable("A time", _moment(text), conf.zone()))
    except TimepartError as error:
        raise ArgumentTypeError(str(error)) from error
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is not a date or time such as 2024-01-31 or 2024-01-31T15:00+01:00."
        ) from error


def days(text: str) -> int:
    """Return the number of days that a command line names; raises ArgumentTypeError."""
    if text.isdecimal() and text.isascii() and int(text) <= MAX_DAYS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number of days, 0 to {MAX_DAYS}.")


def known_tablespaces(config: PartitionConfig) -> list[str] | None:
    """Return the tablespaces of the server of a config's table, or None if it cannot be asked."""
    try:
        return tablespaces(target_named(config.model_label, config).connection)
    except (TimepartError, django.db.Error):
        return None


class MomentField(forms.DateTimeField):
    """A local date and time; refuses a moment that could not be read again."""

    def clean(self, value: Any) -> datetime | None:
        """Return the moment, or None for an empty field."""
        found: datetime | None = super().clean(value)
        try:
            return found and representable("The moment", found, conf.zone())
        except InvalidPolicy as error:
            raise ValidationError(str(error)) from error


def _moment(text: str) -> datetime:
    zone = conf.zone()
    try:
        return start_of_day(date.fromisoformat(text), zone)
    except ValueError:
        found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _days_field(_config: PartitionConfig) -> forms.Field:
    return forms.IntegerField(
        label="Days ahead",
        min_value=0,
        max_value=MAX_DAYS,
        initial=1,
        error_messages={"required": "Say for how many days ahead."},
    )


def _pin_field(_config: PartitionConfig) -> forms.Field:
    return MomentField(
        label=f"Keep attached until ({conf.zone()}; empty: as retention says)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


def _tablespace_field(config: PartitionConfig) -> forms.Field:
    known = known_tablespaces(config) or ()
    return forms.ChoiceField(
        label="Tablespace",
        choices=[("", "(choose)"), *((each, each) for each in known)],
        error_messages={"required": "Choose one."},
    )


DAYS = Argument(
    name="days",
    flag=Flag(
        names=("--days",),
        help="create following partitions until the newest ends more than N days from now;"
        " 0 creates exactly the next one (default: 1)",
        options={"type": days, "metavar": "N"},
    ),
    form_field=FormField(name="days", make=_days_field),
)
START = Argument(
    name="start",
    flag=Flag(
        names=("--from",),
        help="create what is missing from this time, in whole periods: for gaps and old rows",
        options={"type": moment, "metavar": "TIME"},
    ),
    from_json=moment_in,
)
END = Argument(
    name="end",
    flag=Flag(
        names=("--to",),
        help="... up to this time",
        options={"type": moment, "metavar": "TIME"},
    ),
    from_json=moment_in,
)
CONCURRENTLY = Argument(
    name="concurrently",
    flag=Flag(
        names=("--plain",),
        help="in one short transaction under ACCESS EXCLUSIVE, rather than concurrently",
        options={"action": "store_false"},
    ),
    is_in_task=False,
)
PIN = Argument(
    name="detach_time",
    flag=Flag(
        names=("--pin",),
        help="retention does not detach them before this time",
        options={"type": moment, "metavar": "TIME"},
    ),
    form_field=FormField(name="pinned_until", make=_pin_field),
    from_json=moment_in,
    to_json=datetime.isoformat,
)
TABLESPACE = Argument(
    name="tablespace",
    flag=Flag(
        names=("--tablespace",), help="the tablespace to move them to", options={"metavar": "NAME"}
    ),
    form_field=FormField(name="tablespace", make=_tablespace_field),
    is_required=True,
    check=tablespace_named,
)
