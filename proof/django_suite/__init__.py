"""Django's own tests, on PostgreSQL, without and with ``pg_timepart``: the same result."""
