"""Clerk's webhooks: signed, applied once, and never out of order."""

import asyncio
import json
import time

import httpx2
import pytest
from pydantic import SecretStr

from app.core.signing import new_secret, sign
from tests.conftest import serving
from tests.support.clerk import running_clerk
from tests.support.loopback_only import PLAIN_HTTP

pytestmark = pytest.mark.anyio
PATH = "/api/v2/webhooks/clerk"
AGENTS = "/api/v2/agents"
KEYS = "/api/v2/settings/api-keys"


class Sender:
    def __init__(self, client, signer):
        self.client, self.signer, self.count = client, signer, 0

    async def send(self, payload, *, id=None, at=None, body=None, names="svix", **headers):
        self.count += 1
        raw = json.dumps(payload).encode() if body is None else body
        message_id, timestamp = id or f"msg_{self.count}", at or int(time.time())
        signed = {
            f"{names}-id": message_id,
            f"{names}-timestamp": str(timestamp),
            f"{names}-signature": sign(
                [self.signer], message_id=message_id, timestamp=timestamp, body=raw
            ),
        }
        return await self.client.post(PATH, content=raw, headers=signed | headers)

    async def about(self, kind, at_ms, **data):
        payload = {"type": kind, "object": "event", "timestamp": at_ms, "data": data}
        answer = await self.send(payload)
        assert answer.status_code == 204, answer.text


MEMBER = {"organization": {"id": "org_1"}, "public_user_data": {"user_id": "user_1"}}


@pytest.fixture
async def clerk():
    async with running_clerk() as clerk:
        yield clerk


@pytest.fixture
async def sender(settings, clerk):
    secrets = (new_secret(), new_secret())
    update = {
        "clerk_issuer": clerk.issuer,
        "clerk_webhook_secret": tuple(SecretStr(one) for one in secrets),
    }
    async with (
        serving(settings.model_copy(update=update)) as url,
        httpx2.AsyncClient(verify=PLAIN_HTTP, base_url=url, timeout=20) as client,
    ):
        yield Sender(client, secrets[1])


async def may(sender, clerk, **claims):
    headers = {"Authorization": f"Bearer {clerk.token(**claims)}"}
    return (await sender.client.get(AGENTS, headers=headers)).status_code == 200


async def test_a_membership_that_ends_takes_access_away_from_older_tokens(sender, clerk):
    assert await may(sender, clerk)
    now_ms = int(time.time() * 1000) + 1
    await sender.about("organizationMembership.deleted", now_ms, role="org:admin", **MEMBER)
    assert not await may(sender, clerk, iat=int(time.time()) - 2)
    later = int(time.time()) + 3
    assert await may(sender, clerk, iat=later, nbf=later)  # somebody has taken it in again


async def made(sender, credential, name):
    answer = await sender.client.post(
        KEYS,
        headers={"Authorization": f"Bearer {credential}"},
        json={"name": name, "scopes": ["agents:read", "keys:write"]},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]


async def taken(sender, *keys):
    asked = [sender.client.get(AGENTS, headers={"Authorization": f"Bearer {key}"}) for key in keys]
    return [answer.status_code == 200 for answer in await asyncio.gather(*asked)]


@pytest.mark.parametrize("end", ["organizationMembership.deleted", "user.deleted"])
async def test_keys_end_with_the_person_who_made_them(sender, clerk, end):
    mine = await made(sender, clerk.token(), "of the one who leaves")
    of_mine = await made(sender, mine, "made with that key")
    others = await made(sender, clerk.token(sub="user_2"), "of the one who stays")
    assert await taken(sender, mine, of_mine, others) == [True] * 3
    about = MEMBER if end.startswith("organization") else {"id": "user_1"}
    await sender.about(end, int(time.time() * 1000) + 1, **about)
    async with asyncio.timeout(10):  # promised within 5 s
        while await taken(sender, mine, of_mine, others) != [False, False, True]:
            await asyncio.sleep(0.2)


