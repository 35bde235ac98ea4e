"""Terminal output: lines that stay, and on a terminal a block below them that is redrawn."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

_UP_AND_CLEAR = "\x1b[{}F\x1b[J"


class Screen:
    """Writes to ``out``; what is not a terminal gets plain lines only."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_live = out.isatty()
        self._block: list[str] = []

    def say(self, line: str = "") -> None:
        """Write a line that stays."""
        self._write(f"{self._erased()}{line}\n{self._drawn()}")

    def show(self, block: Sequence[str]) -> None:
        """Draw the block anew; as plain lines where there is no terminal."""
        if not self.is_live:
            self._write("".join(f"{line}\n" for line in block))
            return
        erased = self._erased()
        width = shutil.get_terminal_size().columns
        self._block = [line[: width - 1] for line in block]
        self._write(f"{erased}{self._drawn()}")

    def clear(self) -> None:
        """Take the block away."""
        erased = self._erased()
        self._block = []
        self._write(erased)

    def _erased(self) -> str:
        return _UP_AND_CLEAR.format(len(self._block)) if self._block else ""

    def _drawn(self) -> str:
        return "".join(f"{line}\n" for line in self._block)

    def _write(self, text: str) -> None:
        # Nobody may be there to read: the terminal is closed, or the pager has ended.
        with suppress(OSError):
            self._out.write(text)
            self._out.flush()
