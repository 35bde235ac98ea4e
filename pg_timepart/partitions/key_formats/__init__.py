"""Key formats, one module for each: what the values of a partition key say about time.

A further format is one module here, which derives from ``base.KeyFormat`` and registers what it
makes. It is found by being here: no list names it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
