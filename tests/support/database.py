"""A real database in autocommit, empty partitioned tables, and what the catalog says of them.

Cheaper than flushing: what a test makes is found in the catalog and dropped after it.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps.registry import Apps
from django.db import connections, models, transaction
from django.test.utils import CaptureQueriesContext

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.run import Request, run
from pg_timepart.maintenance.target import config_of, target_of
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.partitions.planner import plan_pass
from tests.apps.fleet.models import Cargo, Crossing, Mooring, Port, Ship
from tests.support.database_state import RELEASE

PARTITIONED = (Ship, Crossing, Cargo, Mooring)

TABLES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname),
       CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f')
AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
"""

# Those of these tables that are partitions of others, to which foreign keys refer.
REFERRED = """
SELECT i.inhrelid::regclass::text, i.inhparent::regclass::text FROM pg_inherits i
WHERE i.inhrelid = ANY (%s::regclass[]::oid[]) AND NOT i.inhparent = ANY (%s::regclass[]::oid[])
AND i.inhparent IN (SELECT confrelid FROM pg_constraint WHERE contype = 'f')
"""

CHILDREN = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass
"""

Model = type[models.Model]


@dataclass(frozen=True, kw_only=True)
class Tablespaces:
    """Tablespaces that exist for one session of tests."""

    fast: str
    cold: str
    odd: str
    """With a name that needs quoting."""


class Database:
    """One database, as a test sees it."""

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias
        self.connection = connections[alias]

    def execute(self, statement: str, *values: Any) -> None:
        """Run one statement, and commit it."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)

    def query(self, statement: str, *values: Any) -> list[Any]:
        """Return the rows, or the first column where there is just one."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = cursor.fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def one(self, statement: str, *values: Any) -> Any:
        """Return the only row, or its only column."""
        (found,) = self.query(statement, *values)
        return found

    def table(self, model: Model) -> str:
        """Return the name of the model's table, quoted."""
        return self.connection.ops.quote_name(model._meta.db_table)

    def children(self, model: Model) -> dict[str, str]:
        """Return the bounds of what is attached, as the server prints them, by table name."""
        return {name: text for name, text, _ in self.query(CHILDREN, self.table(model))}

    def ranges(self, model: Model) -> list[tuple[str, str]]:
        """Return both bounds of what is attached, in order, in UTC; midnight as a bare date."""
        found = [re.findall(r"'(.+?)'|(M..VALUE)", each) for each in self.children(model).values()]
        sides = [tuple(_short(text or word) for text, word in each) for each in found if each]
        return sorted((start, end) for start, end in sides)

    def exists(self, name: str) -> bool:
        """Return whether there is a relation of this name, quoted where it must be."""
        return self.one("SELECT to_regclass(%s) IS NOT NULL", name) is True

    def tablespaces(self, table: str) -> set[str]:
        """Return where a table and its indexes are; ``pg_default`` for the database's."""
        return set(
            self.query(
                "SELECT COALESCE(s.spcname, 'pg_default') FROM pg_class c"
                " LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace"
                " WHERE c.oid = %s::regclass OR c.oid IN"
                " (SELECT indexrelid FROM pg_index WHERE indrelid = %s::regclass)",
                table,
                table,
            )
        )

    def configure(self, model: Model, **facts: Any) -> PartitionConfig:
        """Return the model's config row, with these fields changed."""
        config = config_of(model)
        for name, value in facts.items():
            setattr(config, name, value)
        config.save(update_fields=facts)
        return config

    def cover(self, model: Model, *days: str) -> list[PartitionLog]:
        """Create partitions with these bounds, one from each to the next; return their rows."""
        for start, end in itertools.pairwise(days):
            model.partitioning.create_range(at(start), at(end))  # type: ignore[attr-defined]
        return self.logs(model)

    def logs(self, model: Model) -> list[PartitionLog]:
        """Return the rows, by their start."""
        return list(config_of(model).logs.order_by("start", "pk"))

    def log(self, model: Model, start: str) -> PartitionLog:
        """Return the row of the partition that starts then."""
        return config_of(model).logs.get(start=at(start))

    def runs(self, model: Model) -> list[PartitionRun]:
        """Return the records of runs, the latest first."""
        label = model._meta.label_lower
        return list(PartitionRun.objects.filter(model_label=label).order_by("-pk"))

    def maintain(self, model: Model, now: str) -> Report:
        """Run one pass as of ``now``, also on a model that only this test knows."""
        request = Request(operation="maintain", planner=plan_pass, now=at(now))
        return run(target_of(model, self.alias), request)

    def build(
        self,
        *,
        key: str = "at",
        model_name: str = "Raft",
        db_table: str = "fleet_raft",
        widen_keys: bool = True,
        key_format: Any = None,
        defaults: dict[str, Any] | None = None,
        constraints: Sequence[Any] = (),
        indexes: Sequence[Any] = (),
        **fields: models.Field[Any, Any],
    ) -> Any:
        """Return a model that only this test knows, with its table; the key is ``at``, or named."""
        columns: dict[str, Any] = {"at": models.DateTimeField(), **fields}
        options = {
            "app_label": "fleet",
            "apps": Apps(),
            "db_table": db_table,
            "constraints": list(constraints),
            "indexes": list(indexes),
        }
        meta = type("Meta", (), options)
        raft = type(model_name, (models.Model,), {"__module__": __name__, "Meta": meta, **columns})
        support = TimeRangePartitioningSupport(
            key,
            widen_keys=widen_keys,
            key_format=key_format,
            default_premake=1,
            **(defaults or {}),
        )
        model = support(raft)
        with self.connection.schema_editor() as editor:
            editor.create_model(model)
        return model

    def make_anew(self, name: str) -> int:
        """Drop a table of ships, make another of its name with its comment; return its OID."""
        comment = self.one("SELECT obj_description(%s::regclass)", name)
        self.execute(f"DROP TABLE {name}")
        return self.make_again(name, comment)

    def make_again(self, name: str, comment: str) -> int:
        """Make a table for ships that is no partition; return its OID."""
        self.execute(f"CREATE TABLE {name} (LIKE fleet_ship INCLUDING DEFAULTS)")
        self.execute(f"COMMENT ON TABLE {name} IS %s", comment)
        oid: int = self.one("SELECT %s::regclass::oid", name)
        return oid

    def empty(self) -> None:
        """Leave the fleet's tables without partitions, and our rows of them away."""
        for model in PARTITIONED:
            for child in self.query(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
                self.table(model),
            ):
                self.execute(f"DROP TABLE {child}")
        if self.exists("pg_timepart_partitionrun"):
            using = self.alias
            PartitionRun.objects.using(using).filter(model_label__startswith="fleet.").delete()
            PartitionConfig.objects.using(using).filter(model_label__startswith="fleet.").delete()
            Port.objects.using(using).all().delete()

    @contextmanager
    def tidy(self) -> Iterator[None]:
        """Begin with empty tables, and drop at the end whatever was made inside."""
        self.empty()
        before = {oid for oid, _, _ in self.query(TABLES)}
        yield
        if self.connection.in_atomic_block:
            raise AssertionError("a test left a transaction open")
        self.execute("SET search_path TO DEFAULT")
        made = [(name, kind) for oid, name, kind in self.query(TABLES) if oid not in before]
        self._release([name for name, _ in made])
        for name, kind in made:
            self.execute(f"DROP {kind} IF EXISTS {name} CASCADE")
        self.empty()

    def _release(self, names: list[str]) -> None:
        """Detach these from tables that stay and that foreign keys refer to, which stay too."""
        found = self.query(REFERRED, names, names)
        for parent in {parent for _, parent in found}:
            self.execute(f"TRUNCATE {parent} CASCADE")
        self.execute(RELEASE, [leaf for leaf, _ in found])


