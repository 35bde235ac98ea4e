"""Maintenance runs: read, plan, apply, record. The only package that runs DDL at run time."""
