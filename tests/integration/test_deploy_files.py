"""The image, the compose file, the units and the manifest: well formed, and of one mind."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from tests.deployed import CHECKOUT, COMPOSE, compose_services, health_command, resolved

DEPLOY = CHECKOUT / "deploy"
OWN = ("migrate", "web", "worker", "beat")
SERVICES = compose_services()
SETTINGS = (DEPLOY / "settings.py").read_text()


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile."""
    parser = DockerfileParser(path=str(DEPLOY))
    return [(each["instruction"], each["value"]) for each in parser.structure]


@pytest.fixture(scope="module")
def manifest() -> list[dict[str, Any]]:
    text = (DEPLOY / "kubernetes/timepart.yaml").read_text()
    return list(yaml.safe_load_all(text))


def of(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [value for instruction, value in instructions if instruction == name]


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


def test_compose_file_has_the_shape_of_the_specification() -> None:
    options = compose_spec.PyOptions(apply_merge=True)
    compose = options.from_yaml(resolved(COMPOSE.read_text(), {}))
    compose.validate()
    assert {"postgres", "redis", *OWN} <= set(compose.service_names())


def test_compose_refuses_to_start_without_secrets() -> None:
    text = COMPOSE.read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}(.{{2}})", text)
        assert uses
        assert set(uses) == {":?"}, f"{name} must have no default"


