"""The deployable project with a web server and a worker, and a table that has seen something."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from deploy.local.ports import HOST, free_port
from tests.support.deployed_project import environment, own_database, run, running, until

USER, PASSWORD = "operator", "a-password-for-tests"

# A month of partitions, one of them detached in the middle, and three old ones detached.
PAST = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from pg_timepart.models import PartitionConfig
from deploy.traffic.models import WebEvent
User.objects.create_superuser({user!r}, password={password!r})
now = timezone.now()
WebEvent.partitioning.create_range(now - timedelta(days=24), now - timedelta(days=1))
config = PartitionConfig.objects.get(model_label="traffic.webevent")
logs = list(config.logs.order_by("start"))
for log in (*logs[:3], logs[9]):
    log.detach()
for log in logs[3:9]:
    WebEvent.objects.bulk_create(
        WebEvent(happened_at=log.start, visitor="0" * 32, path="/") for _ in range(200)
    )
config.premake = 9
config.interval = 21
config.save()
"""

STATE = """
import json
from pg_timepart.models import PartitionConfig
from pg_timepart.beat import schedules
config = PartitionConfig.objects.get(model_label="traffic.webevent")
entry = schedules.entry_of(config)
rows = {log.table_name: log.is_attached for log in config.logs.all()}
print(json.dumps({"partitions": rows, "schedule": str(entry.interval or entry.crontab)}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The running project."""

    url: str
    environ: dict[str, str]
    folder: Path

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it printed."""
        return run([sys.executable, "-m", "deploy", *arguments], self.environ, self.folder)

    def state(self) -> dict[str, dict[str, bool] | str]:
        """Return the partitions, and whether each is attached, and the schedule."""
        printed = self.manage("shell", "--no-imports", "-c", STATE)
        found: dict[str, dict[str, bool] | str] = json.loads(printed.splitlines()[-1])
        return found


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Run the project on a database of its own."""
    with own_database() as database_url:
        environ = environment(
            database_url,
            os.environ["REDIS_URL"],
            CELERY_KEY_PREFIX=f"browser-{secrets.token_hex(4)}-",
        )
        port = free_port()
        site = Site(url=f"http://{HOST}:{port}", environ=environ, folder=folder)
        site.manage("migrate", "--verbosity=0")
        site.manage("shell", "--no-imports", "-c", PAST.format(user=USER, password=PASSWORD))
        web = [sys.executable, "-m", "gunicorn", "--threads=4", f"--bind={HOST}:{port}"]
        worker = [sys.executable, "-m", "celery", "-A", "deploy", "worker", "--pool=solo"]
        with (
            running([*web, "deploy.wsgi"], environ, folder / "web.log") as serving,
            running(
                [*worker, "--without-mingle", "--loglevel=INFO"], environ, folder / "worker.log"
            ) as working,
        ):
            until(lambda: "Listening at" in serving.said() and _answers(site.url))
            until(lambda: " ready." in working.said())
            yield site


def _answers(url: str) -> bool:
    with urlopen(f"{url}/livez", timeout=10) as response:
        return bool(response.status == 200)
