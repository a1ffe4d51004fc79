"""Packages that run when something of them is used, not when a module in them is imported."""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Any

_MAKING_WAY = Lock()


def put_off(*names: str) -> None:
    """Let packages run late; modules in them can be imported at once. A package precedes its own.

    Libraries whose `__init__` collects all there is take tens of megabytes for what nobody uses.
    `importlib.util.LazyLoader` would run a package as soon as a module in it is imported. A package
    that has been imported already stays as it is.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    for name in names:
        if name in sys.modules:
            continue
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        package = module_from_spec(spec)
        package.__class__ = _LatePackage
        sys.modules.setdefault(name, package)


class _LatePackage(ModuleType):
    """Stands for a package until it is asked for what is no module in it."""

    def __getattr__(self, name: str) -> Any:
        within = f"{self.__name__}.{name}"
        if find_spec(within) is not None:
            return import_module(within)
        with _MAKING_WAY:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        # By Python's own import, which has threads wait for each other and knows of deadlocks.
        return getattr(import_module(self.__name__), name)
