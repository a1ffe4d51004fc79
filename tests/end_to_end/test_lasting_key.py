"""What visitors hold outlives ENCRYPTION_KEY; no process serves with another key than others."""

import asyncio
from contextlib import AsyncExitStack

import httpx2
import pytest

from app.adapters.store.lasting_key import WrongEncryptionKey, hold_lasting_key
from app.adapters.store.postgres import open_postgres
from app.core.encryption import Vault
from tests.conftest import database_url
from tests.end_to_end.test_resealing import NEW, OLD, a_client, fill, reseal
from tests.end_to_end.test_starting import refused_start
from tests.support.fault_proxy import fault_proxy, unix
from tests.support.fault_stack import url_through
from tests.support.service import free_port, started
from tests.support.stories import an_agent

pytestmark = [pytest.mark.anyio, pytest.mark.once]
ORIGIN = "https://www.aurora.example"


async def a_widget(client) -> str:
    agent = await an_agent(client, visibility="public")
    body = {"agent_id": agent["id"], "name": "Site", "allowed_origins": [ORIGIN]}
    return (await client.post("/api/v2/settings/widget-keys", json=body)).json()["key"]


async def visit(client, widget, token=None) -> dict[str, str]:
    body = {"key": widget} | ({"visitor_token": token} if token else {})
    headers = {"Origin": ORIGIN}
    async with httpx2.AsyncClient(base_url=client.base_url, headers=headers) as page:
        return (await page.post("/api/v2/widget/sessions", json=body)).json()


async def visited(settings, *keys, widget, token) -> dict[str, str]:
    async with AsyncExitStack() as stack:
        return await visit(await a_client(settings, stack, *keys), widget, token)


def vault(*keys: str) -> Vault:
    return Vault(tuple(key.encode() for key in keys))


async def kept(connection) -> str | None:
    return await connection.fetchval("select sealed from agentes.lasting_key")


async def test_visitors_stay_who_they_are_while_the_key_is_rotated(
    postgres_settings, connection, cluster, database_name
):
    async with AsyncExitStack() as stack:
        client = await a_client(postgres_settings, stack, OLD)
        widget = await a_widget(client)
        visitor = await visit(client, widget)
        inbox = (await client.post("/api/v2/webhooks/inboxes")).json()
    token = visitor["visitor_token"]
    for keys in ((OLD, NEW), (NEW, OLD)):
        assert vault(*keys).unseal(await kept(connection), purpose="lasting_key")
        again = await visited(postgres_settings, *keys, widget=widget, token=token)
        assert again["visitor_id"] == visitor["visitor_id"]
    assert (await reseal(cluster, database_name, NEW, OLD))[0] == 0
    for keys in ((NEW, OLD), (NEW,)):
        again = await visited(postgres_settings, *keys, widget=widget, token=token)
        assert again["visitor_id"] == visitor["visitor_id"]
    async with AsyncExitStack() as stack:
        client = await a_client(postgres_settings, stack, NEW)
        path = httpx2.URL(inbox["url"]).path
        assert (await client.post(path, json={})).status_code == 204


async def test_tokens_of_a_release_without_the_lasting_key_stay_valid(
    postgres_settings, connection, cluster, database_name
):
    async with AsyncExitStack() as stack:
        client = await a_client(postgres_settings, stack, OLD)
        widget = await a_widget(client)
    await connection.execute("delete from agentes.lasting_key")
    organization = await connection.fetchval("select id::text from agentes.organizations")
    earlier = vault(OLD).seal("somebody", purpose=f"visitor:{organization}")
    token = f"ac_vt_{earlier}"
    async with AsyncExitStack() as stack:
        client = await a_client(postgres_settings, stack, OLD)
        session = await visit(client, widget, token)
    assert session["visitor_id"] == "somebody"
    # A process of the earlier release, which is still at work, reads what this one gives.
    given = session["visitor_token"].removeprefix("ac_vt_")
    assert vault(OLD).unseal(given, purpose=f"visitor:{organization}") == "somebody"
    assert (await reseal(cluster, database_name, NEW, OLD))[0] == 0
    again = await visited(postgres_settings, NEW, widget=widget, token=token)
    assert again["visitor_id"] == "somebody"


