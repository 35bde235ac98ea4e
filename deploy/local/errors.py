"""What goes wrong with a local service."""

from __future__ import annotations


class ServiceError(Exception):
    """A local service cannot be found, started or stopped. The message says why."""
