"""Third-party packages beside this one, the real ones: every operation with each.

Some run in ``make acceptance``; ``make neighbours`` runs them all.
"""
