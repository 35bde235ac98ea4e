"""What the deployable project makes of its environment variables, and says of wrong ones."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from deploy import environment as variables
from deploy.local.ports import HOST, free_port
from tests.support.deployed_project import (
    compose_services,
    environment,
    own_database,
    run,
    running,
    until,
)

REDIS = "redis://here/0"
RABBIT = "amqp://user:password@there//"
NO_STORE = "disabled://"
NOWHERE = "postgresql://here/x"
WEB = compose_services()["web"]["command"]
IN_PRODUCTION = {
    "SECRET_KEY": "0123456789abcdef" * 4,
    "ALLOWED_HOSTS": "timepart.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://timepart.example.com",
    "BEHIND_TLS_PROXY": "1",
}
RESPONSES = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "deploy.settings"
import django
django.setup()
from django.test import Client
client = Client(headers={"host": "timepart.example.com"})
for scheme in ("http", "https"):
    response = client.get(sys.argv[1], headers={"x-forwarded-proto": scheme})
    secure = [each["secure"] for each in response.cookies.values()]
    words = response.headers.get("Location"), response.headers.get("Strict-Transport-Security")
    print(response.status_code, *words, all(secure), sep="|")
"""
BROKER_AND_STORE = "from deploy.celery import app;print(app.conf.broker_url, app.backend.as_uri())"


def test_settings_need_a_secret_key(tmp_path: Path) -> None:
    environ = environment("postgresql://here/x", "redis://here")
    del environ["SECRET_KEY"]
    with running(["python", "-m", "deploy", "check"], environ, tmp_path / "log") as process:
        assert process.process.wait(30) == 1
    assert process.said().startswith("The environment variable SECRET_KEY must be set: ")
    assert process.said().count("\n") == 1
    assert "no issues" in run(
        ["python", "-m", "deploy", "check"], {**environ, "DEMO": "1"}, tmp_path
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FLAG", "perhaps", "FLAG is 'perhaps'. Known: 1, true"),
        ("NUMBER", "-1", "NUMBER must be a whole number of at least 1, not '-1'"),
        ("NUMBER", "0", "NUMBER must be a whole number of at least 1, not '0'"),
        ("DATABASE", "mysql:/secret", "DATABASE is no URL of a PostgreSQL database"),
        ("DATABASE", "nowhere://user:secret@host/x", "DATABASE is no URL of a PostgreSQL database"),
        ("DATABASE", "", "DATABASE must be set: the URL of a database"),
        ("LEVEL", "loud", "LEVEL is 'loud'. Known: LOW, HIGH."),
        ("OPTIONS", "{", "OPTIONS is not JSON"),
        ("OPTIONS", "[]", "OPTIONS must be a JSON object"),
        ("OPTIONS_DAYS", "many", "OPTIONS_DAYS must be a number, not 'many'"),
        ("OPTIONS_DAY", "1", "OPTIONS_DAY is unknown. Known: OPTIONS_DAYS, OPTIONS_QUICK"),
    ],
)
def test_wrong_variable_gets_a_sentence(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    read: dict[str, Callable[[], object]] = {
        "FLAG": lambda: variables.flag("FLAG"),
        "NUMBER": lambda: variables.whole_number("NUMBER", 5, least=1),
        "DATABASE": lambda: variables.database("DATABASE"),
        "LEVEL": lambda: variables.one_of("LEVEL", "LOW", ("LOW", "HIGH")),
        "OPTIONS": lambda: variables.prefixed("OPTIONS", {"DAYS": int, "QUICK": bool}),
    }
    with pytest.raises(ImproperlyConfigured) as caught:
        read[name.partition("_")[0]]()
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


def test_single_variables_count_more_than_the_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIONS", '{"DAYS": 1, "OTHER": "kept"}')
    monkeypatch.setenv("OPTIONS_DAYS", "2")
    monkeypatch.setenv("OPTIONS_QUICK", "yes")
    options = variables.prefixed("OPTIONS", {"DAYS": int, "QUICK": bool})
    assert options == {"DAYS": 2, "OTHER": "kept", "QUICK": True}


@pytest.mark.parametrize(
    ("given", "broker", "store"),
    [
        ({"REDIS_URL": REDIS}, REDIS, REDIS),
        ({"CELERY_BROKER_URL": REDIS}, REDIS, REDIS),
        ({"REDIS_URL": REDIS, "CELERY_BROKER_URL": RABBIT}, RABBIT, REDIS),
        ({"CELERY_BROKER_URL": RABBIT}, RABBIT, NO_STORE),
        ({"CELERY_BROKER_URL": RABBIT, "CELERY_RESULT_BACKEND": REDIS}, RABBIT, REDIS),
        ({"REDIS_URL": REDIS, "CELERY_RESULT_BACKEND": "redis://far/1"}, REDIS, "redis://far/1"),
    ],
)
def test_the_broker_and_where_results_are_stored(
    given: Mapping[str, str], broker: str, store: str, tmp_path: Path
) -> None:
    environ = {**environment("postgresql://here/x", ""), **given}
    said = run([sys.executable, "-c", BROKER_AND_STORE], environ, tmp_path)
    assert said.split() == [broker, store]


def test_an_unknown_log_level_is_a_sentence(tmp_path: Path) -> None:
    environ = environment("postgresql://here/x", REDIS, LOG_LEVEL="foo")
    with running(["python", "-m", "deploy", "check"], environ, tmp_path / "log") as process:
        assert process.process.wait(30) == 1
    [line] = process.said().splitlines()
    assert line.startswith("LOG_LEVEL is 'foo'. Known: ")
    assert "INFO" in line
    run(["python", "-m", "deploy", "check"], {**environ, "LOG_LEVEL": "debug"}, tmp_path)


def test_a_worker_ends_with_the_sentence_too(tmp_path: Path) -> None:
    environ = environment("postgresql://here/x", REDIS, LOG_LEVEL="foo")
    command = ["celery", "-A", "deploy.celery", "worker"]
    with running(command, environ, tmp_path / "log") as process:
        assert process.process.wait(30) != 0
    assert "ImproperlyConfigured: LOG_LEVEL is " in process.said().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value"), [("PARTITION_TIMEZONE", "Nowhere"), ("PG_TIMEPART", '{"HISTORY_DAYS": 0}')]
)
def test_migrate_judges_what_the_app_reads(name: str, value: str, tmp_path: Path) -> None:
    with own_database() as url:
        environ = environment(url, REDIS, **{name: value})
        with running(["python", "-m", "deploy", "migrate"], environ, tmp_path / "log") as process:
            assert process.process.wait(60) == 1
    assert "pg_timepart.E008" in process.said()
    assert value.partition('"')[0].strip("{") in process.said()
    assert "Traceback" not in process.said()


