"""Credentials in the query of a webhook's address: sent, kept sealed, shown to nobody."""

import json

import pytest

from app.container import open_vault
from app.core.ids import new_id
from app.features.webhooks.addresses import is_credential, kept_address, shown_address
from app.features.webhooks.sealing import WebhookSeals
from tests.conftest import serving
from tests.support.receiver import answer, receiving
from tests.support.webhooks import (
    WEBHOOKS,
    a_delivery,
    a_webhook,
    after_a_test,
    announce,
    deliveries,
    reaching_loopback,
)

pytestmark = pytest.mark.anyio
SECRET = "hunter2/&="
QUERY = "measurement_id=G-1&api_secret=hunter2%2F%26%3D"
SHOWN = "measurement_id=G-1&api_secret=[hidden]"
ELSEWHERE = "https://other.example.com/collect"


@pytest.fixture
def settings(settings):
    return reaching_loopback(settings)


@pytest.fixture
async def receiver():
    async def repeats(arrived, _writer) -> bytes:
        return answer(500, f"What is {arrived.target}, {SECRET}?".encode())

    async with receiving(repeats) as opened:
        yield opened


async def dumped(connection) -> str:
    tables = ("webhooks", "webhook_attempts", "audit_log", "webhook_deliveries")
    rows = [await connection.fetch(f"select t::text from agentes.{table} t") for table in tables]
    return str(rows)


CREDENTIALS = (
    *("secret", "api_secret", "apiSecret", "API_SECRET", "client-secret", "token", "access_token"),
    *(
        "accessToken",
        "accesstoken",
        "verify.token",
        "key",
        "api_key",
        "apikey",
        "APIKey",
        "APIkey",
        "tokens",
        "hapikey",
    ),
    *("x-api-key", "AccessKey", "subscription-key", "sig", "signature", "X-Amz-Signature", "sign"),
    *("X-Amz-Credential", "password", "passwd", "userPassword", "pwd", "auth", "authorization"),
    *("credentials", "code", "hash", "jwt", "senha", "chave", "auth%5Btoken%5D", "api%5Fkey"),
    *("oauth_signature", "secret_id", "token2", "hapikey"),
)
OTHERS = (
    *("measurement_id", "monkey", "turkey", "keyboard", "key_id", "keyId", "token_type", "author"),
    *("oauth_version", "oauth_signature_method", "country_code", "commit_hash", "max_tokens"),
    *("design", "passenger", "codec", "secretary", "page", "v", "", "signup", "compass", "1"),
)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_name_that_tells_of_a_credential_is_known(name):
    assert is_credential(name)


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_stay_in_sight(name):
    assert not is_credential(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x?v=1&token=abc&b=2", "https://a.example/x?v=1&token=[hidden]&b=2"),
        ("https://a.example/?v=1;token=abc;d&b=2", "https://a.example/?v=1;token=[hidden]&b=2"),
        ("https://a.example/?token=a=b?c", "https://a.example/?token=[hidden]"),
        ("https://a.example/?token=&token&key_id=1", "https://a.example/?token=&token&key_id=1"),
        ("https://a.example/token=abc", "https://a.example/token=abc"),
        ("https://a.example/?", "https://a.example/?"),
    ],
)
def test_an_address_is_shown_without_the_values_of_credentials(url, shown):
    assert shown_address(url) == shown == shown_address(shown)


def test_of_several_values_under_one_name_each_stays_in_its_place():
    before = "https://a.example/?key=one&key=two&v=1"
    given = "https://a.example/?v=2&key=%5Bhidden%5D&key=[hidden]"
    assert kept_address(given, before) == "https://a.example/?v=2&key=one&key=two"


