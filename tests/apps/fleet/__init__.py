"""Models that the tests of planning and of the operations work on."""

from __future__ import annotations
