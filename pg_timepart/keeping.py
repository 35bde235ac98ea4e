"""Changing some columns of one of our rows, and no others."""

from __future__ import annotations

from django.db import models


def keep(row: models.Model, **facts: object) -> None:
    """Record these facts alone: the row was read a while ago, and people edit the others.

    Sends no signal. Does nothing in the database where the row is gone.
    """
    rows = type(row)._default_manager.using(row._state.db)
    rows.filter(pk=row.pk).update(**facts)
    for name, value in facts.items():
        setattr(row, name, value)
