"""Form of the schedule of one config: an interval or a crontab of django-celery-beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, router
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.admin import drop_permission, schedule_display
from pg_timepart.beat.entries import BEAT_APP
from pg_timepart.beat.timetable import NeverDue, due_after
from pg_timepart.errors import UnknownName
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.retention import taken_sooner
from pg_timepart.partitions.time_zones import zone_named

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

UNITS = ("seconds", "minutes", "hours", "days")
CRON = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
MOST = 100_000


class ScheduleForm(forms.Form):
    """Schedule of the pass of one table in beat."""

    kind = forms.ChoiceField(
        label="Kind",
        choices=[("interval", "every so often"), ("crontab", "at times of the clock (crontab)")],
        help_text="Which of the two groups of fields counts.",
    )
    every = forms.IntegerField(
        label="Every",
        min_value=1,
        max_value=MOST,
        required=False,
        help_text="How many of the units lie between two passes.",
    )
    unit = forms.ChoiceField(
        label="Unit",
        choices=[(each, each) for each in UNITS],
        required=False,
        help_text="Unit of the interval.",
    )
    minute = forms.CharField(
        label="Minute", required=False, help_text="0-59, such as 0,30 or */15; * is each."
    )
    hour = forms.CharField(label="Hour", required=False, help_text="0-23, such as 3 or */6.")
    day_of_month = forms.CharField(label="Day of month", required=False, help_text="1-31.")
    month_of_year = forms.CharField(label="Month", required=False, help_text="1-12.")
    day_of_week = forms.CharField(
        label="Day of week", required=False, help_text="0-6 from Sunday, or mon-fri."
    )
    timezone = forms.CharField(
        label="Zone", required=False, help_text="Whose clock the crontab reads."
    )
    is_on = forms.BooleanField(
        label="Switched on", required=False, help_text="Off: nothing is sent until it is on again."
    )

    def clean_timezone(self) -> str:
        """Return the name of a known time zone; empty is that of the partitions."""
        name = str(self.cleaned_data["timezone"] or conf.zone())
        try:
            return zone_named(name).key
        except UnknownName as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Check the group of fields that counts."""
        facts = super().clean() or self.cleaned_data
        if facts.get("kind") == "interval":
            self._demand("every", "Say how many.")
            self._demand("unit", "Choose one.")
        if facts.get("kind") == "crontab" and "timezone" in facts:
            self._check(_schedule(facts))
        return facts

    def takes_sooner(self, config: PartitionConfig, entry: PeriodicTask) -> bool:
        """Return whether passes that drop would come sooner or more often than now."""
        facts, now = self.cleaned_data, timezone.now()
        since = entry.last_run_at or entry.date_changed or now
        before = schedule_display.pace_of(entry, since, now) if entry.enabled else None
        after = schedule_display.pace_of(_schedule(facts), since, now) if facts["is_on"] else None
        terms = (drop_permission.terms_of(config, before), drop_permission.terms_of(config, after))
        return bool(taken_sooner(*terms, now))

    def apply(self, entry: PeriodicTask) -> bool:
        """Set the entry's schedule; return whether that changed anything.

        An unchanged entry is not saved: saving would restart its interval.
        """
        facts = self.cleaned_data
        before = (entry.interval_id, entry.crontab_id, entry.enabled)
        entry.interval = _interval(facts) if facts["kind"] == "interval" else None
        entry.crontab = _crontab(facts) if facts["kind"] == "crontab" else None
        entry.solar = entry.clocked = None
        entry.enabled = facts["is_on"]
        if (entry.interval_id, entry.crontab_id, entry.enabled) == before:
            return False
        entry.save()
        return True

    def _demand(self, name: str, words: str) -> None:
        """Add an error where a field is empty that the chosen kind of schedule needs."""
        if name not in self.errors and not self.cleaned_data.get(name):
            self.add_error(name, words)

    def _check(self, crontab: Any) -> None:
        try:
            crontab.full_clean()
            due_after(crontab, timezone.now())
        except NeverDue as error:
            self.add_error(None, str(error))
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                self.add_error(name if name in self.fields else None, messages)


def form_for(entry: PeriodicTask) -> ScheduleForm:
    """Return the form with the entry's present schedule."""
    facts: dict[str, Any] = dict.fromkeys(CRON, "*")
    facts |= {"kind": "interval", "timezone": str(conf.zone()), "is_on": entry.enabled}
    if entry.interval is not None:
        facts |= {"every": entry.interval.every, "unit": entry.interval.period}
    if entry.crontab is not None:
        facts |= {"kind": "crontab", "timezone": str(entry.crontab.timezone)}
        facts |= {name: getattr(entry.crontab, name) for name in CRON}
    return ScheduleForm(initial=facts, prefix="schedule")


def _schedule(facts: dict[str, Any]) -> Any:
    """Return the requested schedule, not saved."""
    if facts["kind"] == "interval":
        return _model("IntervalSchedule")(every=facts["every"], period=facts["unit"])
    return _model("CrontabSchedule")(**_cron(facts))


def _interval(facts: dict[str, Any]) -> Any:
    return _row("IntervalSchedule", every=facts["every"], period=facts["unit"])


def _crontab(facts: dict[str, Any]) -> Any:
    return _row("CrontabSchedule", **_cron(facts))


def _cron(facts: dict[str, Any]) -> dict[str, Any]:
    return {**{name: facts.get(name) or "*" for name in CRON}, "timezone": facts["timezone"]}


def _row(name: str, **facts: Any) -> Any:
    """Return a saved schedule with these values; where there are several, any of them."""
    model = _model(name)
    rows = model._default_manager.using(router.db_for_write(model))
    return rows.filter(**facts).first() or rows.create(**facts)


def _model(name: str) -> type[models.Model]:
    return apps.get_model(BEAT_APP, name)
