"""From where a client wants events, as its request says."""

import re
from typing import Annotated

from fastapi import Depends, Header, Query

_NUMBER = re.compile(r"[0-9]{1,18}")
# Greater than any: history has no such place, which a stream answers with `gap`.
NO_NUMBER = 10**18


async def _after(
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last event that was read.")
    ] = None,
    query: Annotated[
        str | None,
        Query(alias="last_event_id", description="The same, where no header can be sent."),
    ] = None,
) -> int | None:
    """The number to go on from; what is none is answered with a gap, never with an error.

    `EventSource` gives up for good when it is refused.
    """
    given = last_event_id or query
    if not given:
        return None
    return int(given) if _NUMBER.fullmatch(given) else NO_NUMBER


AfterNumber = Annotated[int | None, Depends(_after)]
