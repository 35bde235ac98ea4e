"""``manage.py timepart``: run an operation of the registry, or show status, plan or advice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import django.db
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from pg_timepart import conf
from pg_timepart.constants import Outcome
from pg_timepart.errors import (
    AmbiguousName,
    TimepartError,
    UnknownName,
)
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.lookup import logs_named
from pg_timepart.maintenance.operation_registry import operation_named
from pg_timepart.maintenance.operation_registry.operation import ManyTables, Operation
from pg_timepart.maintenance.preview import Preview, preview_pass
from pg_timepart.maintenance.report import Report, report_of
from pg_timepart.maintenance.target import Target, decorated, target_named
from pg_timepart.maintenance.unattended import Unattended, unattended
from pg_timepart.management import rendering
from pg_timepart.management.advice_text import advice_lines
from pg_timepart.management.arguments import Option, add_commands
from pg_timepart.management.confirmation import ask, refuse_states
from pg_timepart.partitions.plan import Plan
from pg_timepart.schema.registry import registry
from pg_timepart.status import Health, TableStatus, statuses
from pg_timepart.status.advice import advice_on
from pg_timepart.status.health import in_one_line

ORIGIN = Origin(started_by="command")

WRONG, USAGE, TO_DO, INTERRUPTED = 1, 2, 4, 130


class Command(BaseCommand):
    """One command for every operation on partitions."""

    help = "Create, rotate, repair and show the partitions of tables that are partitioned by time."

    # Errors elsewhere in a project must not keep partitions from being created; the operation
    # itself reports errors of this package.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return the parser of the whole command line."""
        self._standard: list[Option] = []
        return super().create_parser(prog_name, subcommand, **options)

    def add_base_argument(self, parser: CommandParser, *flags: str, **keywords: Any) -> None:
        """Add a standard option, and remember it for the sub-commands."""
        super().add_base_argument(parser, *flags, **keywords)
        self._standard.append(Option(flags=flags, keywords=keywords))

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the commands ``status``, ``plan``, ``maintain``, ..."""
        # Django adds it only to commands with system checks; scripts may give it to any.
        self.add_base_argument(
            parser, "--skip-checks", action="store_true", help="Changes nothing: none are run."
        )
        add_commands(parser, self._standard)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the sub-command; raises CommandError with the exit status."""
        with _sentences():
            match options["operation"]:
                case "status":
                    self._status(options)
                case "plan":
                    self._plan(options)
                case "advise":
                    self._advise(options)
                case name:
                    self._operate(operation_named(name), options)

    def _status(self, options: dict[str, Any]) -> None:
        found = statuses(_labels(options) if options["models"] else None)
        zone = conf.zone()
        is_verbose = options["verbosity"] > 1
        self._show(
            options,
            found,
            lambda each: rendering.status_lines(each, zone, with_literals=is_verbose),
        )
        _raise_unhealthy(found)

    def _plan(self, options: dict[str, Any]) -> None:
        zone = conf.zone()
        previews = [_preview(label) for label in _labels(options)]
        if not options["models"]:
            previews += [_unattended_preview(each) for each in unattended()]
        self._show(options, previews, lambda each: rendering.preview_lines(each, zone))
        _raise_for([each.label for each in previews if each.plan.problems], "need a decision")

    def _advise(self, options: dict[str, Any]) -> None:
        zone = conf.zone()
        alias, limit = _alias(options["database"]), options["limit"]
        found = advice_on(_labels(options), using=alias, limit=limit)
        self._show(options, found, lambda each: advice_lines(each, zone))
        _raise_for([each.label for each in found if each.problems], "cannot be advised on")
        asking_all = [each.label for each in found if each.statements]
        _raise_for(asking_all, "statements ask all partitions", returncode=TO_DO)

    def _operate(self, operation: Operation, options: dict[str, Any]) -> None:
        wrong = operation.refuse(options)
        if wrong:
            raise CommandError(wrong, returncode=USAGE)
        if operation.many is not None:
            self._report(options, _reports(operation, operation.many, options))
        else:
            self._report(options, [report_of(self._work(operation, options))])

    def _work(self, operation: Operation, options: dict[str, Any]) -> Callable[[], Report]:
        """Return the operation with its arguments checked, its partitions found, and confirmed."""
        target = target_named(options["model"])
        arguments = _arguments(operation, target, options)
        names = options.get("partitions")
        logs = None if names is None else logs_named(target, names, origin=ORIGIN)
        if operation.confirmation is not None:
            refuse_states(operation, operation.confirmation, logs or ())
            if not options["yes"]:
                ask(self, operation, operation.confirmation, target, logs or ())
        chosen = () if operation.selection is None else (logs,)
        return partial(operation.run, target, *chosen, origin=ORIGIN, **arguments)

    def _report(self, options: dict[str, Any], reports: Sequence[Report]) -> None:
        self._show(options, reports, rendering.report_lines, apart="\n")
        for outcome, words in ((Outcome.FAILED, "failed"), (Outcome.DEFERRED, "deferred")):
            _raise_for([each.label for each in reports if each.outcome is outcome], words)

    def _show(
        self,
        options: dict[str, Any],
        values: Sequence[Any],
        render: Callable[[Any], Iterable[str]],
        apart: str = "\n\n",
    ) -> None:
        if options["json"]:
            shown = json.dumps([each.as_json() for each in values], indent=2, ensure_ascii=False)
        else:
            shown = apart.join("\n".join(render(each)) for each in values)
        self._print(shown or "No model is partitioned.")

    def _print(self, text: str) -> None:
        """Print the output; all is done and recorded, even if no reader is left (``| head -1``)."""
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            # As Python's documentation on SIGPIPE says: discard the rest, also at exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stdout.fileno())
            os.close(nowhere)


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn known errors into CommandError: a sentence and no traceback."""
    try:
        yield
    except (AmbiguousName, UnknownName) as error:
        raise CommandError(str(error), returncode=USAGE) from error
    except (TimepartError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error
    except django.db.Error as error:
        raise CommandError(in_one_line(error)) from error
    except KeyboardInterrupt as error:
        raise CommandError(
            "Interrupted. The next pass ends what was begun.", returncode=INTERRUPTED
        ) from error


def _labels(options: dict[str, Any]) -> list[str]:
    """Return the labels of the models that were named, or all; raises UnknownName."""
    wanted = [decorated(each) for each in options["models"]] or registry()
    return sorted({model._meta.label_lower for model in wanted})


def _arguments(operation: Operation, target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an operation that the command line has, checked."""
    return {
        each.name: each.checked(target, options[each.name])
        for each in operation.arguments
        if each.flag is not None
    }


