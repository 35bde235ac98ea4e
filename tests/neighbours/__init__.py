"""Other people's packages beside this one, the real ones: a whole life of partitions with each.

Some run in ``make acceptance``; ``make neighbours`` runs them all.
"""