async def test_a_credential_in_the_address_is_sent_and_shown_nowhere(client, connection, receiver):
    hook = await a_webhook(client, f"{receiver.url}?{QUERY}", events=["lead_*"])
    assert hook["url"] == f"{receiver.url}?{SHOWN}"
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    tested = await after_a_test(client, hook)
    assert {one.target for one in receiver.arrived} == {f"/hook?{QUERY}"}
    (attempt,) = tested["attempt_log"]
    assert attempt["url"] == hook["url"]
    assert attempt["response_body"].startswith(
        "What is /hook?measurement_id=G-1&api_secret=[secret]"
    )
    retried = await client.post(f"{WEBHOOKS}/deliveries/{tested['id']}/retry")
    again = await a_delivery(client, retried.json()["id"], lambda one: one["attempts"] == 2)
    assert receiver.arrived[-1].target == f"/hook?{QUERY}"
    renamed = await client.patch(f"{WEBHOOKS}/{hook['id']}", json={"name": "B"})
    log = await client.get("/api/v2/settings/audit-log")
    assert f'"url":"{receiver.url.removesuffix("hook")}***"' in log.text
    told = [str(one) for one in (hook, tested, again, renamed.json())] + [log.text]
    assert not any("hunter2" in text for text in [*told, await dumped(connection)])


async def test_an_address_that_is_sent_back_as_read_keeps_its_credential(
    client, connection, receiver
):
    hook = await a_webhook(client, f"{receiver.url}?{QUERY}", headers={"X-Team": "vendas"})
    path = f"{WEBHOOKS}/{hook['id']}"
    row = "select url, url_sealed from agentes.webhooks"
    before = await connection.fetchrow(row)
    for sent in (hook["url"], hook["url"].replace("[hidden]", "%5Bhidden%5D")):
        for answered in (
            await client.put(path, json={"name": "B", "url": sent}),
            await client.patch(path, json={"url": sent}),
        ):
            assert (answered.status_code, answered.json()["url"]) == (200, hook["url"])
    assert await connection.fetchrow(row) == before
    moved = await client.patch(path, json={"url": f"{receiver.url}/v2?v=2&api_secret=[hidden]"})
    assert moved.json()["url"] == f"{receiver.url}/v2?v=2&api_secret=[hidden]"
    await after_a_test(client, hook)
    assert receiver.arrived[-1].target == "/hook/v2?v=2&api_secret=hunter2%2F%26%3D"
    changed = await client.patch(path, json={"url": f"{receiver.url}?api_secret=another"})
    assert changed.json()["url"] == f"{receiver.url}?api_secret=[hidden]"
    await after_a_test(client, hook)
    assert receiver.arrived[-1].target == "/hook?api_secret=another"
    await client.patch(path, json={"url": receiver.url})
    assert await connection.fetchval("select url_sealed from agentes.webhooks") is None
    await after_a_test(client, hook)
    assert receiver.arrived[-1].target == "/hook"


async def test_a_hidden_value_goes_to_no_other_server_and_comes_from_nowhere(client):
    address = "https://crm.example.com/hooks"
    path = f"{WEBHOOKS}/{(await a_webhook(client, f'{address}?token=abc'))['id']}"
    for sent, detail in (
        ("https://crm.example.com:8443/hooks?token=[hidden]", "send `token` again"),
        (f"{ELSEWHERE}?token=[hidden]", "send `token` again, for another server"),
        (f"{address}?key=%5Bhidden%5D", "`key` has no value that is hidden"),
        (f"{address}?token=[hidden]&token=[hidden]", "`token` has no value that is hidden"),
    ):
        answered = await client.patch(path, json={"url": sent})
        told = answered.json()
        assert (answered.status_code, told["code"]) == (422, "address_refused")
        assert told["errors"][0]["pointer"] == "/url"
        assert told["errors"][0]["detail"].startswith(detail)
    body = {"name": "CRM", "url": f"{address}?token=[hidden]"}
    assert (await client.post(WEBHOOKS, json=body)).status_code == 422
    again = await client.patch(path, json={"url": f"{ELSEWHERE}?token=def"})
    assert again.json()["url"] == f"{ELSEWHERE}?token=[hidden]"


