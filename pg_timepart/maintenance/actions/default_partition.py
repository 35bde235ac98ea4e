"""Removal, on failure, of the exclusion CHECK that a default partition gets before ATTACH."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError

from pg_timepart.errors import Conflict, Deferred
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.exclusion_steps import drop_exclusion_checks
from pg_timepart.postgres.sqlstate import ends_the_run, in_words, sqlstate
from pg_timepart.postgres.table_details import read_template

CHECK_VIOLATION = "23514"


@contextmanager
def beside_default(work: Work, session: Session) -> Iterator[None]:
    """Run the block, which attaches a partition; leave no exclusion CHECK behind if it fails.

    Raises Conflict where the default partition, if there is one, holds rows of the range.
    """
    default = work.parent.default
    try:
        yield
    except (DatabaseError, Deferred) as error:
        if default is not None and not ends_the_run(error):
            _drop_checks(work, default, session)
            if _is_broken_by(default, error):
                raise Conflict(
                    f"The default partition {default.name} holds rows of this range: move them out"
                    " first."
                ) from error
        raise
    finally:
        if default is not None:
            work.forget_template()


def _is_broken_by(default: Relation, error: BaseException) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    table = (getattr(diagnosis, "schema_name", None), getattr(diagnosis, "table_name", None))
    return sqlstate(error) == CHECK_VIOLATION and table == (default.schema, default.name)


def _drop_checks(work: Work, default: Relation, session: Session) -> None:
    """Drop the exclusion CHECK, which keeps rows of the range out of the default partition.

    An error in doing so is not raised: the failure that led here is the one to report.
    """
    try:
        left = read_template(work.target.connection, work.parent).default_checks
        if left:
            session.run([drop_exclusion_checks(default, left)])
    except (DatabaseError, Deferred) as error:
        if ends_the_run(error):
            raise
        session.remarks.append(
            "Rows of this range are refused until the next pass drops the CHECK that"
            f" {default.name} got for this, which could not be done now: {in_words(error)}"
        )
