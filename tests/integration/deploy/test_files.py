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

from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import COMPOSE, compose_services, health_command, resolved

DEPLOY = CHECKOUT / "deploy"
OWN = ("migrate", "web", "worker", "beat")
SERVICES = compose_services()
OWN_IMAGE = SERVICES["web"]["image"]
UNITS = sorted((DEPLOY / "systemd").iterdir())
HARDENING = {
    "NoNewPrivileges": ["true"],
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "PrivateDevices": ["true"],
    "PrivateIPC": ["true"],
    "PrivateTmp": ["true"],
    "PrivateUsers": ["true"],
    "ProtectClock": ["true"],
    "ProtectControlGroups": ["true"],
    "ProtectHome": ["true"],
    "ProtectHostname": ["true"],
    "ProtectKernelLogs": ["true"],
    "ProtectKernelModules": ["true"],
    "ProtectKernelTunables": ["true"],
    "ProtectProc": ["invisible"],
    "ProcSubset": ["pid"],
    "ProtectSystem": ["strict"],
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    "RestrictNamespaces": ["true"],
    "RestrictRealtime": ["true"],
    "RestrictSUIDSGID": ["true"],
    "LockPersonality": ["true"],
    "MemoryDenyWriteExecute": ["true"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "SystemCallErrorNumber": ["EPERM"],
    "KeyringMode": ["private"],
    "LimitCORE": ["0"],
    "UMask": ["0077"],
}
# The newest that mend something known to be exploitable, when this was written.
SECURITY_RELEASES = {"python": (3, 12, 15), "postgres": (17, 11), "redis": (7, 4, 11)}
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
    assert [re.fullmatch(r"[1-9]\d*:[1-9]\d*", each) is not None for each in users] == [True]
    [user] = users
    [created] = [each for each in of(dockerfile, "RUN") if "useradd" in each]
    assert re.findall(r"--[ug]id (\d+)", created.partition("useradd")[2]) == user.split(":")


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


@pytest.mark.parametrize(("name", "least"), SECURITY_RELEASES.items())
def test_images_are_not_behind_security_releases(
    name: str, least: tuple[int, ...], dockerfile: list[tuple[str, str]]
) -> None:
    images = [*of(dockerfile, "FROM"), *(each.get("image", "") for each in SERVICES.values())]
    pins = re.findall(rf"^{name}:([\d.]+)-", "\n".join(images), re.MULTILINE)
    assert pins
    for pin in pins:
        version = tuple(map(int, pin.split(".")))
        assert len(version) == len(least), f"{name}:{pin} is not pinned to the patch"
        assert version >= least


def test_pins_are_kept_current() -> None:
    updates = yaml.safe_load((CHECKOUT / ".github/dependabot.yml").read_text())["updates"]
    kept = {(each["package-ecosystem"], each["directory"]) for each in updates}
    assert {("docker", "/deploy"), ("docker-compose", "/"), ("pip", "/deploy")} <= kept


@pytest.mark.parametrize("name", SERVICES)
def test_containers_have_no_right_that_they_do_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    if name == "tablespaces":  # makes a folder and gives it to the server
        assert service["cap_add"] == ["CHOWN", "FOWNER"]
        assert service["network_mode"] == "none"
    else:
        assert "cap_add" not in service
        assert service.get("user", "") in {"postgres", "redis"} or service["image"] == OWN_IMAGE
    assert all(each.startswith("127.0.0.1:") for each in service.get("ports", []))


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


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_units_have_no_right_that_they_do_not_need(file: Path) -> None:
    lines = [each.partition("=") for each in file.read_text().splitlines()]
    options: dict[str, list[str]] = {}
    for name, _, value in lines:
        options.setdefault(name, []).append(value)
    assert {name: options.get(name) for name in HARDENING} == HARDENING
    assert options["User"] == options["Group"] == ["timepart"]
    assert "LISTEN_ADDRESS=0" not in file.read_text()


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


def pod_templates(manifest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every pod of the manifest, whatever makes it."""
    return [
        each["spec"]["template"]["spec"] for each in manifest if "template" in each.get("spec", {})
    ]


def test_pods_have_no_right_that_they_do_not_need(
    manifest: list[dict[str, Any]], dockerfile: list[tuple[str, str]]
) -> None:
    [user] = of(dockerfile, "USER")
    uid, gid = map(int, user.split(":"))
    assert len(pod_templates(manifest)) == len(OWN)
    for pod in pod_templates(manifest):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": gid,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & pod.keys()
        for volume in pod["volumes"]:
            assert volume["emptyDir"]["sizeLimit"]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"].keys() == {"cpu", "memory", "ephemeral-storage"}
