"""Lists a page at a time, by cursors that say nothing and cannot be forged."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.core.encryption import Unsealable, Vault
from app.core.errors import Problem

Item = TypeVar("Item")


class InvalidCursor(Problem):
    """The cursor does not belong to this list."""

    status = 400


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"description": "One page of a list."})

    data: list[Item]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last one."
    )


class Cursors:
    """Seals the last key of a page for one list: the organization, the route and its filters."""

    def __init__(self, vault: Vault, *, listing: str) -> None:
        self._vault = vault
        self._purpose = f"cursor:{listing}"

    def open(self, cursor: str | None) -> str | None:
        """The key after which the page begins.

        Raises:
            InvalidCursor: it was altered, or taken from another list.
        """
        if cursor is None:
            return None
        try:
            return self._vault.unseal(cursor, purpose=self._purpose)
        except Unsealable:
            raise InvalidCursor(
                "Use a cursor only with the organization and the filters that it came with."
            ) from None

    def page(self, rows: Sequence[Item], limit: int, key: Callable[[Item], str]) -> Page[Item]:
        """A page of up to `limit` rows; one more of them tells that there is a next page."""
        shown = list(rows[:limit])
        more = len(rows) > limit
        cursor = self._vault.seal(key(shown[-1]), purpose=self._purpose) if more else None
        return Page[Item](data=shown, next_cursor=cursor)
