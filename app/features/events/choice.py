"""Which events a list, a stream or an export is about, as its request says."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from app.core.errors import InvalidRequest
from app.core.schemas import Id, Moment
from app.features.events.records import EventFilter

_TYPES = re.compile(r"[a-z0-9_.-]{1,64}(,[a-z0-9_.-]{1,64}){0,49}")


async def _filter(
    types: Annotated[
        str | None,
        Query(description="Of these types only, separated by commas.", max_length=4000),
    ] = None,
    agent_id: Annotated[Id | None, Query(description="About this agent only.")] = None,
) -> EventFilter:
    if types is not None and not _TYPES.fullmatch(types):
        detail = "is not up to 50 names of lower case letters, digits, `_`, `.` and `-`"
        error = {"parameter": "types", "in": "query", "detail": detail}
        raise InvalidRequest("types: " + detail, errors=[error])
    return EventFilter(None if types is None else frozenset(types.split(",")), agent_id)


async def _between(
    from_: Annotated[
        Moment | None, Query(alias="from", description="Happened at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Happened before this moment.")] = None,
) -> tuple[datetime | None, datetime | None]:
    return from_, to


Chosen = Annotated[EventFilter, Depends(_filter)]
Between = Annotated[tuple[datetime | None, datetime | None], Depends(_between)]
