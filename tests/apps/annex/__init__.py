"""The application that a model of the plant moves to; it is installed by the tests that move it."""

from __future__ import annotations
