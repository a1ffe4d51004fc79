"""What a handler is given of the service itself, past FastAPI's solver."""

from typing import Annotated

import pytest
from fastapi import Depends, Query, Request, Response
from fastapi.dependencies.utils import get_dependant

from app.web.own_dependencies import without_own

pytestmark = pytest.mark.anyio
MADE: list[str] = []


async def only_shown() -> None:
    MADE.append("only shown")


async def ports(request: Request) -> str:
    MADE.append("ports")
    return f"ports of {request['path']}"


async def room(own: Annotated[str, Depends(ports)], response: Response) -> str:
    response.headers["X-Room"] = "seen"
    return f"room over {own}"


async def words(q: Annotated[str, Query()]) -> list[str]:
    return q.split()


@pytest.fixture(autouse=True)
def nothing_made():
    MADE.clear()


def request() -> Request:
    return Request({"type": "http", "path": "/x", "headers": []})


async def test_each_is_called_once_and_only_what_reads_parameters_is_left_to_fastapi():
    async def handler(
        own: Annotated[str, Depends(ports)],
        served: Annotated[str, Depends(room)],
        asked: Annotated[list[str], Depends(words)],
    ) -> tuple[str, str, list[str]]:
        return own, served, asked

    whole = get_dependant(path="/x", call=handler)
    lighter = without_own(whole, only_shown=only_shown)
    assert [sub.call for sub in lighter.dependencies] == [words]
    assert len(whole.dependencies) == 3
    response = Response()
    names = {lighter.request_param_name: request(), lighter.response_param_name: response}
    answer = await lighter.call(asked=["a"], **names)
    assert answer == ("ports of /x", "room over ports of /x", ["a"])
    assert response.headers["x-room"] == "seen"
    assert MADE == ["ports"]


async def test_a_handler_that_asks_for_the_request_itself_is_given_it():
    async def handler(request: Request, own: Annotated[str, Depends(ports)]) -> tuple[str, str]:
        return request["path"], own

    lighter = without_own(get_dependant(path="/x", call=handler), only_shown=only_shown)
    names = {lighter.request_param_name: request(), lighter.response_param_name: Response()}
    assert await lighter.call(**names) == ("/x", "ports of /x")


async def test_what_is_only_shown_is_not_called():
    async def handler(own: Annotated[None, Depends(only_shown)]) -> None:
        """Nothing."""

    whole = get_dependant(path="/x", call=handler)
    assert not without_own(whole, only_shown=only_shown).dependencies
    assert not MADE


async def test_nobody_is_told_what_would_be_valid_before_it_is_known_who_asks(client):
    for path in ("/api/v2/agents/no-id", "/api/v2/agents?limit=many", "/api/v2/leads/no-id"):
        answer = await client.get(path, headers={"Authorization": "Bearer wrong"})
        assert answer.status_code == 401, path
        assert (await client.get(path)).status_code == 422, path
