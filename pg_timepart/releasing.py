"""What a default partition promised for a create or attach that was cut short. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.constants import ActionKind
from pg_timepart.plans import Action
from pg_timepart.relations import Parent


def releases(parent: Parent) -> Iterator[Action]:
    """Yield the release of the default partition from what it promised and need not keep.

    Only for who has the table's advisory lock: another run may be about to need the promise.
    """
    default = parent.default
    if default is not None and default.promises:
        yield Action(
            kind=ActionKind.RELEASE,
            partition=default.name,
            bounds=None,
            oid=default.oid,
            reason="refuses rows for a create or attach that was cut short",
        )
