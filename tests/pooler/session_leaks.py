"""Session leaks: what is left on the pool's server connections for whoever gets them next."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tests.pooler.pooled_deployment import POOL_SIZE, PooledInstallation
from tests.support.processes import session

ONLOOKER = "onlooker"
OWN_TO_EACH = ("application_name", "transaction_isolation", "transaction_read_only")

# Those with a dot belong to what a session has loaded.
SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name <> ALL (%s) AND position('.' IN name) = 0
"""
KEPT = """
SELECT 'prepared statement ' || name FROM pg_prepared_statements
UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE is_holdable
UNION ALL SELECT 'listens to ' || c FROM pg_listening_channels() AS l(c)
UNION ALL SELECT locktype || ' lock' FROM pg_locks
          WHERE pid = pg_backend_pid() AND locktype = 'advisory'
UNION ALL SELECT 'table ' || relname FROM pg_class
          WHERE relnamespace = pg_my_temp_schema() AND pg_my_temp_schema() <> 0
"""


def leaks(installation: PooledInstallation) -> list[str]:
    """Look at every server connection of the pool; return what is not as on a new connection.

    Each is held by a transaction of ours while it is looked at, so that the pool gives another.
    """
    with session("newcomer") as newcomer:
        wanted = settings_of(newcomer)
    found: list[str] = []
    seen: set[int] = set()
    with ExitStack() as stack:
        with installation.through():
            onlookers = [stack.enter_context(session(ONLOOKER)) for _ in range(POOL_SIZE)]
        for each in onlookers:
            each.execute("BEGIN")
            each.execute("SELECT pg_backend_pid()")
            seen.add(each.fetchone()[0])
        for each in onlookers:
            changed = settings_of(each).items() ^ wanted.items()
            found += [f"{name} = {value}" for name, value in changed]
            each.execute(KEPT)
            found += [what for (what,) in each.fetchall()]
        missed = installation.pooled_pids() - seen
    assert not missed, f"server connections that nobody looked at: {missed}"
    return found


def settings_of(cursor: Any) -> dict[str, str]:
    """Return every setting of the session that a cursor belongs to."""
    cursor.execute(SETTINGS, [list(OWN_TO_EACH)])
    return dict(cursor.fetchall())