async def test_an_ended_key_is_listed_as_that_and_cannot_be_rotated(sender, clerk):
    await made(sender, clerk.token(), "of the one who leaves")
    await sender.about("user.deleted", int(time.time() * 1000) + 1, id="user_1")
    headers = {"Authorization": f"Bearer {clerk.token(sub='user_2')}"}
    (listed,) = (await sender.client.get(KEYS, headers=headers)).json()["data"]
    assert (listed["status"], listed["allowed_scopes"]) == ("ended", [])
    answer = await sender.client.post(
        f"{KEYS}/{listed['id']}/rotate", headers=headers, json={"overlap_hours": 1}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")


async def test_a_key_may_do_no_more_than_its_maker_may_now(sender, clerk):
    def asking(key, address):
        return sender.client.get(address, headers={"Authorization": f"Bearer {key}"})

    async def reaches(key):
        return [(await asking(key, at)).status_code for at in (AGENTS, KEYS)]

    body = {"name": "all", "scopes": ["*"]}
    headers = {"Authorization": f"Bearer {clerk.token()}"}
    whole = (await sender.client.post(KEYS, headers=headers, json=body)).json()["key"]
    narrow = await made(sender, whole, "made with that key")
    assert await reaches(whole) == [200, 200]
    at_ms = int(time.time() * 1000) + 1
    await sender.about(
        "organizationMembership.updated", at_ms, role="org:member", updated_at=at_ms, **MEMBER
    )
    async with asyncio.timeout(10):  # promised within 5 s
        while await reaches(whole) != [200, 403]:
            await asyncio.sleep(0.2)
    assert (await reaches(narrow))[1] == 403
    refused = await sender.client.post(
        KEYS, headers={"Authorization": f"Bearer {whole}"}, json=body
    )
    assert refused.status_code == 403
    others = {"Authorization": f"Bearer {clerk.token(sub='user_2')}"}
    listed = (await sender.client.get(KEYS, headers=others)).json()["data"]
    (shown,) = (one for one in listed if one["name"] == "all")
    assert shown["scopes"] == ["*"]
    assert "agents:read" in shown["allowed_scopes"]
    assert "keys:write" not in shown["allowed_scopes"]
    at_ms += 5
    await sender.about(
        "organizationMembership.updated", at_ms, role="org:admin", updated_at=at_ms, **MEMBER
    )
    async with asyncio.timeout(10):
        while await reaches(whole) != [200, 200]:
            await asyncio.sleep(0.2)


async def test_the_role_of_an_older_token_bounds_the_keys_that_are_made_with_it(sender, clerk):
    def asking(credential):
        return sender.client.get(KEYS, headers={"Authorization": f"Bearer {credential}"})

    older, newer = clerk.token(), clerk.token(o={"id": "org_1", "rol": "member"})
    assert (await asking(older)).status_code == 200
    assert (await asking(newer)).status_code == 403  # and so we know of it
    made = await sender.client.post(
        KEYS,
        headers={"Authorization": f"Bearer {older}"},  # still valid for some seconds
        json={"name": "late", "scopes": ["*"]},
    )
    key = made.json()["key"]
    assert (await asking(key)).status_code == 403
    listed = await asking(clerk.token(sub="user_2"))
    assert "*" not in listed.json()["data"][0]["allowed_scopes"]


async def test_a_key_that_is_cut_is_rotated_by_nobody_who_may_less_than_it_may_again(sender, clerk):
    def asking(path, credential, body):
        headers = {"Authorization": f"Bearer {credential}"}
        return sender.client.post(f"{KEYS}{path}", headers=headers, json=body)

    whole = (await asking("", clerk.token(), {"name": "all", "scopes": ["*"]})).json()
    scopes = ["agents:read", "keys:read", "keys:write"]
    other = clerk.token(sub="user_2")
    lesser = (await asking("", other, {"name": "lesser", "scopes": scopes})).json()["key"]
    at_ms = int(time.time() * 1000) + 1
    told = {"role": "org:intern", "updated_at": at_ms} | MEMBER
    await sender.about("organizationMembership.updated", at_ms, **told)
    async with asyncio.timeout(10):
        while await taken(sender, whole["key"]) != [False]:
            await asyncio.sleep(0.2)
    refused = await asking(f"/{whole['id']}/rotate", lesser, {"overlap_hours": 0})
    assert (refused.status_code, refused.json()["code"]) == (403, "scopes_too_wide")


async def test_what_was_answered_before_is_shown_to_nobody_who_may_not_ask_any_more(sender, clerk):
    headers = {"Authorization": f"Bearer {clerk.token()}"}
    key = (
        await sender.client.post(KEYS, headers=headers, json={"name": "all", "scopes": ["*"]})
    ).json()["key"]
    holder = {"Authorization": f"Bearer {key}"}
    body = {"name": "CRM", "url": "https://crm.example.com/h", "events": ["lead_captured"]}
    hook = (await sender.client.post("/api/v2/webhooks", headers=holder, json=body)).json()
    again = holder | {"Idempotency-Key": "rotate-1"}
    path = f"/api/v2/webhooks/{hook['id']}/rotate-secret"
    answers = [await sender.client.post(path, headers=again) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    at_ms = int(time.time() * 1000) + 1
    told = {"role": "org:member", "updated_at": at_ms} | MEMBER
    await sender.about("organizationMembership.updated", at_ms, **told)
    async with asyncio.timeout(10):
        while (await sender.client.post(path, headers=again)).status_code != 403:
            await asyncio.sleep(0.2)


async def test_a_user_or_an_organization_that_is_deleted_stays_out_whatever_comes_late(
    sender, clerk
):
    now_ms = int(time.time() * 1000)
    await sender.about("user.deleted", now_ms, id="user_1", deleted=True)
    await sender.about("user.created", now_ms - 5000, id="user_1", updated_at=now_ms - 5000)
    assert not await may(sender, clerk)
    other = {"sub": "user_2", "o": {"id": "org_2", "rol": "admin"}}
    assert await may(sender, clerk, **other)
    await sender.about("organization.deleted", now_ms, id="org_2", deleted=True)
    other["sub"] = "user_3"  # whose membership no process knows yet
    assert not await may(sender, clerk, **other)


async def test_an_older_state_does_not_overwrite_a_newer_one(sender, connection):
    await sender.about("organization.updated", 2000, id="org_1", name="Nova", updated_at=2000)
    await sender.about("organization.created", 1000, id="org_1", name="Velha", updated_at=1000)
    names = await connection.fetch("select name from agentes.organizations")
    assert [row["name"] for row in names] == ["Nova"]
    email = {"primary_email_address_id": "e2", "first_name": "Ana", "last_name": "Lima"}
    listed = [
        {"id": "e1", "email_address": "a@exemplo.com.br"},
        {"id": "e2", "email_address": "b@exemplo.com.br"},
    ]
    await sender.about("user.created", 1000, id="user_1", email_addresses=listed, **email)
    user = await connection.fetchrow("select email, name from agentes.users")
    assert (user["email"], user["name"]) == ("b@exemplo.com.br", "Ana Lima")


async def test_the_same_message_ten_times_at_once_is_one(sender, connection):
    payload = {"type": "user.created", "data": {"id": "user_1"}, "timestamp": 1}
    answers = await asyncio.gather(*(sender.send(payload, id="msg_same") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {204}
    assert await connection.fetchval("select count(*) from agentes.clerk_messages") == 1


async def test_the_newer_names_of_the_headers_are_taken_too(sender):
    payload = {"type": "session.created", "data": {"id": "sess_1"}}
    assert (await sender.send(payload, names="webhook")).status_code == 204


async def test_a_signed_message_about_nothing_that_is_kept_changes_nothing(sender, connection):
    for kind in ("user", "organization", "organizationMembership", "", ".", "session.created"):
        payload = {"type": kind, "data": {"id": "user_1"}}
        assert (await sender.send(payload)).status_code == 204
    assert await connection.fetchval("select count(*) from agentes.users") == 0


async def test_bad_signatures_of_one_address_are_answered_so_often_and_no_more(sender):
    payload = {"type": "user.created", "data": {"id": "user_1"}}
    answers = [await sender.send(payload, **{"svix-signature": "v1,YQ=="}) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]


HOSTILE = {
    "no signature": {"svix-signature": ""},
    "no id": {"svix-id": ""},
    "no time": {"svix-timestamp": ""},
    "v1 alone": {"svix-signature": "v1"},
    "two commas": {"svix-signature": "v1,aa,bb"},
    "bad base64": {"svix-signature": "v1,%%%"},
    "another version": {"svix-signature": "v2,abc"},
    "very many": {"svix-signature": "v1,a" + " v1,a" * 5_000},
    "nan": {"svix-timestamp": "nan"},
    "huge": {"svix-timestamp": "1e99"},
    "negative": {"svix-timestamp": "-5"},
    "fraction": {"svix-timestamp": f"{int(time.time())}.9"},
}


@pytest.mark.parametrize("headers", HOSTILE.values(), ids=list(HOSTILE))
async def test_hostile_headers_are_refused_and_nothing_is_stored(sender, connection, headers):
    answer = await sender.send({"type": "user.created", "data": {"id": "user_1"}}, **headers)
    assert answer.status_code in (400, 401, 431)
    assert await connection.fetchval("select count(*) from agentes.users") == 0


@pytest.mark.parametrize(("skew_s", "status"), [(-290, 204), (290, 204), (-310, 401), (310, 401)])
async def test_five_minutes_are_the_limit(sender, skew_s, status):
    payload = {"type": "user.created", "data": {"id": "user_1"}}
    answer = await sender.send(payload, at=int(time.time()) + skew_s)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"[]", b"null", b"{", b'{"type": 7}', b'{"type": "user.created"}'),
        b'{"type": "user.created", "data": {"id": 7}}',
        b"[" * 100_000,
    ],
    ids=range(9),
)
async def test_what_is_signed_and_no_message_is_refused(sender, body):
    answer = await sender.send(None, body=body)
    assert answer.status_code in (400, 422)


async def test_without_a_secret_nothing_is_accepted(client):
    answer = await client.post(PATH, json={"type": "user.created", "data": {"id": "user_1"}})
    assert (answer.status_code, answer.json()["code"]) == (404, "clerk_webhooks_not_configured")


async def test_an_organization_that_has_ended_leaves_nothing_behind(sender, clerk, connection):
    headers = {"Authorization": f"Bearer {clerk.token()}"}
    base = {"name": "Políticas"}
    made = await sender.client.post("/api/v2/knowledge/bases", json=base, headers=headers)
    document = {"knowledge_base_id": made.json()["id"], "name": "a.md", "text": "# A\n\nCanário."}
    await sender.client.post("/api/v2/knowledge/documents", json=document, headers=headers)
    agent = (await sender.client.post(AGENTS, json={"name": "Ana"}, headers=headers)).json()
    chat = {"messages": [{"role": "user", "content": "Canário?"}]}
    await sender.client.post(f"{AGENTS}/{agent['id']}/chat", json=chat, headers=headers)
    await sender.about("organization.deleted", int(time.time() * 1000), id="org_1", deleted=True)
    async with asyncio.timeout(20):  # one that somebody is at work for waits for the next round
        while await connection.fetchval("select organizations_purge_v1(-60)") == "0":
            await asyncio.sleep(0.1)
    left = {}
    for table in await connection.fetch(
        """select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relnamespace = 'agentes'::regnamespace and c.relkind = 'r'
              and a.attname = 'organization_id'"""
    ):
        name = table["relname"]
        left[name] = await connection.fetchval(
            f"select count(*) from agentes.{name} where organization_id = $1::uuid",
            agent["organization_id"],
        )
    assert not any(left.values()), left


async def test_an_older_token_does_not_overrule_a_newer_message(sender, clerk, connection):
    async def status(method, **claims):
        headers = {"Authorization": f"Bearer {clerk.token(**claims)}"}
        return (await sender.client.request(method, KEYS, headers=headers)).status_code

    now_s = int(time.time())
    administrator = {"id": "org_1", "rol": "admin", "slg": "aurora"}
    assert await status("GET", o=administrator, iat=now_s - 20) == 200
    updated = {"role": "org:member", "updated_at": (now_s - 10) * 1000, **MEMBER}
    await sender.about("organizationMembership.updated", now_s * 1000, **updated)
    assert await status("GET", o=administrator, iat=now_s - 20) == 403
    role = "select role from agentes.memberships"
    assert await connection.fetchval(role) == "member"
    assert await status("GET", o=administrator, iat=now_s) == 200  # promoted again since
    assert await connection.fetchval(role) == "admin"


async def test_the_keys_of_a_deleted_organization_end_with_it(sender, clerk):
    client, headers = sender.client, {"Authorization": f"Bearer {clerk.token()}"}
    agent = await client.post(AGENTS, json={"name": "A", "visibility": "public"}, headers=headers)
    made = await client.post(KEYS, json={"name": "CRM", "scopes": ["*"]}, headers=headers)
    crm = {"Authorization": f"Bearer {made.json()['key']}"}
    page = {"Origin": "https://a.example"}
    body = {"agent_id": agent.json()["id"], "name": "Site", "allowed_origins": [page["Origin"]]}
    widget = await client.post("/api/v2/settings/widget-keys", json=body, headers=crm)
    opening = {"json": {"key": widget.json()["key"]}, "headers": page}
    opened = await client.post("/api/v2/widget/sessions", **opening)
    visitor = {"Authorization": f"Bearer {opened.json()['token']}"}
    assert (await client.get("/api/v2/conversations", headers=visitor)).status_code == 200
    await sender.about("organization.deleted", int(time.time() * 1000), id="org_1")
    async with asyncio.timeout(8):  # keys are cached for 5 s
        while (await client.get(AGENTS, headers=crm)).status_code != 401:
            await asyncio.sleep(0.2)
        while (await client.get("/api/v2/conversations", headers=visitor)).status_code != 401:
            await asyncio.sleep(0.2)
    assert (await client.post("/api/v2/widget/sessions", **opening)).status_code == 401
