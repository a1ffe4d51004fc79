"""Open sets as one readable tuple of module names: a new member is one file and one line."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, TypeVar


class Named(Protocol):
    """Whatever can be registered: it knows its own name."""

    @property
    def name(self) -> str:
        """Unique in its registry, and what users write."""
        ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry]):
    """The members of one open set by name, in the order in which they are listed."""

    def __init__(self, noun: str, entries: tuple[Entry, ...]) -> None:
        self.noun = noun
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise ValueError(f"two entries of the {noun} registry share a name")

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def load(package: str, constant: str, modules: tuple[str, ...]) -> tuple[Any, ...]:
    """The agreed constant of each named module of a package.

    Raises:
        AttributeError: a module does not export the constant.
    """
    return tuple(getattr(import_module(f"{package}.{name}"), constant) for name in modules)
