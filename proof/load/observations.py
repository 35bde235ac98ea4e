"""Observations of one run: time windows, partitions, lock waits, and what the workers did."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy.demo.history import Step
from proof.load.lock_waits import LockWaits
from proof.load.partition_observer import PartitionObserver
from proof.load.partitions import read_numbers
from proof.load.rotations import Goal
from proof.load.samples import Window


@dataclass(slots=True, kw_only=True)
class Observations:
    """What was seen of one run."""

    initial_rows: dict[str, int]
    """How many rows each table had at first."""

    goals: list[Goal]
    quiet: list[Window] = field(default_factory=list)
    rotating: Window = field(default_factory=lambda: Window(began=0.0, ended=0.0))
    waits: LockWaits = field(default_factory=LockWaits)
    observer: PartitionObserver = field(default_factory=lambda: PartitionObserver(read_numbers))
    shortfalls: list[str] = field(default_factory=list)
    """What had not happened when the rotation had to be over."""

    steps: list[Step] = field(default_factory=list)
    """What the workers did, as they recorded it."""
