"""Each operation works with the statements of docs/security.md, and with no other right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.faults.own_server import OwnServer
from tests.faults.test_missing_privileges import OWN
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.checkout import CHECKOUT
from tests.support.other_database import using_database
from tests.support.scenarios import execute, undisturbed
from tests.support.table_state import observe

PAGE = (CHECKOUT / "docs/security.md").read_text()
ROWS = re.findall(r"^\| ([a-z]+) \| (nothing|.*`GRANT .*) \|$", PAGE, re.MULTILINE)
GRANTS = {name: re.findall(r"`(GRANT [^`]*)`", cell) for name, cell in ROWS}
[BASE] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
OPERATIONS = {
    "create ahead": "create",
    "detach with a foreign key": "detach",
    "detach what a table refers to": "detach",
    "detach beside a default": "detach",
    "attach": "attach",
    "attach what lacks things": "attach",
    "move": "move",
    "truncate": "truncate",
    "drop by hand": "drop",
}


def own(statement: str) -> str:
    """Return a statement of the page with the names of the tests."""
    names = {"customer": "plant_machine", "invoice": "depot_weighing"}
    for theirs, ours in names.items():
        statement = statement.replace(theirs, ours)
    return statement.replace("LOGIN", "LOGIN PASSWORD 'keys'")


@pytest.fixture
def keeper(database: OwnServer, archive: str) -> Iterator[str]:
    """The URL of the role, which owns nothing itself."""
    execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "CREATE ROLE shop_owner", own(BASE))
    parts = urlsplit(database.url)
    yield urlunsplit(parts._replace(netloc=f"keeper:keys@{parts.hostname}:{parts.port}"))
    execute(OWN.format(owner="postgres"))
    for role in ("keeper", "shop_owner"):
        execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_documented_rights_are_enough(name: str, keeper: str) -> None:
    scenario = ALL_SCENARIOS[name]("archive")
    _, after = undisturbed(scenario)
    scenario.prepare()
    execute(OWN.format(owner="shop_owner"), *map(own, GRANTS[OPERATIONS[name]]))
    with using_database(keeper):
        scenario.operate()
    assert not after.difference(observe(scenario.model))


def test_every_operation_of_the_page_is_tried() -> None:
    assert GRANTS.keys() == set(OPERATIONS.values())
