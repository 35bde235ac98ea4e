"""An application as its developers write it: a web shop that keeps what happened."""

from __future__ import annotations
