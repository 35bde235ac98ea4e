"""An application whose tables are killed, raced and blocked."""

from __future__ import annotations
