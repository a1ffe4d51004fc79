"""Packages of which a process uses modules, and which it never runs."""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import NoReturn


def leave_bare(*names: str) -> None:
    """Have packages be there for the modules in them alone. A package precedes those within it.

    Libraries whose `__init__` collects all there is take tens of megabytes for what nobody uses.
    Nothing else in this process may use them: names that only an `__init__` gives are missing. A
    package that has been imported already stays as it is.

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
        package.__class__ = _BarePackage
        sys.modules.setdefault(name, package)


class _BarePackage(ModuleType):
    """Has the modules that are imported from it, as import sets them, and nothing else."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"module {self.__name__!r} has no attribute {name!r}: of this package only modules are"
            " used here, and it was not run (app/core/bare_packages.py)",
            name=name,
            obj=self,
        )
