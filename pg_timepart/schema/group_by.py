"""GROUP BY of models whose primary key is widened: by all columns, not by the id alone.

Django groups the rows of ``annotate(Count(...))`` by the primary key where the server knows that
all else follows from it. From the id of a table whose primary key is (id, key) it does not follow.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, models

from pg_timepart.schema.declaration import declaration_of, key_field


def install() -> None:
    """Extend what Django knows of each configured PostgreSQL connection's server, once."""
    for connection in connections.all():
        if connection.vendor == "postgresql":
            _extend(type(connection))
            if not isinstance(connection.features, GroupByFeatures):
                connection.features = type(connection).features_class(connection)


def _extend(wrapper: type[Any]) -> None:
    features = wrapper.features_class
    if not issubclass(features, GroupByFeatures):
        # Tests patch a feature by the module and the name of its class: both stay.
        wrapper.features_class = type(
            features.__name__, (GroupByFeatures, features), {"__module__": features.__module__}
        )


class GroupByFeatures:
    """Features mixin; it comes before the class of the connection's own features."""

    def allows_group_by_selected_pks_on_model(self, model: type[models.Model]) -> bool:
        """Return whether the primary key as the model declares it is the table's."""
        above: Any = super()
        return not _is_widened(model) and bool(above.allows_group_by_selected_pks_on_model(model))


def _is_widened(model: type[models.Model]) -> bool:
    declaration = declaration_of(model)
    key = None if declaration is None else key_field(model, declaration)
    # A child's table, by multi-table inheritance, is a plain one.
    is_its_own = key is not None and key in model._meta.local_concrete_fields
    return is_its_own and key not in model._meta.pk_fields
