"""What a default partition promises while a partition is put beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError

from pg_timepart.errors import Conflict, Deferred
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.action_steps import ACCESS_EXCLUSIVE
from pg_timepart.postgres.ddl import Lock, drop_constraint
from pg_timepart.postgres.sqlstate import ends_the_run, in_words, sqlstate
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.table_details import read_template

CHECK_VIOLATION = "23514"


def release(work: Work, action: Action, session: Session) -> str:
    """Drop the checks that a run that was cut short left on the default partition."""
    work.reread()
    default = work.partition(action)
    if default.promises:
        session.run([release_step(default, default.promises)])
        work.forget_template()
    return action.reason


def release_step(default: Relation, checks: Sequence[str]) -> Step:
    """Return how to drop these checks, by which the default partition refuses rows."""
    return Step(
        summary=f"drop what was promised of {default.name}",
        locks=(Lock(relation=default, mode=ACCESS_EXCLUSIVE),),
        altered=(default,),
        statements=tuple(drop_constraint(default, name) for name in checks),
    )


@contextmanager
def beside_default(work: Work, session: Session) -> Iterator[None]:
    """Run the block, which attaches a partition; leave no promise behind if it fails.

    Raises Conflict where the default partition, if there is one, holds rows of the range.
    """
    default = work.parent.default
    try:
        yield
    except (DatabaseError, Deferred) as error:
        if default is not None and not ends_the_run(error):
            _take_back(work, default, session)
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


def _take_back(work: Work, default: Relation, session: Session) -> None:
    """Drop the CHECK that keeps rows of the range out of the default partition.

    Where that cannot be done now, the failure that led here is still what there is to say first.
    """
    try:
        left = read_template(work.target.connection, work.parent).default_checks
        if left:
            session.run([release_step(default, left)])
    except (DatabaseError, Deferred) as error:
        if ends_the_run(error):
            raise
        session.remarks.append(
            "Rows of this range are refused until the next pass drops the CHECK that"
            f" {default.name} got for this, which could not be done now: {in_words(error)}"
        )
