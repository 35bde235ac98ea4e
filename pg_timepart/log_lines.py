"""The logger of this package: whatever is in a name, a record of it is one line.

Names of tables may have line breaks in them, and a log that is read line by line would show what
follows as a record of its own.
"""

from __future__ import annotations

import logging

from pg_timepart.texts import printable


class OneLine(logging.Filter):
    """Shows control characters in what a record tells as escapes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                each if isinstance(each, int | float) else printable(str(each))
                for each in record.args
            )
        return True


logger = logging.getLogger("pg_timepart")
logger.addFilter(OneLine())
