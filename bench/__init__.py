"""Benchmarks: what partitioning costs beside its floor. See docs/benchmarks.md."""
