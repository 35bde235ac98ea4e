"""Signals, sent with ``sender=<model>, partition_log=<row>`` after the change is committed."""

from __future__ import annotations

from django.dispatch import Signal

post_create_partition = Signal()
post_attach_partition = Signal()
post_detach_partition = Signal()
