"""Exceptions that end a run of Django's tests, with a sentence for whoever started it."""

from __future__ import annotations


class SuiteError(Exception):
    """The sources, an environment or a run cannot be had; the message says why."""
