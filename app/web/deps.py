"""What handlers are given: the open ports, and lists' parameters."""

from typing import Annotated, cast

from fastapi import Depends, Query, Request

from app.core.pagination import Cursors
from app.core.schemas import DigitsOnly
from app.ports import Ports
from app.web.auth import Caller


# Not plain functions: those would be run in a thread.
async def _ports(request: Request) -> Ports:
    return cast("Ports", request.app.state.ports)


OpenPorts = Annotated[Ports, Depends(_ports)]
PageLimit = Annotated[int, Query(ge=1, le=100, description="How many at most."), DigitsOnly]
PageCursor = Annotated[
    str | None, Query(max_length=1024, description="`next_cursor` of the page before.")
]


def cursors(ports: Ports, caller: Caller, listing: str, *filters: object) -> Cursors:
    """The cursors of one list with its filters, of use to this organization only."""
    return Cursors(ports.vault, listing=f"{caller.organization_id}:{listing}:{filters!r}")
