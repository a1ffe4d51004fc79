"""Requests whose JSON is read strictly."""

from typing import Any

from starlette.requests import Request

from app.core.errors import InvalidRequest, MalformedRequest, UnsupportedMediaType
from app.core.strict_json import IntegerTooLarge, JsonRefused, read_json


class StrictJsonRequest(Request):
    """A request whose JSON is read strictly (`core/strict_json.py`)."""

    async def json(self) -> Any:
        try:
            return read_json(await self.body())
        except IntegerTooLarge as refused:
            raise InvalidRequest(f"The body {refused}.") from None
        except JsonRefused as refused:
            raise MalformedRequest(f"The body {refused}.") from None

    async def refuse_other_types(self) -> None:
        """Go on only with a body that is JSON by its type.

        Raises:
            UnsupportedMediaType: it is not.
        """
        given = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != "application/json" and not given.endswith("+json"):
            raise UnsupportedMediaType("Send the body as application/json.")
