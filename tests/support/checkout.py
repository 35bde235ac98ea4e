"""Root folder of the checkout, for tests that read its files or start programs in it."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
