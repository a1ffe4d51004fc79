"""A new ENCRYPTION_KEY: what the old one sealed is read, sealed anew, and the old one dropped."""

import os
import re
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from app.core.encryption import Vault
from tests.conftest import database_url, serving
from tests.end_to_end.test_migrating import run
from tests.support.service import running_service
from tests.support.stories import an_agent
from tests.support.tools import a_tool

pytestmark = [pytest.mark.anyio, pytest.mark.once]
OLD, NEW = "old-" * 10, "new-" * 10
ONCE = {"Idempotency-Key": "pedido-1"}
BODY = {"name": "CRM", "scopes": ["chat"]}
SECRETS = {"hunter2-token", "hunter2-header", "hunter2-address", "hunter2-provider-key"}


async def a_client(settings, stack, *keys):
    changed = settings.model_copy(update={"encryption_key": tuple(map(SecretStr, keys))})
    url = await stack.enter_async_context(serving(changed))
    key = (settings.data_dir / "api_key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    return await stack.enter_async_context(
        httpx2.AsyncClient(base_url=url, headers=headers, timeout=20)
    )


async def fill(client) -> str:
    """Something sealed in every place; gives the key that was shown once."""
    agent = await an_agent(client)
    http = {"url": "https://example.com/x", "secrets": {"token": "hunter2-token"}}
    await a_tool(client, agent["id"], type="http", name="buscar", config=http)
    hook = {"name": "W", "url": "https://example.com/w?token=hunter2-address", "events": ["*"]}
    headers = {"headers": {"X-Token": "hunter2-header"}}
    made = (await client.post("/api/v2/webhooks", json=hook | headers)).json()
    assert (await client.post(f"/api/v2/webhooks/{made['id']}/rotate-secret")).status_code == 200
    keys = {"provider_keys": {"openai": "hunter2-provider-key"}}
    assert (await client.patch("/api/v2/settings", json=keys)).status_code == 200
    return (await client.post("/api/v2/settings/api-keys", json=BODY, headers=ONCE)).json()["key"]


async def sealed(connection) -> list[dict[str, str]]:
    return [dict(row) for row in await connection.fetch("select * from agentes.sealed_values()")]


def opened(rows: list[dict[str, str]], key: str) -> list[str]:
    vault = Vault((key.encode(),))
    return sorted(vault.unseal(row["sealed"], purpose=row["purpose"]) for row in rows)


async def reseal(cluster, database, *keys, options=()):
    url = database_url(cluster, database)
    return await run("main.py", "reseal", *options, DATABASE_URL=url, ENCRYPTION_KEY=",".join(keys))


async def replayed(settings, *keys) -> str:
    async with AsyncExitStack() as stack:
        client = await a_client(settings, stack, *keys)
        again = await client.post("/api/v2/settings/api-keys", json=BODY, headers=ONCE)
        assert again.headers.get("idempotency-replayed") == "true", again.text
        return again.json()["key"]


async def test_after_resealing_the_old_key_can_go(
    postgres_settings, connection, cluster, database_name
):
    async with AsyncExitStack() as stack:
        shown = await fill(await a_client(postgres_settings, stack, OLD))
    before = await sealed(connection)
    texts = opened(before, OLD)
    assert {row["place"] for row in before} == {
        *("tool", "webhook_headers", "webhook_url", "webhook_secret", "webhook_previous_secret"),
        *("provider_key", "idempotency", "lasting_key"),
    }
    assert all(any(secret in text for text in texts) for secret in SECRETS)
    assert await replayed(postgres_settings, NEW, OLD) == shown

    code, said, told = await reseal(cluster, database_name, NEW)
    assert (code, said.count("Sealed anew: 0.")) == (1, 1)
    assert all(row["id"] in told for row in before)
    assert await sealed(connection) == before

    code, said, told = await reseal(cluster, database_name, NEW, OLD)
    assert (code, told) == (0, "")
    assert said == f"Sealed anew: {len(before)}. Under the newest key already: 0.\n"
    assert opened(await sealed(connection), NEW) == texts
    code, said, _ = await reseal(cluster, database_name, NEW, OLD)
    assert said == f"Sealed anew: 0. Under the newest key already: {len(before)}.\n"
    assert await replayed(postgres_settings, NEW) == shown


async def test_a_key_kept_in_the_folder_is_read_beside_the_one_that_is_set(
    postgres_settings, connection, cluster, database_name
):
    async with AsyncExitStack() as stack:
        shown = await fill(await a_client(postgres_settings, stack))
    assert await replayed(postgres_settings, NEW) == shown
    url = database_url(cluster, database_name)
    folder = str(postgres_settings.data_dir)
    code, _, told = await run(
        "main.py", "reseal", DATABASE_URL=url, ENCRYPTION_KEY=NEW, DATA_DIR=folder
    )
    assert (code, told) == (0, "")
    (postgres_settings.data_dir / "encryption_key").unlink()
    assert await replayed(postgres_settings, NEW) == shown


async def test_the_embedded_database_is_resealed_beside_the_service_that_runs_over_it():
    hook = {"name": "W", "url": "https://example.com/w", "events": ["*"]}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        data = Path(folder, "data")
        async with (
            running_service(data, ENCRYPTION_KEY=OLD) as service,
            service.client() as client,
        ):
            assert (await client.post("/api/v2/webhooks", json=hook)).status_code == 201
        both = {"DATA_DIR": str(data), "ENCRYPTION_KEY": f"{NEW},{OLD}"}
        async with running_service(data, ENCRYPTION_KEY=both["ENCRYPTION_KEY"]):
            code, said, told = await run("main.py", "reseal", **both)
            assert (code, told) == (0, "")
            assert re.match(r"Sealed anew: [1-9]", said)
        async with running_service(data, ENCRYPTION_KEY=NEW):
            code, said, _ = await run("main.py", "reseal", **both)
            assert said.startswith("Sealed anew: 0.")


async def test_every_column_that_is_sealed_is_resealed(connection):
    columns = await connection.fetch(
        """select table_name || '.' || column_name as name from information_schema.columns
            where table_schema = 'agentes' and column_name like '%sealed%'"""
    )
    body = await connection.fetchval("select prosrc from pg_proc where proname = 'sealed_values'")
    # A ticket lives for a minute.
    places = {row["name"] for row in columns} - {"event_tickets.credential_sealed"}
    assert places
    for place in places:
        table, _, column = place.partition(".")
        assert f"agentes.{table} " in body, place
        assert f".{column}" in body, place
