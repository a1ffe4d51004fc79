"""Whatever is sent, the answer is a clear problem and never a 500."""

import pytest

from app.core.ids import new_id

pytestmark = pytest.mark.anyio
AGENTS = "/api/v2/agents"
JSON = {"content-type": "application/json"}


def is_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= body.keys()
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": "A\\u0000"}', 400),
        (b'{"name": "A", "temperature": NaN}', 400),
        (b'{"name": "A", "temperature": 1e999}', 400),
        (b'{"name": "A", "max_tokens": ' + b"9" * 5000 + b"}", 400),
        (b'{"name": "A", "max_tokens": ' + b"9" * 30 + b"}", 422),
        (b'{"name": "\xff\xfe"}', 400),
        (b"[" * 100_000, 400),
        (b'{"name": "A", "interface_config": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", 400),
        (b'{"name": "A", "interface_config": {"a": [[[1]]]}}', 201),
        (b'{"name": "A", "name": "B"}', 400),
        (b'{"name": "A", "interface_config": {"a": [{"b": 1, "b": 1}]}}', 400),
        (b'{"name": "A", "\\u006eame": "B"}', 400),
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'{"name": "A"} x', 400),
        (b"\xef\xbb\xbf{}", 400),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_odd_json_is_refused_or_kept_but_never_breaks(client, body, status):
    answer = await client.post(AGENTS, content=body, headers=JSON)
    if status != 201:
        is_problem(answer, status)
    assert answer.status_code == status, answer.text[:500]


@pytest.mark.parametrize(
    "path", [f"{AGENTS}/%00", f"{AGENTS}?q=%00", f"{AGENTS}/%ff", f"{AGENTS}?q=%ff%fe"]
)
async def test_nul_and_invalid_utf_8_in_an_address_are_refused(client, path):
    is_problem(await client.get(path), 400)


@pytest.mark.parametrize(
    "limit",
    ["0", "101", "-1", "abc", "1_0", " 1 ", "+1", "\u0663", "1.0", "1e1", "01", "", "9" * 30],
)
async def test_limits_that_are_no_integers_of_their_range_are_refused(client, limit):
    is_problem(await client.get(AGENTS, params={"limit": limit}), 422)


@pytest.mark.parametrize("version", ["0", "+1", "1_0", "\u0661", "2147483648", "9" * 30])
async def test_versions_that_are_no_integers_are_refused(client, version):
    answer = await client.post(f"{AGENTS}/{new_id()}/versions/{version}/restore")
    is_problem(answer, 422)


@pytest.mark.parametrize("flag", ["1", "yes", "True", "on", ""])
async def test_flags_are_true_or_false(client, flag):
    is_problem(await client.get(AGENTS, params={"is_active": flag}), 422)
    assert (await client.get(AGENTS, params={"is_active": "true"})).status_code == 200


@pytest.mark.parametrize(
    "moment",
    [
        *("garbage", "0", "-1", "1e9", "1700000000", "1700000000.5", "1e400", "now", ""),
        *("2026-11-23T20:15", "2026-11-23T20:15:00", "2026-11-23 20:15:00Z", "20261123"),
        *("2026-13-01", "2026-02-30", "2026-11-23T24:00:01Z", "\u0662026-11-23"),
        *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "0000-01-01"),
    ],
)
async def test_what_is_no_moment_is_refused(client, moment):
    for name in ("from", "to"):
        is_problem(await client.get("/api/v2/conversations", params={name: moment}), 422)


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-23",
        "2026-11-23T20:15:00Z",
        "2026-11-23t20:15:00.123456z",
        "2026-11-23T20:15:00-03:00",
    ],
)
async def test_moments_and_dates_are_taken(client, moment):
    answer = await client.get("/api/v2/conversations", params={"from": moment, "to": moment})
    assert answer.status_code == 200