async def test_a_lasting_key_that_others_know_is_made_anew(
    postgres_settings, connection, cluster, database_name
):
    async with AsyncExitStack() as stack:
        client = await a_client(postgres_settings, stack, OLD)
        widget = await a_widget(client)
        visitor = await visit(client, widget)
    before = await kept(connection)
    assert (await reseal(cluster, database_name, NEW))[0] == 1
    assert await kept(connection) == before
    assert (await reseal(cluster, database_name, NEW, options=["--new-lasting-key"]))[0] == 0
    assert vault(NEW).unseal(await kept(connection), purpose="lasting_key")
    again = await visited(postgres_settings, NEW, widget=widget, token=visitor["visitor_token"])
    assert again["visitor_id"] != visitor["visitor_id"]


async def test_a_process_with_another_key_does_not_start(
    postgres_settings, connection, cluster, database_name, tmp_path
):
    (tmp_path / "o").mkdir()
    url = database_url(cluster, database_name)
    async with AsyncExitStack() as stack:
        await a_client(postgres_settings, stack, OLD)
        before = await kept(connection)
        for variables in ({"ENCRYPTION_KEY": NEW}, {}):
            told = await refused_start(tmp_path / "o" / "d", DATABASE_URL=url, **variables)
            assert told.count("were sealed with another key than ENCRYPTION_KEY holds") == 1
            assert "service_ready" not in told
            assert OLD not in told
            assert NEW not in told
    assert await kept(connection) == before


async def test_a_database_of_before_is_not_marked_by_a_key_that_opens_nothing_of_it(
    postgres_settings, connection, cluster, database_name, tmp_path
):
    async with AsyncExitStack() as stack:
        await fill(await a_client(postgres_settings, stack, OLD))
    await connection.execute("delete from agentes.lasting_key")
    (tmp_path / "o").mkdir()
    variables = {"DATABASE_URL": database_url(cluster, database_name), "ENCRYPTION_KEY": NEW}
    told = await refused_start(tmp_path / "o" / "d", **variables)
    assert "sealed with another key" in told
    assert await kept(connection) is None
    async with AsyncExitStack() as stack:
        await a_client(postgres_settings, stack, NEW, OLD)
    assert vault(NEW).unseal(await kept(connection), purpose="lasting_key")


async def test_of_two_first_starts_with_different_keys_one_is_refused(postgres_settings):
    async with open_postgres(postgres_settings) as database:
        ends = await asyncio.gather(
            *(hold_lasting_key(database, vault(key)) for key in (OLD, NEW)),
            return_exceptions=True,
        )
        refusals = [end for end in ends if isinstance(end, WrongEncryptionKey)]
        assert len(refusals) == 1
        ready = [key for key, end in zip((OLD, NEW), ends, strict=True) if isinstance(end, str)]
        assert await hold_lasting_key(database, vault(*ready)) in ends


async def test_a_database_that_comes_late_and_knows_another_key_ends_the_process(
    postgres_settings, cluster, database_name, tmp_path
):
    async with AsyncExitStack() as stack:
        await a_client(postgres_settings, stack, OLD)
    socket_file = f"{cluster.socket_dir}/.s.PGSQL.{cluster.port}"
    log, port = tmp_path / "late.log", free_port()
    async with fault_proxy(unix(socket_file)) as proxy:
        await proxy.refuse()
        variables = {"DATABASE_URL": url_through(proxy, database_name), "ENCRYPTION_KEY": NEW}
        process = await started(tmp_path / "late", port, log, **variables)
        async with asyncio.timeout(60):
            while "database_awaited" not in log.read_text():
                await asyncio.sleep(0.05)
            await proxy.restore()
            await process.wait()
    told = log.read_text()
    assert "sealed with another key" in told
    assert "Traceback" not in told
    for absent in ("service_ready", "database_arrived", NEW):
        assert absent not in told
