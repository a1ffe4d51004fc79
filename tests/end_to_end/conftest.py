"""Services that are started here keep their data where `--store` says."""

from collections.abc import Iterator

import pytest

from tests.support.service import STORE_VARIABLES
from tests.support.supabase_lite import SECRET_KEY


@pytest.fixture(autouse=True)
def stored_as_chosen(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.config.getoption("--store") == "supabase":
        url = request.getfixturevalue("supabase_url")
        STORE_VARIABLES.update(SUPABASE_URL=url, SUPABASE_SERVICE_KEY=SECRET_KEY)
    yield
    STORE_VARIABLES.clear()
