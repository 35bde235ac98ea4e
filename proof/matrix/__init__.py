"""Test matrix: every version of PostgreSQL and Django, and pairs of all else that varies."""
