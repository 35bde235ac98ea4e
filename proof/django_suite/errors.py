"""What stops a run of Django's tests, as a sentence for whoever asked for it."""

from __future__ import annotations


class SuiteError(Exception):
    """The sources, an environment or a run cannot be had; the message says why."""
