"""``python -m deploy.probe web|beat``: health checks of containers. Exit status 0 if all is well.

The worker's check is Celery's own: ``celery -A deploy.celery inspect ping``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

_TIMEOUT_SECONDS = 4
_GRACE = timedelta(minutes=5)
"""Beat writes down what it has sent every three minutes, and when it ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe what the arguments name; print what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.probe", description=__doc__)
    parser.add_argument("service", choices=("web", "beat"))
    service = parser.parse_args(arguments).service
    problem = _web_problem() if service == "web" else _beat_problem()
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


def _web_problem() -> str:
    """Return why the web server of this machine, at PORT, does not live, or nothing."""
    port = int(os.environ.get("PORT") or 8000)
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/livez", headers={"Host": "localhost"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"Port {port} does not answer: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"/livez on port {port} answers {status}."  # noqa: PLR2004


def _beat_problem() -> str:
    """Return which entry of the schedule beat has left waiting, or nothing."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    from django.db import Error
    from django.utils import timezone

    try:
        late = overdue(timezone.now())
    except Error as error:
        return f"The schedule cannot be read: {error}"
    return f"Beat does not follow its schedule: {', '.join(late)}." if late else ""


def overdue(now: datetime) -> list[str]:
    """Return the names of the beat entries that were to be sent more than the grace ago.

    So are those that were sent in the future: when beat starts again, they are due.
    """
    from django_celery_beat.models import PeriodicTask

    entries = PeriodicTask.objects.filter(enabled=True).select_related()
    return [each.name for each in entries if _is_overdue(each, now)]


def _is_overdue(entry: PeriodicTask, now: datetime) -> bool:
    last = entry.last_run_at or entry.date_changed
    if last - now > _GRACE:  # the clock was set back, and beat waits until it has caught up
        return True
    remaining: timedelta = entry.schedule.remaining_estimate(last)
    return now - last > _GRACE and remaining < -_GRACE


if __name__ == "__main__":
    sys.exit(main())
