"""Drift proof: after any manual SQL, ``reconcile`` and a pass put everything right."""
