"""Key formats, one module for each: conversion between partition keys and moments.

To add one, add a module here, which derives from ``base.KeyFormat`` and registers an instance. It
is found because it is here: no list names it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
