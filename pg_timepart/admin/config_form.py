"""The form of a config: tablespaces are chosen from those that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django.db
from django import forms

from pg_timepart.admin import drop_permission, next_pass
from pg_timepart.errors import InvalidPolicy, TimepartError
from pg_timepart.maintenance.operation_registry.arguments import known_tablespaces
from pg_timepart.models import PartitionConfig

if TYPE_CHECKING:
    BaseForm = forms.ModelForm[PartitionConfig]
else:
    BaseForm = forms.ModelForm

PLACES = {"attach_tablespace": "as the parent table", "detach_tablespace": "stays where it is"}


class ConfigForm(BaseForm):
    """Every field of a config that a person may change."""

    may_drop = False
    """Whether the user may make passes drop sooner."""

    class Meta:
        model = PartitionConfig
        fields = "__all__"  # the admin's fieldsets choose

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = known_tablespaces(self.instance)
        for name, empty in PLACES.items():
            if name in self.fields and known is not None:
                self.fields[name] = self._choice(name, empty, known)
        for field in self.fields.values():
            field.show_hidden_initial = False  # the stored config counts, not an old form
        if "drop_after" in self.fields:
            self.fields["drop_after"].help_text = (
                f"{self.fields['drop_after'].help_text}"
                " Days and hours:minutes:seconds, such as 30 00:00:00."
            )

    def _choice(self, name: str, empty: str, known: list[str]) -> forms.ChoiceField:
        field = self.fields[name]
        current = getattr(self.instance, name)
        missing = [(current, f"{current} (missing)")] if current and current not in known else []
        return forms.ChoiceField(
            label=field.label,
            help_text=field.help_text,
            required=False,
            choices=[("", f"({empty})"), *((each, each) for each in known), *missing],
        )

    def _post_clean(self) -> None:
        """Refuse values that only the table can tell are wrong, and edits that need more rights."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        if not self.may_drop:
            self._refuse_loss()
        try:
            next_pass.check(self.instance)
        except InvalidPolicy as error:
            self.add_error(None, str(error))
        except (TimepartError, django.db.Error):  # the page itself says that there is no table
            return

    def _refuse_loss(self) -> None:
        """Refuse edits that detach or drop sooner than the stored config does."""
        rows = PartitionConfig.objects.using(self.instance._state.db)
        stored = rows.filter(pk=self.instance.pk).first()
        for name, words in drop_permission.edited_sooner(stored, self.instance) if stored else ():
            self.add_error(name if name in self.fields else None, words)