def test_nothing_is_left_to_do_for_production(tmp_path: Path) -> None:
    environ = {**environment(NOWHERE, REDIS), **IN_PRODUCTION}
    command = ["python", "-m", "deploy", "check", "--deploy", "--fail-level=WARNING"]
    assert "no issues" in run(command, environ, tmp_path)


def test_without_tls_the_check_says_so(tmp_path: Path) -> None:
    environ = {**environment(NOWHERE, REDIS), **IN_PRODUCTION, "BEHIND_TLS_PROXY": "0"}
    said = run(["python", "-m", "deploy", "check", "--deploy"], environ, tmp_path)
    warned = {"W004", "W008", "W012", "W016"}
    assert {each for each in warned if f"security.{each}" in said} == warned


@pytest.mark.parametrize(
    ("given", "path", "over_http", "over_https"),
    [
        (
            {},
            "/admin/login/",
            "301|https://timepart.example.com/admin/login/|None|True",
            "200|None|max-age=3600|True",
        ),
        ({}, "/livez", "200|None|None|True", "200|None|max-age=3600|True"),
        (
            {"SECURE_SSL_REDIRECT": "0", "SECURE_HSTS_SECONDS": "0"},
            "/admin/login/",
            "200|None|None|True",
            "200|None|None|True",
        ),
        (
            {
                "SECURE_HSTS_SECONDS": "31536000",
                "SECURE_HSTS_INCLUDE_SUBDOMAINS": "1",
                "SECURE_HSTS_PRELOAD": "1",
            },
            "/livez",
            "200|None|None|True",
            "200|None|max-age=31536000; includeSubDomains; preload|True",
        ),
        ({"BEHIND_TLS_PROXY": "0"}, "/admin/login/", "200|None|None|False", "200|None|None|False"),
    ],
)
def test_behind_tls(
    given: Mapping[str, str], path: str, over_http: str, over_https: str, tmp_path: Path
) -> None:
    environ = {**environment(NOWHERE, REDIS), **IN_PRODUCTION, **given}
    said = run([sys.executable, "-c", RESPONSES, path], environ, tmp_path)
    assert said.splitlines() == [over_http, over_https]


@pytest.mark.parametrize(
    ("given", "is_reached"), [({}, False), ({"LISTEN_ADDRESS": "0.0.0.0"}, True)]
)
def test_web_listens_to_this_machine_alone_unless_told_otherwise(
    given: Mapping[str, str], is_reached: bool, tmp_path: Path
) -> None:
    port = free_port()
    environ = {**environment(NOWHERE, REDIS, PORT=str(port)), **given}
    with running(WEB, environ, tmp_path / "log") as process:
        until(lambda: process.has_ended() or "Listening at" in process.said())
        with closing(socket.socket()) as other, closing(socket.socket()) as own:
            assert own.connect_ex((HOST, port)) == 0, process.said()
            # Of the same machine, and not the address that is listened to.
            assert (other.connect_ex(("127.0.0.2", port)) == 0) is is_reached
