"""The decorator, and the manager that it puts on a model as ``partitioning``."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

from pg_timepart.constants import PeriodType
from pg_timepart.declaring import PartitioningManagerBase, declare

ModelClass = TypeVar("ModelClass", bound=type[models.Model])


class TimeRangePartitioningManager(PartitioningManagerBase):
    """``Model.partitioning``."""


class TimeRangePartitioningSupport:
    """Class decorator: the model's table is partitioned by ranges of the field ``key``."""

    def __init__(
        self,
        key: str,
        *,
        default_period: str = PeriodType.Month,
        default_interval: int | None = None,
        default_premake: int = 4,
        widen_keys: bool = True,
        **options: Any,
    ) -> None:
        self._key = key
        self._widen_keys = widen_keys
        self._defaults = {
            "default_period": default_period,
            "default_interval": default_interval,
            "default_premake": default_premake,
            **options,
        }

    def __call__(self, model: ModelClass) -> ModelClass:
        manager = TimeRangePartitioningManager(self._key, widen_keys=self._widen_keys)
        manager.defaults = self._defaults
        declare(model, manager)
        return model
