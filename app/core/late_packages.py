"""Packages that run when something of them is used, not when a module in them is imported."""

import sys
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any


@contextmanager
def run_late(names: Collection[str]) -> Generator[None]:
    """Have packages run late that are imported meanwhile: their modules can be imported at once.

    Libraries whose `__init__` collects all there is take tens of megabytes for what nobody uses.
    `importlib.util.LazyLoader` would run a package as soon as a module in it is imported.
    """
    finder = _LateFinder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _LateFinder(MetaPathFinder):
    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LateLoader(spec.loader)
        return spec


class _LateLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make it, and ask it what it looks for before a module has run."""

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__
        module.__spec__.loader = module.__loader__ = self._loader
        module.__dict__.update(_lock=RLock(), _has_run=False)
        module.__class__ = _LatePackage


class _LatePackage(ModuleType):
    """Runs when it is asked for what it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        # Another thread waits until it has run; the same one may ask for it while it does.
        with own["_lock"]:
            if not own["_has_run"]:
                within = f"{own['__name__']}.{name}"
                if find_spec(within) is not None:
                    return import_module(within)
                own["_has_run"] = True
                try:
                    own["__loader__"].exec_module(self)
                except BaseException:
                    own["_has_run"] = False
                    raise
        return super().__getattribute__(name)
