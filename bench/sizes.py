"""Sizes of the benchmarks: how many partitions, tables and rounds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the command's options say."""

    partitions: int
    """How many partitions are created at a time."""

    rounds: int
    """How often each measurement is repeated, alternating with what it is compared with."""

    tables: int
    """How many tables an idle pass looks at."""

    partitions_each: int
    """How many partitions each of these has."""

    report_seconds: float
    """How long the report is open during a rotation."""
