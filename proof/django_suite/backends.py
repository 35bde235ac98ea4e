"""Third-party database backends, with which Django's tests are run too."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from proof.django_suite.folders import KEPT, run_quietly


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A backend for PostgreSQL that a package brings."""

    engine: str
    package: str = ""
    """Empty for Django's own."""

    def folder(self, python: str | Path) -> Path | None:
        """Return what PYTHONPATH needs, fetched where it is not here yet; None for Django's own.

        Without what it depends on, which is Django. Raises SuiteError when it cannot be fetched.
        """
        if not self.package:
            return None
        folder = KEPT / "backends" / self.package
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(folder, python)
        return folder

    def _fetch(self, folder: Path, python: str | Path) -> None:
        """Make ``folder`` all at once: whoever finds it finds it whole."""
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=folder.parent) as scratch:
            target = Path(scratch) / "package"
            options = ("--no-deps", f"--target={target}")
            run_quietly([python, "-m", "pip", "install", *options, self.package])
            if not folder.exists():
                target.rename(folder)


DJANGO_S = Backend(engine="django.db.backends.postgresql")
BACKENDS = {
    "django": DJANGO_S,
    "zero-downtime": Backend(
        engine="django_zero_downtime_migrations.backends.postgres",
        package="django-pg-zero-downtime-migrations",
    ),
}
