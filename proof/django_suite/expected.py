"""Tests of Django's that end otherwise where their models are partitioned, and why."""

from __future__ import annotations

UNIQUE_WITH_KEY = (
    "PostgreSQL has no unique constraint on a partitioned table without the key in it: a second row"
    " with the same id, or unique value, and another key is not refused"
)
CONFLICT_TARGET = (
    "ON CONFLICT names columns that have no unique constraint, for the same reason: the key must be"
    " among them"
)
CONFLICT_TARGET_WITH_KEY = (
    "the test wants a refusal of two columns that are unique one by one; with the key among them,"
    " the constraint that is there is on both"
)
MOVED_ROW = (
    "the test counts one query for a row that QuerySet.update() has moved: by the key as it was it"
    " is not found, and Django's query follows"
)

EXPECTED = {
    "basic.tests.ModelRefreshTests.test_refresh": MOVED_ROW,
    "bulk_create.tests.BulkCreateTests.test_update_conflicts_two_fields_unique_fields_both": (
        CONFLICT_TARGET_WITH_KEY
    ),
    "bulk_create.tests.BulkCreateTests.test_update_conflicts_two_fields_unique_fields_second": (
        CONFLICT_TARGET
    ),
    "bulk_create.tests.BulkCreateTests.test_update_conflicts_unique_fields_pk": CONFLICT_TARGET,
    "custom_pk.tests.CustomPKTests.test_unique_pk": UNIQUE_WITH_KEY,
    "force_insert_update.tests.ForceTests.test_force_update": UNIQUE_WITH_KEY,
}
"""The reason for each, by the test's id: a run tells of any other, and of one that ended alike."""
