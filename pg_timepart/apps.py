"""App config: installs the schema editor mixin, the system checks and the receivers."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete
from django.utils.translation import gettext_lazy as _


class TimepartConfig(AppConfig):
    """``pg_timepart`` in INSTALLED_APPS."""

    name = "pg_timepart"
    label = "pg_timepart"
    verbose_name = _("Partitions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Extend the schema editor, flush and GROUP BY; install the checks and the receivers."""
        from pg_timepart import checks
        from pg_timepart.beat import schedules
        from pg_timepart.maintenance.history import hold_for_deletion
        from pg_timepart.post_migrate.provision import after_migrate
        from pg_timepart.schema import editor, flush, group_by

        editor.install()
        flush.install()
        group_by.install()
        checks.register()
        config = self.get_model("PartitionConfig")
        post_migrate.connect(after_migrate, sender=self, dispatch_uid="pg_timepart")
        pre_delete.connect(hold_for_deletion, sender=config, dispatch_uid="pg_timepart")
        post_save.connect(schedules.after_config_saved, sender=config, dispatch_uid="pg_timepart")
        post_delete.connect(
            schedules.after_config_deleted, sender=config, dispatch_uid="pg_timepart"
        )
