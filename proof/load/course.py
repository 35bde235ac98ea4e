"""What was seen of one run."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy.demo.history import Step
from proof.load.leaves import read_numbers
from proof.load.rotating import Goal
from proof.load.samples import Window
from proof.load.waits import Waits
from proof.load.witness import Witness


@dataclass(slots=True, kw_only=True)
class Course:
    """What was seen of one run."""

    past: dict[str, int]
    """How many rows each table had at first."""

    goals: list[Goal]
    quiet: list[Window] = field(default_factory=list)
    rotating: Window = field(default_factory=lambda: Window(began=0.0, ended=0.0))
    waits: Waits = field(default_factory=Waits)
    witness: Witness = field(default_factory=lambda: Witness(read_numbers))
    shortfalls: list[str] = field(default_factory=list)
    """What had not happened when the rotation had to be over."""

    steps: list[Step] = field(default_factory=list)
    """What the workers did, as they recorded it."""
