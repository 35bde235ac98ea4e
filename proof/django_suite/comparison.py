"""Comparison of two runs of one suite, which must have ended alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

PASSED = {"passed", "failed as expected"}
HEADINGS = ("tests", "passed", "failed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How one run of a suite went."""

    endings: Mapping[str, Sequence[str]]
    """How each test ended, by its id; some end in several ways."""

    reasons: Mapping[str, str]
    """The error of each test that failed."""

    editors: Mapping[str, int]
    """How many tests began while the schema editors were "ours", and "others"."""

    partitions: bool
    """Whether a decorated model got a partitioned table in the end."""

    partitioned: int
    """How many tables of the tests were partitioned."""

    def counts(self) -> tuple[int, int, int, int]:
        """Return how many tests there were, passed, failed in whatever way, and were skipped."""
        endings = list(self.endings.values())
        passed = sum(set(each) <= PASSED for each in endings)
        skipped = sum("skipped" in each and set(each) <= {"skipped", *PASSED} for each in endings)
        return len(endings), passed, len(endings) - passed - skipped, skipped

    def was_ours_throughout(self) -> bool:
        """Return whether every test ran with our schema editor, and that one partitions."""
        return (
            self.partitions and self.editors.get("ours", 0) > 0 and not self.editors.get("others")
        )

    def was_never_ours(self) -> bool:
        """Return whether no test ran with our schema editor."""
        return not self.partitions and not self.editors.get("ours")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One suite, without pg_timepart and with it."""

    suite: str
    without: Record
    including: Record

    is_partitioned: bool = False
    """Whether the models of the tests were partitioned in the run with pg_timepart."""

    expected: Mapping[str, str] = field(default_factory=dict)
    """Why a test must end otherwise with it, by the test's id."""

    def differences(self) -> dict[str, str]:
        """Return how each test that did not end alike did end, by its id."""
        ran = sorted({*self.without.endings, *self.including.endings})
        return {
            test: self._difference(test)
            for test in ran
            if _ended(self.without, test) != _ended(self.including, test)
        }

    def faults(self) -> Iterator[str]:
        """Yield why the runs prove nothing, then each test that did not end alike."""
        if not self.without.endings or not self.including.endings:
            yield f"{self.suite}: no test ran."
        if not self.without.was_never_ours():
            yield f"{self.suite}: pg_timepart was active in the run without it."
        if not self.including.was_ours_throughout():
            yield f"{self.suite}: pg_timepart was not active in the run with it."
        if self.is_partitioned != (self.including.partitioned > 0):
            yield f"{self.suite}: {self.including.partitioned} tables were partitioned."
        found = self.differences()
        yield from (told for test, told in found.items() if test not in self.expected)
        for test, reason in self.expected.items():
            if test in self.without.endings and test not in found:
                yield f"{test}: ended alike, and was expected not to: {reason}."

    def _difference(self, test: str) -> str:
        reason = self.including.reasons.get(test) or self.without.reasons.get(test)
        return (
            f"{test}: {_ended(self.without, test)} without pg_timepart,"
            f" {_ended(self.including, test)} with it{f': {reason}' if reason else ''}"
        )


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the counts of each suite, both ways."""
    lines = [
        f"{'':<20}{'without pg_timepart':^33}  {'with pg_timepart':^33}  partitioned  its editor",
        f"{'suite':<20}{_row(HEADINGS)}  {_row(HEADINGS)}  {'tables':<11}  ran in",
    ]
    for each in comparisons:
        editors, partitioned = each.including.editors, each.including.partitioned
        lines.append(
            f"{each.suite:<20}{_row(each.without.counts())}  {_row(each.including.counts())}"
            f"  {partitioned:<11}  {editors.get('ours', 0)} of {sum(editors.values())}"
        )
    return "\n".join(lines)


def _ended(record: Record, test: str) -> str:
    return " and ".join(sorted(set(record.endings.get(test, ())))) or "not run"


def _row(cells: Sequence[object]) -> str:
    return " ".join(f"{each!s:>8}" for each in cells)[2:]