async def test_what_an_earlier_release_has_kept_in_clear_is_sealed_at_the_next_start(
    client, connection, receiver, settings
):
    hook = await a_webhook(client, f"{receiver.url}?{QUERY}")
    plain = await a_webhook(client, f"{receiver.url}?key_id=1")
    await after_a_test(client, hook)
    url = f"{receiver.url}?{QUERY}"
    await connection.execute(
        "update agentes.webhooks set url = $1, url_sealed = null where id = $2", url, hook["id"]
    )
    await connection.execute("update agentes.webhook_attempts set url = $1", url)
    assert (await client.get(f"{WEBHOOKS}/{hook['id']}")).json()["url"] == hook["url"]
    (delivery,) = await deliveries(client, hook)
    read = await client.get(f"{WEBHOOKS}/deliveries/{delivery['id']}")
    assert read.json()["attempt_log"][0]["url"] == hook["url"]
    await after_a_test(client, hook)
    assert receiver.arrived[-1].target == f"/hook?{QUERY}"
    row = "select url_sealed from agentes.webhooks where id = $1"
    async with serving(settings):
        sealed = None
        while sealed is None:
            sealed = await connection.fetchval(row, hook["id"])
    assert WebhookSeals(open_vault(settings), hook["id"]).url(sealed, "") == url
    assert "hunter2" not in await dumped(connection)
    assert await connection.fetchval(row, plain["id"]) is None
    await after_a_test(client, hook)
    assert receiver.arrived[-1].target == f"/hook?{QUERY}"


async def test_a_process_of_an_earlier_release_sends_nothing_to_an_address_it_cannot_open(
    client, connection
):
    hook = await a_webhook(client, f"{ELSEWHERE}?token=abc")
    plain = await a_webhook(client, f"{ELSEWHERE}?v=1")
    transaction = connection.transaction()  # what the service's own worker never sees
    await transaction.start()
    await connection.execute(
        """insert into agentes.webhook_deliveries
             (id, organization_id, webhook_id, message_id, event_type, next_attempt_at)
           select gen_random_uuid(), organization_id, id, gen_random_uuid(), 'x', now()
             from agentes.webhooks;
           update agentes.webhook_lanes set next_due_at = now()"""
    )
    claimed = {}
    for version in ("v1", "v2", "v3"):
        text = await connection.fetchval(
            f"select deliveries_claim_{version}($1, 20, 10, 10, 10)", new_id()
        )
        claimed[version] = [one["webhook_id"] for one in json.loads(text)]
    await transaction.rollback()
    assert claimed == {"v1": [plain["id"]], "v2": [], "v3": [hook["id"]]}


async def test_a_process_of_an_earlier_release_keeps_or_moves_a_sealed_address(client, connection):
    hook = await a_webhook(client, f"{ELSEWHERE}?token=abc")
    row = "select url, url_sealed from agentes.webhooks"
    before = await connection.fetchrow(row)
    update = """select webhook_update_v2(organization_id, id, jsonb_build_object('url', url,
                  'headers_sealed', headers_sealed, 'template', template, 'events', events), $1)
                  from agentes.webhooks"""
    same = await connection.fetchval(update, json.dumps({"name": "B", "url": before["url"]}))
    assert json.loads(same)["outcome"] == "updated"
    assert await connection.fetchrow(row) == before
    await connection.fetchval(update, json.dumps({"url": f"{ELSEWHERE}?v=2"}))
    assert tuple(await connection.fetchrow(row)) == (f"{ELSEWHERE}?v=2", None)
    assert (await client.get(f"{WEBHOOKS}/{hook['id']}")).json()["url"] == f"{ELSEWHERE}?v=2"


@pytest.mark.parametrize("mangled", ["[hidden];v=3", "+[hidden]", "[HIDDEN]", "%255Bhidden%255D"])
async def test_a_hidden_value_that_is_sent_back_changed_is_refused_and_not_lost(client, mangled):
    url = "https://crm.example.com/z?x=1;token=SECRET1"
    body = {"name": "CRM", "url": url, "events": ["lead_captured"]}
    hook = (await client.post(WEBHOOKS, json=body)).json()
    changed = {"url": f"https://crm.example.com/z?x=1;token={mangled}"}
    answer = await client.patch(f"{WEBHOOKS}/{hook['id']}", json=changed)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")


async def test_an_address_that_could_not_be_sent_back_as_it_is_shown_is_refused(client):
    url = "https://crm.example.com/z?" + "&".join(f"token=s{place}" for place in range(150))
    body = {"name": "CRM", "url": url, "events": ["lead_captured"]}
    answer = await client.post(WEBHOOKS, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")