@contextmanager
def notices_of(database: Database) -> Iterator[list[str]]:
    """Collect what the server says at debug1."""
    database.connection.ensure_connection()
    told: list[str] = []
    driver = database.connection.connection
    if hasattr(driver, "add_notice_handler"):
        driver.add_notice_handler(lambda notice: told.append(notice.message_primary))
    else:
        driver.notices = told
    database.execute("SET client_min_messages = debug1")
    yield told
    database.execute("RESET client_min_messages")


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction of the caller that ends in a rollback."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def at(text: str) -> dt.datetime:
    """Return the moment that ISO 8601 text says, in UTC where it says no offset."""
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def queries_of_an_idle_pass(database: Database, now: dt.datetime) -> list[str]:
    """Return the SQL of a pass over the ships that finds nothing to do, for one before did all."""
    maintain("fleet.ship", now=now)
    with CaptureQueriesContext(database.connection) as captured:
        assert maintain("fleet.ship", now=now).outcome == "unchanged"
    return [each["sql"] for each in captured.captured_queries]


def outcomes(report: Report) -> list[tuple[str, str]]:
    """Return what was done and how each ended."""
    return [(each.kind.value, each.outcome.value) for each in report.actions]


def failure(report: Report) -> str:
    """Return the reason of a run that failed."""
    assert report.outcome is Outcome.FAILED, report
    return report.reason


def _short(bound: str) -> str:
    return bound.removesuffix("+00").removesuffix(" 00:00:00")
