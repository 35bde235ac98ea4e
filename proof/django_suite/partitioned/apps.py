"""The app's configuration: imported before any model, it hears of each that is defined."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import class_prepared, post_migrate

from proof.django_suite.partitioned.models_of_tests import partition
from proof.django_suite.partitioned.tables import attach_partitions

class_prepared.connect(partition)


class PartitionedConfig(AppConfig):
    """Gives the tables their partitions as soon as they are made."""

    name = "proof.django_suite.partitioned"
    label = "django_suite_partitioned"

    def ready(self) -> None:
        """Connect what comes after the tables."""
        post_migrate.connect(attach_partitions)
