"""Clerk's session tokens: who gets in, and who does not."""

import asyncio
import hashlib
import hmac
import time
from contextlib import asynccontextmanager

import httpx2
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.adapters.signing_keys.jwks import open_jwks
from app.core.settings import Settings, SettingsInvalid, load_settings
from app.features.identity.permissions import decoded
from tests.conftest import serving
from tests.support.clerk import new_rsa, running_clerk
from tests.support.hand_clock import HandClock
from tests.support.loopback_only import PLAIN_HTTP

pytestmark = pytest.mark.anyio
AGENTS = "/api/v2/agents"


@pytest.fixture
async def clerk():
    async with running_clerk() as clerk:
        yield clerk


@pytest.fixture
async def service(settings, clerk):
    """The service's address, with Clerk set up."""
    parts = {
        "clerk_issuer": clerk.issuer,
        "clerk_authorized_parties": ("https://app.example.com",),
        "auth_failures_per_minute": 1_000_000,
    }
    async with serving(settings.model_copy(update=parts)) as url:
        yield url


@asynccontextmanager
async def calling(url):
    async with httpx2.AsyncClient(verify=PLAIN_HTTP, base_url=url, timeout=20) as client:

        async def get(token, path=AGENTS, method="GET", **options):
            headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
            return await client.request(method, path, headers=headers, **options)

        yield get


async def test_without_clerk_no_local_key_is_needed_with_it_none_is_made(service, settings):
    assert not (settings.data_dir / "api_key").exists()


async def test_both_layouts_of_claims_are_the_same_member(service, clerk):
    version_1 = {"v": None, "o": None, "org_id": "org_1", "org_role": "org:admin"}
    async with calling(service) as call:
        made = (await call(clerk.token(), method="POST", json={"name": "Ana"})).json()
        answer = await call(clerk.token(**version_1), f"{AGENTS}/{made['id']}")
    assert answer.json() == made
    assert made["created_by"].startswith("user:")


async def test_organizations_do_not_see_each_other(service, clerk):
    other = clerk.token(o={"id": "org_2", "rol": "admin"}, sub="user_2")
    async with calling(service) as call:
        made = (await call(clerk.token(), method="POST", json={"name": "Ana"})).json()
        assert (await call(other, f"{AGENTS}/{made['id']}")).status_code == 404
        assert (await call(other)).json()["data"] == []


