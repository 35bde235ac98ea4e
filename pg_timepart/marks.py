"""The comment on every table that this package makes: whose partition it is, and of which bounds.

Attached partitions do not need it, for the catalog knows all of that. A table that hangs on no
parent is recognised by it after a crash, a restore from a dump, or the loss of our rows.
"""

from __future__ import annotations

import json
from datetime import datetime

from pg_timepart.periods import Bounds
from pg_timepart.relations import Mark

_PREFIX = "pg_timepart "


def mark_text(mark: Mark) -> str:
    """Return the comment for a table; parse_mark() reads it."""
    sides = {"from": mark.bounds.start, "to": mark.bounds.end}
    texts = {side: moment and moment.isoformat() for side, moment in sides.items()}
    return _PREFIX + json.dumps({"model": mark.label, **texts})


def parse_mark(comment: str | None) -> Mark | None:
    """Return what a table's comment says, or None where it is not one of ours."""
    if not comment or not comment.startswith(_PREFIX):
        return None
    try:
        found = json.loads(comment.removeprefix(_PREFIX))
        start, end = (
            found[side] and datetime.fromisoformat(found[side]) for side in ("from", "to")
        )
        return Mark(label=found["model"], bounds=Bounds(start=start, end=end))
    except (KeyError, TypeError, ValueError):
        return None


def like_pattern(label: str) -> str:
    """Return the LIKE pattern of the comments that name ``label``."""
    beginning = _PREFIX + json.dumps({"model": label})[:-1]
    for special in ("\\", "%", "_"):
        beginning = beginning.replace(special, f"\\{special}")
    return beginning + ",%"
