"""The blocks of the README's quickstart, as a newcomer copies them.

A block of Python whose first line is ``# path/to/file.py`` is that file; with ``, at its end``
behind it, it goes to the end of the file that is there. A console block has commands behind ``$``,
a pycon block statements behind ``>>>`` and what the last of them prints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.checkout import CHECKOUT

SECTION = "## Quickstart"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<path>[\w/]+\.py)(?P<at_end>, at its end)?\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the page."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The command lines of a console block."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]

    @property
    def statements(self) -> str:
        """The statements of a pycon block."""
        lines = self.text.splitlines()
        return "\n".join(each[4:] for each in lines if each.startswith((">>> ", "... ")))

    @property
    def printed(self) -> str:
        """What a pycon block shows after its last statement."""
        lines = self.text.splitlines()
        last = max(number for number, each in enumerate(lines) if each.startswith((">>>", "...")))
        return "\n".join(lines[last + 1 :])


def blocks() -> list[Block]:
    """Return the blocks of the quickstart in their order."""
    text = (CHECKOUT / "README.md").read_text()
    section = text[text.index(f"{SECTION}\n") + len(SECTION) :]
    section = section.partition("\n## ")[0].partition("\n### ")[0]
    return [Block(*each.groups()) for each in _BLOCK.finditer(section)]


def write_files(folder: Path, redis_url: str) -> None:
    """Write the files of the whole README into a project, with another address of Redis."""
    for each in _BLOCK.finditer((CHECKOUT / "README.md").read_text()):
        language, text = each.groups()
        named = _FILE.match(text)
        if language == "python" and named:
            path = folder / named["path"]
            before = path.read_text() if named["at_end"] else ""
            path.write_text(before + text.replace("redis://localhost:6379/0", redis_url))
