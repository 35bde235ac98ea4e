"""The command line of ``timepart``: its sub-commands, from the registry of operations."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_timepart.maintenance.operation_registry import operations
from pg_timepart.maintenance.operation_registry.operation import (
    Flag,
    Operation,
    Selection,
    as_sentence,
)
from pg_timepart.status.advice import LIMIT

PARTITION = Flag(
    names=("--partition",),
    help="table names of partitions, or schema.table, as timepart status shows them",
    options={"dest": "partitions", "nargs": "+", "action": "extend", "metavar": "NAME"},
)
EPILOG = (
    "Models are written app.model. Times without an offset are read, and all times shown, in"
    " PARTITION_TIMEZONE. Exit status: 0 all is well; 1 something is wrong, or a run failed or was"
    " deferred because another session holds a lock; 2 the command line is wrong; 4 there is"
    " something to do (advise)."
    " timepart COMMAND --help says more."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of every Django command, with the arguments of ``add_argument``."""

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
    for name, (summary, add) in _READ_ONLY.items():
        command = commands.add_parser(name, help=summary, description=as_sentence(summary))
        add(command)
        _add_common(command, standard)
    for each in operations():
        command = commands.add_parser(each.name, help=each.summary, description=each.docstring)
        _add_operation(command, each)
        _add_common(command, standard)


def _add_operation(parser: ArgumentParser, operation: Operation) -> None:
    """Add the models, the partitions and the options that an operation takes."""
    parser.epilog = operation.details or None
    (_add_model if operation.many is None else _add_models)(parser)
    if operation.selection is not None:
        _add_partitions(parser, operation.selection)
    for each in operation.arguments:
        if each.flag is not None:
            _add_flag(parser, each.flag, dest=each.name, **_required(each.is_required))
    if operation.confirmation is not None:
        parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_partitions(parser: ArgumentParser, selection: Selection) -> None:
    """Add ``--partition``, and the option for all partitions where the operation has one."""
    group: Any = parser
    if selection.without_names is not None:
        group = parser.add_mutually_exclusive_group(required=True)
        _add_flag(group, selection.without_names, action="store_true")
    _add_flag(group, PARTITION, **_required(selection.without_names is None))


def _add_flag(parser: Any, flag: Flag, **options: Any) -> None:
    parser.add_argument(*flag.names, help=flag.help, **{**flag.options, **options})


def _required(is_required: bool) -> dict[str, bool]:
    return {"required": True} if is_required else {}


def _add_common(command: ArgumentParser, standard: Sequence[Option]) -> None:
    """Add ``--json``, and the standard options without a default.

    Without defaults, they do not overwrite those given before the sub-command.
    """
    command.add_argument(
        "--json", action="store_true", help="print a JSON list, one object a model"
    )
    group = command.add_argument_group("standard options, before or after the command's word")
    for each in standard:
        group.add_argument(*each.flags, **each.keywords | {"default": SUPPRESS})


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


def _advise(parser: ArgumentParser) -> None:
    parser.epilog = (
        "It needs the extension pg_stat_statements, plans recorded statements by EXPLAIN and"
        " executes none. Exit status: 0 if none of them asks all partitions, as far as can be told;"
        " 4 if some do; 1 if nothing can be told. docs/pruning.md says which queries prune."
    )
    _add_models(parser)
    parser.add_argument("--database", metavar="ALIAS", help="another database with the tables")
    parser.add_argument(
        "--limit",
        type=_positive,
        default=LIMIT,
        metavar="N",
        help="how many statements of a table are planned, those with the most time (%(default)s)",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number


def _add_models(parser: ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="app.model; all partitioned models by default"
    )


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="app.model")


_READ_ONLY = {
    "status": ("show every partition, and what is wrong", _status),
    "plan": ("show what maintain would do, with its SQL and locks, and do nothing", _plan),
    "advise": ("show recorded statements that ask more partitions than they need", _advise),
}
