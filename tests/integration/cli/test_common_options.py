"""The options that every command of Django takes, before and after the word of ``timepart``."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from pg_timepart.management.commands.timepart import Command
from tests.support.checkout import CHECKOUT
from tests.support.command_line import NOWHERE, CommandResult, environment, program, run_timepart

COMMANDS: dict[str, tuple[str, ...]] = {
    "status": (),
    "plan": (),
    "maintain": (),
    "reconcile": (),
    "create": ("shop.event",),
    "detach": ("shop.event", "--expired"),
    "attach": ("shop.event", "--all"),
    "move": ("shop.event", "--partition=p", "--tablespace=t"),
    "drop": ("shop.event", "--partition=p"),
}
OPTIONS: dict[str, tuple[str, Any, Any]] = {
    "-v=2": ("verbosity", 2, 1),
    "--verbosity=0": ("verbosity", 0, 1),
    "--settings=project.settings": ("settings", "project.settings", None),
    "--pythonpath=/srv": ("pythonpath", "/srv", None),
    "--traceback": ("traceback", True, False),
    "--no-color": ("no_color", True, False),
    "--force-color": ("force_color", True, False),
    "--skip-checks": ("skip_checks", True, False),
}


def parsed(*words: str) -> dict[str, Any]:
    # argparse takes ``-v=2`` for the value ``=2``; people write a space.
    line = [part for word in words for part in (("-v", "2") if word == "-v=2" else (word,))]
    return vars(Command().create_parser("manage.py", "timepart").parse_args(line))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_standard_options_before_and_after_the_command(command: str, option: str) -> None:
    name, value, default = OPTIONS[option]
    words = COMMANDS[command]
    assert parsed(command, *words)[name] == default
    assert parsed(option, command, *words)[name] == value
    assert parsed(command, *words, option)[name] == value
    assert parsed(command, option, *words)[name] == value


def test_the_last_of_two_counts() -> None:
    assert parsed("--verbosity=0", "status", "--verbosity=3")["verbosity"] == 3


def test_settings_after_the_command_are_those_that_are_read() -> None:
    environ = environment(NOWHERE)
    del environ["DJANGO_SETTINGS_MODULE"]
    ended = subprocess.run(
        program(
            *("status", "fleet.ship", "--no-color", "-v", "2"),
            *("--settings", "tests.settings", "--pythonpath", os.fspath(CHECKOUT)),
        ),
        env=environ,
        cwd=CHECKOUT.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout.startswith("fleet.ship: critical\n"), ended.stderr
    assert ended.returncode == 1


def test_a_traceback_for_who_asks_for_it() -> None:
    def unknown(*more: str) -> CommandResult:
        return run_timepart("status", "fleet.submarine", *more, url=NOWHERE)

    assert "Traceback" not in unknown().error
    asked = unknown("--traceback").error
    assert "Traceback" in asked
    assert "UnknownName" in asked


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_the_own_options_first(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(command, "--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    own, apart, standard = text.partition("standard options, before or after the command's word:\n")
    assert apart
    assert "\n  --json " in own
    assert "\n  --settings " not in own
    assert "\n  --traceback " in standard
