"""Helpers for the tests of projects that have partitioned models. They need no test framework."""

from __future__ import annotations

from pg_timepart.testing.queryset_plans import assert_prunes

__all__ = ["assert_prunes"]
