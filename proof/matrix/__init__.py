"""The tests on every version of PostgreSQL and Django, and on pairs of all else that varies."""
