"""What ends the demo early."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on. The message is a sentence for whoever started it."""


class Stopped(Exception):
    """Somebody asked the demo to end."""
