"""Lock, read, plan, apply, record: the only place that runs DDL at run time."""
