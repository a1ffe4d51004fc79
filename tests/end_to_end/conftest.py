"""Services that are started here keep their data where `--store` says."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import database_url
from tests.support.redis_server import running_redis
from tests.support.service import STORE_VARIABLES
from tests.support.supabase_lite import SECRET_KEY


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    async with running_redis() as redis:
        yield redis.url


@pytest.fixture(autouse=True)
def stored_as_chosen(request: pytest.FixtureRequest) -> Iterator[None]:
    """The embedded database and memory; or PostgreSQL or a Supabase project, each with a Redis."""
    store = request.config.getoption("--store")
    if store != "embedded":
        STORE_VARIABLES.update(_data_in(store, request))
        STORE_VARIABLES["REDIS_URL"] = request.getfixturevalue("redis_url")
    yield
    STORE_VARIABLES.clear()


def _data_in(store: str, request: pytest.FixtureRequest) -> dict[str, str]:
    if store == "supabase":
        url = request.getfixturevalue("supabase_url")
        return {"SUPABASE_URL": url, "SUPABASE_SERVICE_KEY": SECRET_KEY}
    cluster, name = (request.getfixturevalue(one) for one in ("cluster", "database_name"))
    return {"DATABASE_URL": database_url(cluster, name)}
