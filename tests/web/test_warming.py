import asyncio
from types import SimpleNamespace

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import FastAPIError

from app.web.deferred_route import DeferredRoute
from app.web.warming import warmed

pytestmark = pytest.mark.anyio
worked_out: list[str] = []
prepared: list[str] = []


class Prepared:
    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name, self._fails = name, fails

    async def prepare(self) -> None:
        prepared.append(self.name)
        if self._fails:
            raise OSError("no descriptors left")


PORTS = SimpleNamespace(
    models=SimpleNamespace(providers=(Prepared("one", fails=True), Prepared("other"))),
    embedders=SimpleNamespace(all=(Prepared("embedder"),)),
)


class NotedRoute(DeferredRoute):
    def get_route_handler(self):
        worked_out.append(self.path)
        return super().get_route_handler()


@pytest.fixture
def app() -> FastAPI:
    worked_out.clear()
    prepared.clear()
    router = APIRouter(prefix="/things", route_class=NotedRoute)

    @router.get("/{thing_id}")
    async def read(thing_id: int) -> dict[str, int]:
        return {"id": thing_id}

    @router.get("")
    async def read_all() -> list[int]:
        return []

    app = FastAPI()
    app.router.routes += router.routes
    return app


async def test_a_route_is_worked_out_when_it_is_asked_for_and_only_once(app):
    assert worked_out == []
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for _ in range(2):
            answer = await client.get("/things/7")
            assert answer.json() == {"id": 7}
            assert (await client.get("/things/x")).status_code == 422
        assert (await client.post("/things/7")).status_code == 405
        assert (await client.get("/others")).status_code == 404
    assert worked_out == ["/things/{thing_id}"]


async def test_the_rest_is_worked_out_right_after_the_start(app):
    async with warmed(app.routes, PORTS), asyncio.timeout(10):
        while len(worked_out) < 2:
            await asyncio.sleep(0.01)
    assert worked_out == ["/things/{thing_id}", "/things"]
    assert prepared == ["one", "other", "embedder"]


async def test_an_end_in_the_middle_of_it_is_an_end(app):
    begun = asyncio.Event()

    async def prepare() -> None:
        begun.set()
        await asyncio.Event().wait()

    slow = SimpleNamespace(name="slow", prepare=prepare)
    ports = SimpleNamespace(
        models=SimpleNamespace(providers=(slow,)), embedders=SimpleNamespace(all=())
    )
    async with asyncio.timeout(10), warmed(app.routes, ports):
        await begun.wait()
    assert worked_out == []


async def test_a_route_of_which_nothing_can_be_made_says_so_each_time_and_keeps_no_other(app):
    router = APIRouter(prefix="/broken", route_class=NotedRoute)

    @router.get("")
    async def read(thing: asyncio.Event) -> None:
        assert thing

    app.router.routes.insert(0, router.routes[0])
    async with warmed(app.routes, PORTS), asyncio.timeout(10):
        while len(worked_out) < 2:
            await asyncio.sleep(0.01)
    for _ in range(2):
        with pytest.raises(FastAPIError):
            router.routes[0].work_out()
