"""Drop the exclusion CHECKs that an interrupted run left on a default partition."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.maintenance.actions.base import Handler, Urgency
from pg_timepart.maintenance.executor import Session
from pg_timepart.postgres.exclusion_steps import drop_exclusion_checks
from pg_timepart.postgres.steps import Step


class Release(Handler):
    """Handler of ``release``."""

    verb = "drop the exclusion CHECK on default partition"
    past = "dropped the exclusion CHECK on default partition"
    urgency = Urgency.CLEARS_THE_WAY

    def steps(self) -> Iterator[Step]:
        """Yield the step; none where there is no such CHECK any more."""
        default = self.work.partition(self.action)
        if default.exclusion_checks:
            yield drop_exclusion_checks(default, default.exclusion_checks)

    def perform(self, session: Session) -> str:
        """Drop the CHECKs."""
        reason = super().perform(session)
        self.work.forget_template()
        return reason

    def assume_done(self) -> None:
        """Take the CHECKs as dropped."""
        self.work.assume_no_exclusion_checks()