@pytest.mark.parametrize("name", ["postgres", "redis", "web", "worker", "beat"])
def test_lasting_services_are_watched_and_restarted(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert health_command(service)
    assert seconds(service["healthcheck"]["timeout"]) <= seconds(service["healthcheck"]["interval"])


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_services_start_after_the_migration(name: str) -> None:
    conditions = {each: how["condition"] for each, how in SERVICES[name]["depends_on"].items()}
    assert conditions == {
        "migrate": "service_completed_successfully",
        "postgres": "service_healthy",
        "redis": "service_healthy",
    }


def test_worker_has_time_for_a_warm_shutdown() -> None:
    assert SERVICES["worker"]["stop_signal"] == "SIGTERM"
    assert seconds(SERVICES["worker"]["stop_grace_period"]) >= 120


def test_volumes_are_declared_and_the_tablespace_is_one() -> None:
    declared = yaml.safe_load(COMPOSE.read_text())["volumes"].keys()
    mounts = [mount for each in SERVICES.values() for mount in each.get("volumes", [])]
    named = {each.split(":")[0] for each in mounts if not each.startswith(".")}
    assert named == set(declared)
    assert "archive:/tablespaces" in SERVICES["postgres"]["volumes"]
    for mount in mounts:
        if mount.startswith("."):
            assert (CHECKOUT / mount.split(":")[0]).exists()


def test_every_variable_is_one_that_the_settings_read(manifest: list[dict[str, Any]]) -> None:
    config = next(each for each in manifest if each["kind"] == "ConfigMap")
    for name in {*SERVICES["worker"]["environment"], *config["data"]} - {"PORT"}:
        assert f'"{name}"' in SETTINGS, name


def test_image_is_built_in_stages_from_pinned_bases(dockerfile: list[tuple[str, str]]) -> None:
    bases = of(dockerfile, "FROM")
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.1\d\.\d+-slim-\w+( AS \w+)?", each) for each in bases)
    assert of(dockerfile, "COPY")[-2].startswith("--from=build ")


def test_image_runs_as_an_ordinary_user(dockerfile: list[tuple[str, str]]) -> None:
    users = of(dockerfile, "USER")
    assert [each.isdecimal() and int(each) > 0 for each in users] == [True]


def test_image_serves_the_web_by_default(dockerfile: list[tuple[str, str]]) -> None:
    [command] = of(dockerfile, "CMD")
    assert yaml.safe_load(command) == SERVICES["web"]["command"]


def test_what_the_image_copies_is_there_and_not_ignored(dockerfile: list[tuple[str, str]]) -> None:
    rules = (CHECKOUT / ".dockerignore").read_text().split()
    allowed = {each[1:] for each in rules if each.startswith("!")}
    for copy in of(dockerfile, "COPY"):
        if copy.startswith("--from="):
            continue
        for source in shlex.split(copy)[:-1]:
            assert list(CHECKOUT.glob(source)), source
            assert any(fnmatch(each, source.split("/")[0]) for each in allowed), source


def test_nothing_in_the_image_needs_what_is_left_out_of_it() -> None:
    left_out = [f"deploy.{name}" for name in ("demo", "local")]
    assert all(
        each.replace(".", "/") in (CHECKOUT / ".dockerignore").read_text() for each in left_out
    )
    for file in DEPLOY.rglob("*.py"):
        if file.relative_to(DEPLOY).parts[0] not in {"demo", "local"}:
            used = imported_by(file)
            assert not [each for each in used if each.startswith(tuple(left_out))], file


def imported_by(file: Path) -> list[str]:
    tree = ast.parse(file.read_text())
    plain = [
        each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    ]
    return plain + [
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    ]


def test_every_dependency_of_the_image_is_pinned() -> None:
    pins = (DEPLOY / "constraints.txt").read_text().splitlines()
    lines = [each for each in pins if not each.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", each) for each in lines)
    pinned = {each.split("==")[0].lower().replace("_", "-") for each in lines}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["deploy"]]
    assert {re.split(r"[\[<>=!~ ]", each)[0].lower() for each in wanted} <= pinned


def unit(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / f"systemd/timepart-{name}.service")
    return parser


@pytest.mark.parametrize("name", OWN)
def test_units_run_what_compose_runs(name: str) -> None:
    service = unit(name)["Service"]
    program, *arguments = shlex.split(service["ExecStart"].replace("%%", "%"))
    assert program.startswith("/srv/timepart/venv/bin/")
    assert [Path(program).name, *arguments] == SERVICES[name]["command"]
    assert service["User"] == "timepart"


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_units_restart_and_stop_as_compose_does(name: str) -> None:
    service = unit(name)["Service"]
    assert service["Restart"] == "always"
    assert service["KillSignal"] == SERVICES[name]["stop_signal"]
    assert service["TimeoutStopSec"] == str(seconds(SERVICES[name]["stop_grace_period"]))
    assert unit(name)["Install"]["WantedBy"] == "multi-user.target"
    assert unit(name)["Unit"]["Requires"] == "timepart-migrate.service"


def pods(manifest: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["labels"]["component"]: each["spec"]
        for each in manifest
        if each["kind"] in {"Deployment", "Job"}
    }


@pytest.mark.parametrize("name", OWN)
def test_pods_run_what_compose_runs(name: str, manifest: list[dict[str, Any]]) -> None:
    pod = pods(manifest)[name]["template"]["spec"]
    [container] = pod["containers"]
    assert container["command"] == SERVICES[name]["command"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    if name != "migrate":
        grace = seconds(SERVICES[name]["stop_grace_period"])
        assert pod["terminationGracePeriodSeconds"] == grace


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_pods_are_probed_as_compose_does(name: str, manifest: list[dict[str, Any]]) -> None:
    [container] = pods(manifest)[name]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["exec"]["command"] == health_command(SERVICES[name])


def test_beat_is_one_replica_and_workers_scale(manifest: list[dict[str, Any]]) -> None:
    specs = pods(manifest)
    assert specs["beat"]["replicas"] == 1
    assert specs["beat"]["strategy"] == {"type": "Recreate"}
    assert specs["worker"]["replicas"] > 1


def test_selectors_find_their_pods(manifest: list[dict[str, Any]]) -> None:
    for each in manifest:
        if each["kind"] == "Deployment":
            labels = each["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"] == labels
        if each["kind"] == "Service":
            assert (
                each["spec"]["selector"] == pods(manifest)["web"]["template"]["metadata"]["labels"]
            )
