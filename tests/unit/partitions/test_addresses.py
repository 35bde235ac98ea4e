from __future__ import annotations

from pg_timepart.partitions.addresses import Addresses
from pg_timepart.partitions.tables import Relation


def tables(*places: tuple[str, str]) -> list[Relation]:
    return [
        Relation(oid=oid, schema=schema, name=name) for oid, (schema, name) in enumerate(places)
    ]


def test_a_name_is_a_tables_own_or_that_with_its_schema() -> None:
    (only,) = found = tables(("Public", "Event 1"))
    addresses = Addresses(found)
    for name in ("Event 1", "Public.Event 1"):
        assert addresses.meant_by(name) == [only]
    for name in ("event 1", '"Event 1"', "Public", "Event", ""):
        assert not addresses.meant_by(name)
    assert addresses.shown(only) == "Event 1"


def test_namesakes_are_told_apart_by_their_schemas() -> None:
    found = tables(("public", "event"), ("archive", "event"))
    addresses = Addresses(found)
    assert addresses.meant_by("event") == found
    assert [addresses.clear_name(each) for each in found] == ["public.event", "archive.event"]


def test_nothing_is_guessed_from_dots() -> None:
    found = tables(("public", "archive.event"), ("archive", "event"), ("public", "event"))
    dotted, archived, _ = found
    addresses = Addresses(found)
    assert addresses.meant_by("archive.event") == [dotted, archived]
    assert addresses.clear_name(dotted) == "public.archive.event"
    assert addresses.clear_name(archived) is None
    assert addresses.shown(archived) == "archive.event"