NOW = "now"  # a marker, as tests are collected long before they run
REFUSED = {
    "expired": {"exp": (NOW, -6)},
    "an exp that is text": {"exp": "4102444800"},
    "an exp that is a float": {"exp": 4102444800.5},
    "an exp beyond all": {"exp": 1e300},
    "an exp that is true": {"exp": True},
    "no exp": {"exp": None},
    "not yet valid": {"nbf": (NOW, 600)},
    "issued later": {"iat": (NOW, 600)},
    "no session": {"sid": None},
    "no user": {"sub": None},
    "another instance": {"iss": "https://other.clerk.accounts.dev"},
    "no party": {"azp": None},
    "a party that begins like ours": {"azp": "https://app.example.com.evil.io"},
    "another scheme": {"azp": "http://app.example.com"},
    "another port": {"azp": "https://app.example.com:8443"},
    "an unknown version": {"v": 3},
    "a version that is text": {"v": "2"},
    "a version that is no whole number": {"v": 2.0},
    "a version that is a truth": {"v": True},
    "an organization that is text": {"o": "org_1"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=list(REFUSED))
async def test_a_token_with_a_bad_claim_is_refused_like_any_other(service, clerk, changes):
    now = int(time.time())
    said = {
        name: now + value[1] if isinstance(value, tuple) else value
        for name, value in changes.items()
    }
    async with calling(service) as call:
        bad, nobody = await call(clerk.token(**said)), await call("a.b.c")
    assert (bad.status_code, nobody.status_code) == (401, 401)
    assert bad.headers["www-authenticate"] == "Bearer"
    assert bad.json() | {"request_id": 0} == nobody.json() | {"request_id": 0}


@pytest.mark.parametrize("seconds", [-3, 4])
async def test_five_seconds_of_skew_are_taken(service, clerk, seconds):
    now = int(time.time())
    changes = {"exp": now - 3} if seconds < 0 else {"nbf": now + 4, "iat": now + 4}
    async with calling(service) as call:
        assert (await call(clerk.token(**changes))).status_code == 200


def _part(value) -> str:
    return jwt.utils.base64url_encode(orjson.dumps(value)).decode()


def _forged(clerk, header, secret: bytes | None = None) -> str:
    body = f"{_part(header)}.{_part(clerk.claims())}"
    if secret is None:
        return body + "."
    made = hmac.new(secret, body.encode(), hashlib.sha256).digest()
    return f"{body}.{jwt.utils.base64url_encode(made).decode()}"


async def test_no_token_names_its_own_algorithm_or_key(service, clerk):
    jwks = clerk.jwks()
    pem = (
        clerk.keys["ins_1"]
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    plain = {"kid": "ins_1", "typ": "JWT"}
    forged = [
        _forged(clerk, plain | {"alg": "none"}),
        _forged(clerk, plain | {"alg": "None"}),
        _forged(clerk, plain | {"alg": "HS256"}, pem),
        _forged(clerk, plain | {"alg": "HS256"}, jwks),
        _forged(clerk, plain | {"alg": "RS256"}),
        clerk.token().rsplit(".", 1)[0] + ".",
        jwt.encode(clerk.claims(), new_rsa(), algorithm="RS256", headers={"kid": "ins_1"}),
        jwt.encode(
            clerk.claims(), clerk.keys["ins_1"], algorithm="PS256", headers={"kid": "ins_1"}
        ),
    ]
    tricks = (
        {"jku": clerk.issuer},
        {"x5u": clerk.issuer},
        {"jwk": orjson.loads(jwks)["keys"][0]},
        {"crit": ["exp"]},
        {"typ": "at+jwt"},
        {"b64": False},
        {"kid": "../../etc/passwd"},
        {"kid": "' or 1=1 --"},
        {"kid": "k" * 5000},
    )
    forged += [clerk.token(headers=trick) for trick in tricks]
    async with calling(service) as call:
        assert (await call(clerk.token())).status_code == 200
        asked = clerk.asked
        for token in forged:
            assert (await call(token)).status_code == 401, token
    assert clerk.asked <= asked + 1  # one look for an unknown id, and none to where a token points


async def test_a_thousand_invented_key_ids_cause_one_fetch(service, clerk):
    async with calling(service) as call:
        assert (await call(clerk.token())).status_code == 200
        asked = clerk.asked
        key = new_rsa()
        tokens = [
            jwt.encode(clerk.claims(), key, algorithm="RS256", headers={"kid": f"kid_{n}"})
            for n in range(1000)
        ]
        for start in range(0, 1000, 50):
            answers = await asyncio.gather(*(call(token) for token in tokens[start : start + 50]))
            assert {answer.status_code for answer in answers} == {401}
    assert clerk.asked == asked + 1


async def test_a_new_key_is_found_at_once(service, clerk):
    async with calling(service) as call:
        await call(clerk.token())
        clerk.keys["ins_2"] = new_rsa()
        answers = await asyncio.gather(*(call(clerk.token(kid="ins_2")) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}


async def test_an_invented_key_id_keeps_a_new_key_out_for_five_minutes_at_most(clerk):
    clock = HandClock(step_s=0.001)
    async with open_jwks(clerk.issuer, clock) as keys:
        assert await keys.find("ins_1") is not None
        assert await keys.find("invented") is None
        clerk.keys["ins_2"] = new_rsa()
        assert await keys.find("ins_2") is None
        clock.forward(301)
        assert await keys.find("ins_2") is not None


async def test_known_keys_outlive_an_outage_and_a_cold_start_says_503(settings, clerk):
    parts = {"clerk_issuer": clerk.issuer}
    async with serving(settings.model_copy(update=parts)) as url, calling(url) as call:
        await call(clerk.token())
        clerk.status = 500
        assert (await call(clerk.token())).status_code == 200
    async with serving(settings.model_copy(update=parts)) as url, calling(url) as call:
        answer = await call(clerk.token())
        assert answer.status_code == 503
        assert answer.json()["code"] == "signing_keys_unavailable"
        assert answer.headers["retry-after"]


async def test_a_document_with_one_bad_key_still_serves_the_others(settings, clerk):
    good = orjson.loads(clerk.jwks())["keys"][0]
    bad = [good | {"kid": "x", "n": "AA"}, {"kid": "y", "kty": "RSA"}, {"kty": "oct"}, 7, None]
    clerk.body = orjson.dumps({"keys": [*bad, good]})
    parts = {"clerk_issuer": clerk.issuer}
    async with serving(settings.model_copy(update=parts)) as url, calling(url) as call:
        assert (await call(clerk.token())).status_code == 200


async def test_sessions_without_an_organization_or_not_complete_are_told_so(service, clerk):
    async with calling(service) as call:
        without = await call(clerk.token(o=None))
        forged = await call(clerk.token(o=None, org_id="org_1", org_role="org:admin"))
        pending = await call(clerk.token(sts="pending"))
    assert (without.status_code, without.json()["code"]) == (403, "organization_required")
    assert forged.json()["code"] == "organization_required"  # version 2 reads `o` and nothing else
    assert (pending.status_code, pending.json()["code"]) == (403, "session_pending")


async def test_members_may_less_than_admins_and_other_roles_what_their_permissions_say(
    service, clerk
):
    keys = "/api/v2/settings/api-keys"
    member = clerk.token(o={"id": "org_1", "rol": "member"})
    reader = {"id": "org_1", "rol": "reader", "per": "read,write", "fpm": "1"}
    async with calling(service) as call:
        assert (await call(clerk.token(), keys)).status_code == 200
        assert (await call(member, keys)).json()["code"] == "scope_missing"
        assert (await call(member)).status_code == 200
        granted = clerk.token(o=reader, fea="o:agents")
        assert (await call(granted)).status_code == 200
        assert (await call(granted, method="POST", json={"name": "A"})).status_code == 403
        assert (await call(clerk.token(o=reader))).status_code == 403


async def test_who_acts_for_somebody_may_not_delete_and_another_organization_is_refused(
    service, clerk
):
    async with calling(service) as call:
        made = (await call(clerk.token(), method="POST", json={"name": "Ana"})).json()
        path = f"{AGENTS}/{made['id']}"
        acting = clerk.token(act={"iss": "https://dashboard.clerk.com", "sub": "user_9"})
        assert (await call(acting, path)).status_code == 200
        assert (await call(acting, path, "DELETE")).json()["code"] == "impersonation_refused"
        for id, status in (
            ("01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77", 403),
            ("org_2", 403),
            ("org_1", 200),
            (made["organization_id"], 200),
        ):
            named = {"X-Organization-ID": id}
            assert (await call(clerk.token(), path, headers=named)).status_code == status


async def test_who_may_do_nothing_here_is_counted_by_address(service, clerk):
    pending, widget = clerk.token(sts="pending"), "ac_pub_" + "0" * 48
    async with calling(service) as call:
        seen = {
            (a.status_code, a.json()["code"]) for a in [await call(pending), await call(widget)]
        }
        assert seen == {(403, "session_pending"), (403, "scope_missing")}
        named = {"X-Organization-ID": "org_2"}
        for credential, headers in ((pending, {}), (clerk.token(), named)):
            # More than what comes back meanwhile, at any speed of this machine.
            asked = (call(credential, headers=headers) for _ in range(500))
            assert {a.status_code for a in await asyncio.gather(*asked)} == {403, 429}
        assert (await call(clerk.token(sub="user_2"))).status_code == 200


async def test_who_acts_for_somebody_makes_no_keys_redirects_no_events_and_erases_nobody(
    service, clerk
):
    acting = clerk.token(act={"iss": "https://dashboard.clerk.com", "sub": "user_9"})
    keys, body = "/api/v2/settings/api-keys", {"name": "X", "scopes": ["chat"]}
    async with calling(service) as call:
        key = (await call(clerk.token(), keys, "POST", json=body)).json()
        for path, sent in (
            (keys, body),
            (f"{keys}/{key['id']}/rotate", {}),
            ("/api/v2/settings/widget-keys", {}),
            ("/api/v2/privacy/erasures", {"email": "ana@exemplo.com.br"}),
            ("/api/v2/privacy/exports", {"email": "ana@exemplo.com.br"}),
            ("/api/v2/webhooks", {"name": "X", "url": "https://crm.example.com/"}),
        ):
            refused = await call(acting, path, "POST", json=sent)
            assert refused.json()["code"] == "impersonation_refused", path
        refused = await call(acting, "/api/v2/settings", "PATCH", json={"budgets": {}})
        assert refused.json()["code"] == "impersonation_refused"
        assert len((await call(acting, keys)).json()["data"]) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "user_\x00"},
        {"sub": "user_\ud800"},
        {"sid": "sess_\x00"},
        {"iat": -(10**30)},
        {"iat": -(10**15)},
        {"exp": 10**30},
        {"o": {"id": "org_\x00", "rol": "admin"}},
        {"o": {"id": "org_1", "rol": "ad\x00min"}},
        {"o": {"id": "org_1", "rol": "ad\udfffmin"}},
        {"act": {"sub": "\x00"}},
    ],
)
async def test_what_no_database_could_keep_is_refused_though_it_is_signed(service, clerk, claims):
    async with calling(service) as call:
        answer = await call(clerk.token(**claims))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credential")


