"""Logger of this package; escapes line breaks, so that each record is one line.

Names of tables may contain line breaks, and a log that is read line by line would show the rest as
a record of its own. The same holds for the text of errors, whose tracebacks are indented.
"""

from __future__ import annotations

import logging

from pg_timepart.text import printable


class OneLine(logging.Filter):
    """Filter that escapes control characters in a record, and indents its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                each if isinstance(each, int | float) else printable(str(each))
                for each in record.args
            )
        if record.exc_info and not record.exc_text:
            record.exc_text = _indented(logging.Formatter().formatException(record.exc_info))
        return True


def _indented(traceback: str) -> str:
    """Return a traceback none of whose lines, the error's own among them, begins as a record."""
    return "\n".join(f"  {printable(each)}" for each in traceback.split("\n"))


logger = logging.getLogger("pg_timepart")
logger.addFilter(OneLine())
