"""Folders of a matrix run: MATRIX_FOLDER, or ``.matrix``, which git ignores."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_FOLDER = Path(os.environ.get("MATRIX_FOLDER") or CHECKOUT / ".matrix").absolute()
ENVIRONMENTS = _FOLDER / "environments"
RUNS = _FOLDER / "runs"
DOCUMENT = CHECKOUT / "docs/matrix.md"
