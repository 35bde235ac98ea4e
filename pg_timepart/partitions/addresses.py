"""Names by which a table can be given: ``table`` or ``schema.table``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pg_timepart.partitions.tables import Relation


def qualified(table: Relation) -> str:
    """Return ``schema.table`` as people write it: unquoted, whatever is in the names."""
    return f"{table.schema}.{table.name}"


class Addresses:
    """Lookup of tables by name. No name is split at a dot, because a name may contain one."""

    def __init__(self, tables: Iterable[Relation]) -> None:
        self._meant: dict[str, list[Relation]] = {}
        for each in tables:
            for name in (each.name, qualified(each)):
                self._meant.setdefault(name, []).append(each)

    def meant_by(self, name: str) -> Sequence[Relation]:
        """Return every table that ``name`` can mean; a caller who gets two must not choose."""
        return self._meant.get(name, ())

    def clear_name(self, table: Relation) -> str | None:
        """Return the shortest name that means this table alone, or None where there is none."""
        names = (table.name, qualified(table))
        return next((name for name in names if len(self._meant[name]) == 1), None)

    def shown(self, table: Relation) -> str:
        """Return the name by which to show this table among the others."""
        return self.clear_name(table) or qualified(table)
