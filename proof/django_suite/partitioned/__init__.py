"""App that makes the models of Django's tests partitioned, as they are defined."""
