"""What ``timepart`` takes on its command line, read and checked before anything is done."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pg_timepart import conf
from pg_timepart.errors import TimepartError
from pg_timepart.partitions.planner import MAX_DAYS
from pg_timepart.partitions.time_zones import in_utc, representable, start_of_day

EPILOG = (
    "Models are written app.model. Times without an offset are read, and all times shown, in"
    " PARTITION_TIMEZONE. Exit status: 0 all is well; 1 something is wrong, or a run failed or gave"
    " way to somebody who holds a lock; 2 the command line is wrong. timepart COMMAND --help says"
    " more."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option that every command of Django takes, as ``add_argument`` wants it."""

    flags: tuple[str, ...]
    keywords: dict[str, Any]


def add_commands(parser: ArgumentParser, standard: Sequence[Option] = ()) -> None:
    """Add every command with its arguments to ``parser``.

    The ``standard`` options, which ``parser`` has, may stand after the word of a command too.
    """
    parser.epilog = EPILOG
    commands = parser.add_subparsers(
        dest="operation", metavar="COMMAND", required=True, title="commands"
    )
    for name, (summary, add) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{_capital(summary)}.")
        add(command)
        command.add_argument(
            "--json", action="store_true", help="print a JSON list, one object a model"
        )
        _add_standard(command, standard)


def _add_standard(command: ArgumentParser, standard: Sequence[Option]) -> None:
    """Add options without a default: what stands before the word of the command remains."""
    group = command.add_argument_group("standard options, before or after the command's word")
    for each in standard:
        group.add_argument(*each.flags, **each.keywords | {"default": SUPPRESS})


def moment(text: str) -> datetime:
    """Return the moment in UTC that ISO 8601 ``text`` names.

    A date is the start of that day in the configured zone, and a time without an offset is read
    there. Raises ArgumentTypeError.
    """
    try:
        return in_utc(representable("A time", _moment(text), conf.zone()))
    except TimepartError as error:
        raise ArgumentTypeError(str(error)) from error
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is not a date or time such as 2024-01-31 or 2024-01-31T15:00+01:00."
        ) from error


def days(text: str) -> int:
    """Return a number of days; raises ArgumentTypeError."""
    if text.isdecimal() and text.isascii() and int(text) <= MAX_DAYS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number of days, 0 to {MAX_DAYS}.")


def _moment(text: str) -> datetime:
    zone = conf.zone()
    try:
        return start_of_day(date.fromisoformat(text), zone)
    except ValueError:
        found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _status(parser: ArgumentParser) -> None:
    parser.epilog = (
        "Exit status: 1 if the health of any of these tables is not ok, else 0. Critical: new rows"
        " are refused, or will be in less than one period. Warning: less than half of the"
        " periods that should be ready are, the last run failed, work was interrupted, the"
        " scheduled pass is overdue, or the config is disabled. For a probe: timepart status"
        " --json."
    )
    _add_models(parser)


def _plan(parser: ArgumentParser) -> None:
    parser.epilog = (
        "The output is a script for psql: everything but its SQL is a comment. Exit status: 1 if"
        " there is something that only a person can decide, else 0, whatever there is to do."
    )
    _add_models(parser)


def _maintain(parser: ArgumentParser) -> None:
    parser.epilog = (
        "A pass finishes what was interrupted, creates partitions ahead, detaches what is past"
        " retention, moves it, and drops what was detached longer ago than the config's grace."
        " Exit status: 1 if any pass failed or gave way, else 0."
    )
    _add_models(parser)


def _create(parser: ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "--days",
        type=days,
        metavar="N",
        help="create what follows until the newest partition ends more than N days from now;"
        " 0 creates exactly the next one (default: 1)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=moment,
        metavar="TIME",
        help="create what is missing from here, in whole periods; for gaps and old rows",
    )
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="... to here")


def _detach(parser: ArgumentParser) -> None:
    _add_model(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    _add_partitions(which)
    which.add_argument(
        "--expired",
        action="store_true",
        help="all that are past retention, also more than the fuse of a pass allows",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="in one short transaction that needs the table for itself, rather than concurrently",
    )


def _attach(parser: ArgumentParser) -> None:
    _add_model(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    _add_partitions(which)
    which.add_argument("--all", action="store_true", help="all that are detached")
    parser.add_argument(
        "--pin", type=moment, metavar="TIME", help="let retention leave them alone until then"
    )


def _move(parser: ArgumentParser) -> None:
    _add_model(parser)
    _add_partitions(parser, required=True)
    parser.add_argument("--tablespace", required=True, metavar="NAME", help="where they go")


def _drop(parser: ArgumentParser) -> None:
    _add_model(parser)
    _add_partitions(parser, required=True)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_models(parser: ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="app.model; all partitioned models by default"
    )


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="app.model")


def _add_partitions(parser: Any, **options: Any) -> None:
    parser.add_argument(
        "--partition",
        dest="partitions",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="table names of partitions, or schema.table, as timepart status shows them",
        **options,
    )


def _capital(summary: str) -> str:
    return summary[0].upper() + summary[1:]


_COMMANDS = {
    "status": ("show every partition, and what is wrong", _status),
    "plan": ("show what maintain would do, with its SQL and locks, and do nothing", _plan),
    "maintain": (
        "run a whole pass on these tables, or on every enabled one: finish, create, retire, drop",
        _maintain,
    ),
    "create": ("create partitions", _create),
    "detach": ("take partitions off the table; their rows stay in tables of their own", _detach),
    "attach": ("put detached partitions back", _attach),
    "move": ("move partitions with all their indexes to another tablespace", _move),
    "drop": ("drop detached partitions with their rows, for good", _drop),
    "reconcile": (
        "bring our rows in step with the database, and say what only a person can decide",
        _add_models,
    ),
}