async def test_integers_beyond_64_bits_are_refused_and_others_are_kept_as_they_are(client):
    largest = {
        "big": 2**64 - 1,
        "small": -(2**63),
        "float": 1e300,
        "digits": 0.12345678901234567890,
    }
    agent = await client.post(AGENTS, json={"name": "A", "interface_config": largest})
    assert agent.json()["interface_config"] == largest
    for number in ("18446744073709551616", "-9223372036854775809", "9" * 30):
        for name, path in (("interface_config", AGENTS), ("chunking", "/api/v2/knowledge/bases")):
            body = f'{{"name": "A", "{name}": {{"a": [{number}]}}}}'
            is_problem(await client.post(path, content=body, headers=JSON), 422)
        asked = '"messages": [{"role": "user", "content": "Oi"}]'
        body = f'{{{asked}, "context_data": {{"a": {number}}}}}'
        path = f"{AGENTS}/{agent.json()['id']}/chat"
        is_problem(await client.post(path, content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "metadata",
    [
        *("9" * 30, "{", "[]", "1", '"a"', "null", '{"a": NaN}', '{"a": 1e999}', '{"a": Infinity}'),
        *('{"a": ' + "9" * 30 + "}", '{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"a": "\x00"}'),
        *('{"a": ' * 900 + "1" + "}" * 900, "[" * 20_000, '{"a": 18446744073709551616}'),
    ],
    ids=lambda value: value[:30],
)
async def test_odd_metadata_of_an_upload_is_refused(client, metadata):
    base = (await client.post("/api/v2/knowledge/bases", json={"name": "A"})).json()["id"]
    answer = await client.post(
        "/api/v2/knowledge/upload",
        files=[("file", ("a.md", b"# A\n\nUm texto."))],
        data={"knowledge_base_id": base, "metadata": metadata},
    )
    body = is_problem(answer, 422)
    assert body["errors"][0]["pointer"] == "/metadata"


async def test_a_boolean_is_no_number(client):
    is_problem(await client.post(AGENTS, json={"name": "A", "temperature": True}), 422)
    is_problem(
        await client.post(AGENTS, json={"name": "A", "retrieval": {"threshold": False}}), 422
    )


async def test_a_search_without_a_base_is_refused(client):
    body = {"query": "x", "knowledge_base_ids": []}
    is_problem(await client.post("/api/v2/knowledge/search", json=body), 422)


async def test_a_refusal_never_repeats_the_value(client):
    answer = await client.post(AGENTS, json={"name": "A", "max_tokens": "s3cret", "k": "s3cret"})
    assert "s3cret" not in answer.text
    is_problem(answer, 422)


async def test_another_content_type_is_415(client):
    answer = await client.post(AGENTS, content=b"name=A", headers={"content-type": "text/plain"})
    is_problem(answer, 415)


async def test_a_body_over_the_limit_is_413(client):
    answer = await client.post(AGENTS, content=b"x" * (1024 * 1024 + 1), headers=JSON)
    is_problem(answer, 413)


async def test_a_chunked_body_over_the_limit_is_413(client):
    async def endless():
        for _ in range(20):
            yield b"x" * 100_000

    is_problem(await client.post(AGENTS, content=endless(), headers=JSON), 413)


async def test_unknown_routes_and_methods_are_problems(client):
    is_problem(await client.get("/nowhere"), 404)
    answer = await client.put(AGENTS, json={})
    is_problem(answer, 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer ac_live_1_2_3", "Bearer " + "x" * 9000],
)
async def test_bad_credentials_are_401_and_look_alike(client, authorization):
    client.headers.pop("authorization")
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await client.get(AGENTS, headers=headers)
    body = is_problem(answer, 401)
    assert body["code"] == "invalid_credential"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_with_another_secret_is_refused(client):
    from app.features.identity.keys import ApiKey, read_key

    real = read_key(client.headers["authorization"].removeprefix("Bearer "))
    forged = ApiKey(real.public_id, real.secret[::-1]).text
    answer = await client.get(AGENTS, headers={"authorization": f"Bearer {forged}"})
    is_problem(answer, 401)


async def test_a_scope_that_is_missing_is_403(client, connection):
    await connection.execute("""update agentes.api_keys set scopes = '["agents:read"]'""")
    assert (await client.get(AGENTS)).status_code == 200
    body = is_problem(await client.post(AGENTS, json={"name": "A"}), 403)
    assert (body["code"], body["required_scope"]) == ("scope_missing", "agents:write")


async def test_an_expired_or_revoked_key_is_refused(client, connection):
    await connection.execute("update agentes.api_keys set expires_at = now()")
    is_problem(await client.get(AGENTS), 401)
    await connection.execute("update agentes.api_keys set expires_at = null, revoked_at = now()")
    is_problem(await client.get(AGENTS), 401)


async def test_a_sane_request_id_is_kept_and_another_replaced(client):
    kept = await client.get("/health/live", headers={"x-request-id": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    replaced = await client.get("/health/live", headers={"x-request-id": "a b\tc"})
    assert replaced.headers["x-request-id"] != "a b\tc"


async def test_rows_of_another_organization_do_not_exist(client, connection):
    other, base = new_id(), new_id()
    await connection.execute(
        f"""insert into agentes.organizations (id, slug, name) values ('{other}', 'o', 'o');
        insert into agentes.knowledge_bases (id, organization_id, name, language, chunking)
        values ('{base}', '{other}', 'canary', 'pt-BR', '{{"size": 300, "overlap": 0}}')"""
    )
    path = f"/api/v2/knowledge/bases/{base}"
    is_problem(await client.get(path), 404)
    is_problem(await client.patch(path, json={"name": "x"}), 404)
    is_problem(await client.delete(path), 404)
    answer = await client.post(
        "/api/v2/knowledge/search", json={"query": "canary", "knowledge_base_id": base}
    )
    is_problem(answer, 404)
    answer = await client.post(AGENTS, json={"name": "A", "knowledge_base_ids": [base]})
    is_problem(answer, 422)
    assert "canary" not in (await client.get("/api/v2/knowledge/bases")).text


async def test_the_openapi_document_names_every_operation_once(client):
    document = (await client.get("/openapi.json")).json()
    operations = [op for path in document["paths"].values() for op in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(operation.get("summary") for operation in operations)
    paths = document["paths"]
    assert "/api/v2/agents/{agent_id}/chat/stream" in paths
    assert "401" in paths["/api/v2/agents"]["get"]["responses"]


async def test_every_code_has_a_page(client):
    kinds = (await client.get("/problems")).json()["data"]
    codes = [kind["code"] for kind in kinds]
    assert len(codes) == len(set(codes))
    answer = await client.get("/problems/agent-not-found")
    assert answer.json()["status"] == 404


@pytest.mark.parametrize(
    ("query", "name"),
    [("is_activ=true", "is_activ"), ("limit=1&limit=2", "limit"), ("%F0%9F%98%80=1", "😀")],
)
async def test_a_query_that_is_not_understood_is_refused_and_not_passed_over(client, query, name):
    answer = await client.get(f"/api/v2/agents?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["in"]) == (name, "query")
    assert (
        await client.get(f"/api/v2/agents?{query}", headers={"Authorization": ""})
    ).status_code in (
        401,
        403,
    )


async def test_a_filter_of_a_stream_is_not_misspelt_in_silence(client):
    for query in ("typos=lead_captured", "types=lead_captured&types=lead_updated"):
        answer = await client.get(f"/api/v2/events/dashboard?{query}")
        assert answer.status_code == 422


async def test_who_needs_no_credential_may_add_to_the_address_what_they_like(client):
    assert (await client.get("/health/live?from=probe")).status_code == 200