@pytest.mark.parametrize(
    ("fea", "per", "fpm", "granted"),
    [
        ("o:agents, o:chats", "read, write", "1, 2", {"agents:read", "chats:write"}),
        (
            "o:dashboard,o:teams",
            "manage,read",
            "3,2",
            {"dashboard:manage", "dashboard:read", "teams:read"},
        ),
        ("u:own,o:teams", "read", "1", {"teams:read"}),
        ("uo:both,ou:also", "read", "1,1", {"both:read", "also:read"}),
        ("o:outofuse,u:o", "read", "1", {"outofuse:read"}),
        ("o:a,o:b", "read", "1", {"a:read"}),
        ("o:a", "read", "1,1,1", {"a:read"}),
        ("o:a", "read", str(2**70 + 1), {"a:read"}),
        ("o:a", "read", "-9223372036854775807", set()),
        ("o:a", "read", "abc", set()),
        ("o:a", "read", "3.5", set()),
        ("o:a", "read", "", set()),
        ("o:a", "read", "٣", set()),
        ("", "", "", set()),
    ],
)
def test_compact_permissions_are_read_lowest_bit_first(fea, per, fpm, granted):
    assert decoded(fea, per, fpm) == granted


def test_the_issuer_follows_from_the_publishable_key():
    given = Settings(clerk_publishable_key="pk_test_Y2xlcmsuZXhhbXBsZS5jb20k")
    assert given.session_issuer == "https://clerk.example.com"
    assert Settings().session_issuer is None


@pytest.mark.parametrize(
    "variables",
    [
        {"CLERK_PUBLISHABLE_KEY": "pk_test_!"},
        {"CLERK_PUBLISHABLE_KEY": "sk_test_Y2xlcmsuZXhhbXBsZS5jb20k"},
        {"CLERK_ISSUER": "http://clerk.example.com"},
        {"CLERK_ISSUER": "https://clerk.example.com/path"},
        {"CLERK_WEBHOOK_SECRET": "whsec_x"},
        {"CLERK_AUTHORIZED_PARTIES": "https://app.example.com"},
        {"CLERK_ISSUER": "https://clerk.example.com", "CLERK_AUTHORIZED_PARTIES": "app"},
    ],
)
def test_half_of_clerk_and_what_is_none_of_its_settings_is_refused_at_start(variables):
    with pytest.raises(SettingsInvalid, match=next(reversed(variables))):
        load_settings(variables)
