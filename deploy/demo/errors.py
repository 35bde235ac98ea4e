"""Exceptions that end a run early."""

from __future__ import annotations


class DemoError(Exception):
    """The run cannot go on. The message is a sentence for whoever started it."""


class Stopped(Exception):
    """Somebody asked the run to end."""
