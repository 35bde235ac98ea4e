"""Connections with something around them, as tools that watch queries put it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Delegate:
    """Hands on what it has not itself, and names nowhere what it stands for."""

    def __init__(self, inner: Any) -> None:
        object.__setattr__(self, "_inner", inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_inner"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_inner"), name, value)

    def cursor(self, *args: Any, **options: Any) -> Any:
        """Return a cursor that is one of these too."""
        return type(self)(self.__getattr__("cursor")(*args, **options))

    def execute(self, *args: Any, **options: Any) -> Any:
        """Execute, as a cursor."""
        return self.__getattr__("execute")(*args, **options)

    def __enter__(self) -> Any:
        return type(self)(self.__getattr__("__enter__")())

    def __exit__(self, *args: Any) -> Any:
        return self.__getattr__("__exit__")(*args)

    def __iter__(self) -> Iterator[Any]:
        return iter(object.__getattribute__(self, "_inner"))


class ObjectProxy(Delegate):
    """As wrapt's: it names what it wraps, and passes for an instance of its class."""

    @property
    def __wrapped__(self) -> Any:
        return object.__getattribute__(self, "_inner")

    @property  # type: ignore[misc]  # read-only, as wrapt has it
    def __class__(self) -> Any:
        return type(object.__getattribute__(self, "_inner"))


def twice(inner: Any) -> Any:
    """Put two around it, one of each kind."""
    return ObjectProxy(Delegate(inner))


PROXIES: dict[str, Callable[[Any], Any]] = {
    "delegate": Delegate,
    "object proxy": ObjectProxy,
    "two": twice,
}


@contextmanager
def behind(proxy: Callable[[Any], Any]) -> Iterator[None]:
    """Have ``proxy`` put around each connection that is opened meanwhile."""
    wrapper: Any = type(connections["default"])
    opened = wrapper.get_new_connection

    def get_new_connection(self: BaseDatabaseWrapper, params: Any) -> Any:
        return proxy(opened(self, params))

    connections.close_all()
    try:
        with patch.object(wrapper, "get_new_connection", get_new_connection):
            yield
    finally:
        connections.close_all()
