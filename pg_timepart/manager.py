"""The decorator ``TimeRangePartitioningSupport``, and the manager ``Model.partitioning``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db import models

from pg_timepart.conf import zone
from pg_timepart.constants import PeriodType
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.time_zones import refuse_no_moment
from pg_timepart.schema.declaration import key_format_of
from pg_timepart.schema.registry import PartitioningManagerBase, declare, manager_of

if TYPE_CHECKING:
    from pg_timepart.maintenance.log_arguments import Logs
    from pg_timepart.maintenance.report import Report
    from pg_timepart.maintenance.target import Target
    from pg_timepart.models import PartitionConfig, PartitionLog
    from pg_timepart.partitions.key_formats.base import KeyFormat

ModelClass = TypeVar("ModelClass", bound=type[models.Model])


class TimeRangePartitioningManager(PartitioningManagerBase):
    """``Model.partitioning``: what can be asked of a partitioned model.

    Each operation returns a ``Report`` once all of it is done, and raises OperationDeferred where
    somebody held a lock for too long, or OperationFailed; both carry the report of what was done
    before. Outside a transaction, each action commits by itself. Inside ``atomic()`` everything
    becomes part of that transaction, and the advisory lock and the locks on the tables are held
    until it ends: keep it short. ``db_manager(alias)`` works on the table in another database. One
    that the routers do not name for the model has no rows of ours: what is done there is not
    recorded, sends no signal, and knows of no pin; a partition there cannot be given by its row.
    ``logs`` is a row of ``config.logs`` or any iterable of rows, such as a queryset; what is in
    it twice is done once. Only None means all: of an empty one nothing is done. The rows are
    read anew once the operation has ended, well or not. ``partition_log`` is ``logs`` by its
    former name. Raises InvalidPolicy for what is no row, and UnknownName for another model's.
    """

    @property
    def config(self) -> PartitionConfig:
        """The model's config row, made from the decorator's defaults if there is none.

        There is one a model, whatever the database.
        """
        from pg_timepart.maintenance.target import config_of

        return config_of(self._concrete)

    @property
    def latest(  # type: ignore[override]  # the name is promised; it is no manager method here
        self,
    ) -> PartitionLog | None:
        """The row of the partition with the highest end, or None where no partition has a row."""
        target = self._target
        return target.config.logs.all().newest_first().first() if target.keeps_logs else None

    def key_at(self, moment: datetime) -> Any:
        """Return the key's value at this aware moment: a datetime in UTC, date, UUID or number.

        It is the smallest one of the day, second or millisecond that the moment is in, by the
        clocks of the configured zone: ``key__gte`` it are the rows from then on. Raises
        InvalidPolicy for a moment that is naive, or that the key cannot express.
        """
        refuse_no_moment("moment", moment)
        return self._key_format.value_in(moment, zone())

    def during(self, start: datetime | None, end: datetime | None) -> models.QuerySet[Any]:
        """Return the rows whose key says a time in ``[start, end)``, from their partitions alone.

        Both are aware; None leaves that side open. A row of a date key is of the start of its day
        in the configured zone. It is a queryset of ``get_queryset()``, to be filtered on. Raises
        InvalidPolicy where the end is before the start, and as key_at() does.
        """
        given = {"start": start, "end": end}
        for name, moment in given.items():
            if moment is not None:
                refuse_no_moment(name, moment)
        span = Bounds(start=start, end=end)
        key, key_format = manager_of(self._concrete).declaration.key, self._key_format
        sides = {f"{key}__gte": span.start, f"{key}__lt": span.end}
        return self.get_queryset().filter(
            **{
                name: key_format.value_from(moment, zone())
                for name, moment in sides.items()
                if moment is not None
            }
        )

    @property
    def _key_format(self) -> KeyFormat:
        return key_format_of(self._concrete)

    def create_partition(self, max_days_to_next_partition: int = 1) -> Report:
        """Create following partitions until the newest ends more than so many days from now.

        0 creates exactly the next one. A new partition starts where the newest ends and ends at
        the next boundary of the current period; where there is none yet, the first is the whole
        period around now. In a transaction, SHARE UPDATE EXCLUSIVE on the table and SHARE ROW
        EXCLUSIVE on each table that a foreign key refers to are held until it ends.
        """
        from pg_timepart.maintenance import manual

        return manual.create_next(self._target, max_days_to_next_partition)

    def create_range(self, start: datetime, end: datetime) -> Report:
        """Create what is missing in ``[start, end)``, widened to whole periods.

        For gaps, and for rows older or newer than what a pass provides for. Locks as for
        create_partition().
        """
        from pg_timepart.maintenance import manual

        return manual.create_range(self._target, start, end)

    def detach_partition(
        self,
        logs: Logs | None = None,
        *,
        concurrently: bool = True,
        partition_log: Logs | None = None,
    ) -> Report:
        """Detach these, or every one whose end is before now minus ``interval`` periods.

        The latter leaves out those whose ``detach_time`` has not come. The rows leave the table
        and stay in their own. A concurrent detach waits for nobody but those who use the table,
        and cannot run in a transaction, where this fails with a sentence that says so. With
        ``concurrently=False`` it can, and holds ACCESS EXCLUSIVE on the table until the end of
        the transaction.
        """
        return self._run("detach", logs, partition_log, concurrently=concurrently)

    def attach_partition(
        self,
        logs: Logs | None = None,
        detach_time: datetime | None = None,
        *,
        partition_log: Logs | None = None,
    ) -> Report:
        """Attach these detached partitions, or all.

        ``detach_time`` (aware) pins them: passes do not retire them before that moment, nor drop
        what could not be attached.
        """
        return self._run("attach", logs, partition_log, detach_time=detach_time)

    def move_partition(
        self,
        logs: Logs | None = None,
        tablespace: str | None = None,
        *,
        partition_log: Logs | None = None,
    ) -> Report:
        """Move the tables and all their indexes to another tablespace.

        A detached one at leisure; an attached one only if the copy fits into the lock budget.
        """
        return self._run("move", logs, partition_log, tablespace=tablespace)

    def delete_partition(
        self, logs: Logs | None = None, *, partition_log: Logs | None = None
    ) -> Report:
        """Drop the tables of detached partitions, with their rows, and the rows about them.

        Refused while one is attached, and before the config's ``drop_after`` has passed.
        """
        return self._run("drop", logs, partition_log)

    def truncate_partition(
        self, logs: Logs | None = None, *, partition_log: Logs | None = None
    ) -> Report:
        """Empty partitions, attached or not."""
        from pg_timepart.maintenance import log_arguments, manual

        rows = log_arguments.listed(self.model, log_arguments.either(logs, partition_log))
        with log_arguments.read_anew(rows):
            return manual.truncate(self._target, rows)

    def truncate_all_partition(self) -> Report:
        """Empty every attached partition, one by one. What is detached keeps its rows."""
        from pg_timepart.maintenance import manual

        return manual.truncate_all(self._target)

    if not TYPE_CHECKING:  # or else a misspelt method would pass for one

        def __getattr__(self, name: str) -> Callable[..., Report]:
            """Return the method of an operation that has none above.

            It takes the operation's arguments by keyword, after ``logs`` if it takes partitions.
            """
            if apps.ready and not name.startswith("_"):
                from pg_timepart.maintenance.operation_registry import operations

                for each in operations():
                    if each.method == name:
                        return partial(self._run, each.name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _run(
        self,
        operation: str,
        logs: Logs | None = None,
        partition_log: Logs | None = None,
        **arguments: object,
    ) -> Report:
        """Run an operation of the registry on these partitions, or on the table as a whole."""
        from pg_timepart.maintenance import log_arguments
        from pg_timepart.maintenance.history import Origin
        from pg_timepart.maintenance.operation_registry import operation_named

        run = partial(operation_named(operation).run, origin=Origin(), **arguments)
        selection = operation_named(operation).selection
        if selection is None:
            return run(self._target)
        given = log_arguments.either(logs, partition_log)
        takes_all = given is None and selection.without_names is not None
        rows = None if takes_all else log_arguments.listed(self.model, given)
        with log_arguments.read_anew(rows or ()):
            return run(self._target, rows)

    @property
    def _target(self) -> Target:
        from pg_timepart.maintenance.target import target_of

        return target_of(self._concrete, self._db)

    @property
    def _concrete(self) -> type[models.Model]:
        return self.model._meta.concrete_model or self.model


class TimeRangePartitioningSupport:
    """Class decorator: the model's table is partitioned by ranges of the field ``key``.

    ``key`` names a DateTimeField or DateField, or with ``key_format`` a field whose values hold
    their time: ``"uuid7"`` a UUIDField, ``"epoch_s"``, ``"epoch_ms"``, ``"epoch_us"`` and
    ``Snowflake(epoch=..., shift=...)`` a whole number. ``widen_keys`` is a fact of the table, as
    ``key_format`` is: whether unique declarations that do not hold the key are widened by it (the
    default), or left out.
    The ``default_*`` options seed the model's PartitionConfig once; from then on that row rules.
    Raises TypeError for a model that has an attribute ``partitioning``, and UnknownName for a
    ``key_format`` that nobody registered. Everything else that is wrong is reported by Django's
    system checks.
    """

    def __init__(  # noqa: PLR0913  # all by keyword, and each is a promise to users
        self,
        key: str,
        *,
        default_period: str = PeriodType.Month,
        default_periods_per_partition: int = 1,
        default_interval: int | None = None,
        default_premake: int = 4,
        default_attach_tablespace: str | None = None,
        default_detach_tablespace: str | None = None,
        default_keep_foreign_keys: bool = False,
        default_drop_after: timedelta | None = None,
        default_max_retire_per_pass: int | None = None,
        default_enabled: bool = True,
        widen_keys: bool = True,
        key_format: KeyFormat | str | None = None,
    ) -> None:
        self._key = key
        self._widen_keys = widen_keys
        self._key_format = key_format
        self._defaults: dict[str, Any] = {
            "default_period": default_period,
            "default_periods_per_partition": default_periods_per_partition,
            "default_interval": default_interval,
            "default_premake": default_premake,
            "default_attach_tablespace": default_attach_tablespace,
            "default_detach_tablespace": default_detach_tablespace,
            "default_keep_foreign_keys": default_keep_foreign_keys,
            "default_drop_after": default_drop_after,
            "default_max_retire_per_pass": default_max_retire_per_pass,
            "default_enabled": default_enabled,
        }

    def __call__(self, model: ModelClass) -> ModelClass:
        """Declare ``model`` and return it."""
        manager = TimeRangePartitioningManager(
            self._key, widen_keys=self._widen_keys, key_format=self._key_format
        )
        manager.defaults = self._defaults
        declare(model, manager)
        # An abstract model can be imported only once Django has begun to load models.
        from pg_timepart.instances import prune_instances

        prune_instances(model, manager.declaration)
        return model
