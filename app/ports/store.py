"""The database, reached by one verb: call a versioned SQL function and get its JSON back."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.errors import Conflict, Problem, ServiceUnavailable
from app.core.ids import OrganizationId
from app.core.settings import Settings


class StoreUnavailable(ServiceUnavailable):
    """The database does not answer at the moment."""


class StoreConflict(Conflict):
    """Another record already uses that value."""


class StoreRefused(Problem):
    """The database refused an operation that should have worked."""


class Scope(Protocol):
    """What one organization, or the system, may call."""

    async def call(self, function: str, **arguments: Any) -> Any:
        """The result of `function`, whose parameters are the arguments with `p_` before them.

        Arguments and result are JSON values. A call is one transaction: it happened, or it raised.

        Raises:
            StoreUnavailable: nothing is known of the outcome; a retry is the caller's decision.
            StoreConflict: a unique value is taken.
        """
        ...


class Database(Protocol):
    """An open database whose schema is the newest."""

    def scoped(self, organization_id: OrganizationId) -> Scope:
        """Calls within one organization: each carries its id, and no row of another is seen."""
        ...

    def system(self) -> Scope:
        """Calls that belong to no organization: key look-up, claims, numbering, purges."""
        ...

    @property
    def is_exclusive(self) -> bool:
        """Whether no other process can have it open."""
        ...

    def connections(self) -> dict[str, int]:
        """How many of this process's connections are `idle` and `used`; empty where it has none."""
        ...

    async def ping(self) -> None:
        """Return when the database answers.

        Raises:
            StoreUnavailable: it does not.
        """
        ...


# What has to be done with a database that answers, before anybody else may call it.
Arrived = Callable[[Database], Awaitable[None]]


class OpensDatabase(Protocol):
    """What opens a database; one that is not there yet is open once it has arrived."""

    def __call__(
        self, settings: Settings, arrived: Arrived = ...
    ) -> AbstractAsyncContextManager[Database]: ...


@dataclass(frozen=True, slots=True)
class StoreAdapter:
    """One way of keeping data, as the registry lists it."""

    name: str
    claims: Callable[[Settings], bool]
    open: OpensDatabase


DatabaseContext = AsyncGenerator[Database]


async def nothing_first(database: Database) -> None:
    """Let everybody call the database at once."""
