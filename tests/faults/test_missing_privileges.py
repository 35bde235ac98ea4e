"""A role without the rights that maintenance needs: the record says what to grant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import DatabaseError

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationFailed
from pg_timepart.models import PartitionRun
from tests.faults.own_server import OwnServer
from tests.support import scenarios
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.other_database import using_database
from tests.support.scenarios import execute, undisturbed
from tests.support.table_state import observe

ROLE, PASSWORD = "keeper", "of the keys"
OURS = "pg_timepart_partitionconfig, pg_timepart_partitionlog, pg_timepart_partitionrun"

# Before PostgreSQL 15 everybody may create there.
GIVE = f"""
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO {ROLE};
GRANT CREATE ON TABLESPACE archive TO {ROLE};
GRANT REFERENCES, UPDATE ON plant_machine TO {ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE};
"""

OWN = """
DO $$ DECLARE item regclass; BEGIN
FOR item IN SELECT oid FROM pg_class
            WHERE relkind IN ('r', 'p') AND relname ~ '^plant_(r|mea)|^foundry|^depot_pallet'
LOOP EXECUTE format('ALTER TABLE %s OWNER TO {owner}', item); END LOOP; END $$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPrivilege:
    """One right that is missing, and what the record then says."""

    scenario: str
    take: str
    give: str
    words: tuple[str, ...]


def not_the_owner(scenario: str, sentence: str) -> MissingPrivilege:
    """Return the lack of the table itself."""
    return MissingPrivilege(
        scenario=scenario,
        take=OWN.format(owner="postgres"),
        give=OWN.format(owner=ROLE),
        words=(sentence, "GRANT postgres TO keeper"),
    )


LACKS = {
    "not the owner: create": not_the_owner(
        "create ahead", "permission denied for table plant_measurement"
    ),
    "not the owner: detach": not_the_owner(
        "detach with a foreign key", "must be owner of table plant_measurement"
    ),
    "not the owner: attach": not_the_owner("attach", "permission denied for table depot_pallet"),
    "not the owner: drop": not_the_owner(
        "drop by hand", "permission denied for table plant_measurement_2024"
    ),
    "no CREATE on the schema": MissingPrivilege(
        scenario="create ahead",
        take=f"REVOKE CREATE ON SCHEMA public FROM {ROLE}",
        give=f"GRANT CREATE ON SCHEMA public TO {ROLE}",
        words=("permission denied for schema public", "GRANT CREATE ON SCHEMA public TO keeper"),
    ),
    "no CREATE on the tablespace": MissingPrivilege(
        scenario="detach and move",
        take=f"REVOKE CREATE ON TABLESPACE archive FROM {ROLE}",
        give=f"GRANT CREATE ON TABLESPACE archive TO {ROLE}",
        words=(
            "permission denied for tablespace archive",
            "GRANT CREATE ON TABLESPACE archive TO keeper",
        ),
    ),
    "no REFERENCES": MissingPrivilege(
        scenario="attach what lacks things",
        take=f"REVOKE REFERENCES ON plant_machine FROM {ROLE}",
        give=f"GRANT REFERENCES ON plant_machine TO {ROLE}",
        words=(
            "permission denied for table plant_machine",
            "GRANT REFERENCES ON public.plant_machine",
        ),
    ),
    "no right to lock what is referred to": MissingPrivilege(
        scenario="create ahead",
        take=f"REVOKE UPDATE, DELETE ON plant_machine FROM {ROLE}",
        give=f"GRANT UPDATE, DELETE ON plant_machine TO {ROLE}",
        words=("permission denied for table plant_machine", "GRANT UPDATE ON public.plant_machine"),
    ),
}


@pytest.fixture
def keeper(database: OwnServer, archive: str) -> Iterator[str]:
    """The URL of a role that may log in, and has everything but superuser's rights."""
    execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'", GIVE, OWN.format(owner=ROLE))
    parts = urlsplit(database.url)
    place = f"{ROLE}:{PASSWORD.replace(' ', '%20')}@{parts.hostname}:{parts.port}"
    yield urlunsplit(parts._replace(netloc=place))
    execute(OWN.format(owner="postgres"), f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@pytest.mark.parametrize("name", LACKS)
def test_the_record_says_what_to_grant_and_then_all_is_well(name: str, keeper: str) -> None:
    lack = LACKS[name]
    scenario = ALL_SCENARIOS[lack.scenario]("archive")
    _, after = undisturbed(scenario)
    scenario.prepare()
    execute(OWN.format(owner=ROLE), lack.take)
    with using_database(keeper), suppress(OperationFailed):
        scenario.operate()
    run = PartitionRun.objects.latest("pk")
    assert run.outcome == Outcome.FAILED, run.message
    details = " ".join(each["detail"] for each in run.actions)
    for each in lack.words:
        assert each in details
    execute(lack.give)
    with using_database(keeper):
        scenario.operate()
    assert not after.difference(observe(scenario.model))


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE"])
def test_without_our_own_tables_the_caller_learns_of_it(right: str, keeper: str) -> None:
    scenario = scenarios.detach_with_a_foreign_key()
    _, after = undisturbed(scenario)
    scenario.prepare()
    execute(OWN.format(owner=ROLE), f"REVOKE {right} ON {OURS} FROM {ROLE}")
    with (
        using_database(keeper),
        pytest.raises(DatabaseError, match="permission denied for table"),
    ):
        scenario.operate()
    execute(f"GRANT {right} ON {OURS} TO {ROLE}")
    with using_database(keeper):
        scenario.operate()
    assert not after.difference(observe(scenario.model))