def _reports(operation: Operation, many: ManyTables, options: dict[str, Any]) -> list[Report]:
    """Return the reports of the operation on the models that were named, or on all."""
    if many.run_all is not None and not options["models"]:
        reports = many.run_all(ORIGIN)
    else:
        reports = [_guarded(operation, label) for label in _labels(options)]
    return reports if options["models"] else [*reports, *_unattended_reports(operation.name)]


def _guarded(operation: Operation, label: str) -> Report:
    """Return the report of a run, also of one that could not begin: it stops no other."""
    try:
        return operation.run(target_named(label), origin=ORIGIN)
    except (TimepartError, django.db.Error) as error:
        return Report(
            label=label,
            operation=operation.name,
            outcome=Outcome.FAILED,
            message=_sentence(error),
        )


def _preview(label: str) -> Preview:
    try:
        return preview_pass(target_named(label))
    except (TimepartError, django.db.Error) as error:
        return Preview(label=label, plan=_unplanned(error), actions=())


def _unplanned(error: Exception) -> Plan:
    return Plan(problems=(Finding(Code.NOT_PLANNED, _sentence(error)),))


def _unattended_reports(operation: str) -> list[Report]:
    """Return failed reports for unattended labels."""
    return [
        Report(label=each.label, operation=operation, outcome=Outcome.FAILED, message=each.sentence)
        for each in unattended()
    ]


def _unattended_preview(lost: Unattended) -> Preview:
    return Preview(label=lost.label, plan=Plan(problems=(lost.finding,)), actions=())


def _raise_unhealthy(statuses: Sequence[TableStatus]) -> None:
    found = [each for each in statuses if each.health is not Health.OK]
    if found:
        named = ", ".join(f"{each.label} ({each.health})" for each in found)
        raise CommandError(f"{len(found)} of {len(statuses)} need attention: {named}.")


def _raise_for(labels: Sequence[str], words: str, returncode: int = WRONG) -> None:
    if labels:
        raise CommandError(f"{', '.join(labels)}: {words}.", returncode=returncode)


def _alias(name: str | None) -> str | None:
    """Return the alias of a database that was named, if one was; raises UnknownName."""
    if name is not None and name not in connections:
        raise UnknownName("database", name, list(connections))
    return name


def _sentence(error: Exception) -> str:
    return in_one_line(error) if isinstance(error, django.db.Error) else str(error)
