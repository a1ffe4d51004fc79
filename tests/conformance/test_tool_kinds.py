"""What every kind of tools keeps to: the tests of a new one, but for what it does."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from app.container import open_ports
from app.features.tools.argument_schema import checked_schema
from app.features.tools.definition import read_config
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import ToolKind
from app.features.tools.secrets import secrets_of
from tests.conftest import serving
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.stories import an_agent
from tests.support.tools import FetchDouble, a_tool, answered

pytestmark = [pytest.mark.anyio, pytest.mark.once]
TEXTS = ["", "a" * 5000, "\u0000", "../../", "'; drop table x;--", "{secrets.token}", "é\u202e"]
VALUES = [*TEXTS, None, True, -1, 1e300, 2**63, [], [[[]]], {}, {"a": {"$ref": "#"}}]


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> ToolKind[Any]:
    return request.param


@pytest.fixture
async def client(settings):
    """Of a service that reaches nobody: every request of a tool has the same odd answer."""
    fetch = FetchDouble(answered(b'[{"a": "\\u202e"}]'))

    @asynccontextmanager
    async def opened(settings):
        async with open_ports(settings) as ports:
            yield replace(ports, fetch=fetch)

    async with serving(settings, open_ports=opened) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            verify=PLAIN_HTTP, base_url=url, headers=headers, timeout=20
        ) as client:
            yield client


def test_its_example_is_a_configuration(kind):
    read_config(kind, dict(kind.example))


def test_its_parameters_are_a_closed_schema_that_a_client_could_write(kind):
    parameters = kind.parameters(read_config(kind, dict(kind.example)))
    assert checked_schema(parameters) == parameters
    assert set(parameters.get("required", ())) <= set(parameters["properties"])


def test_it_says_what_it_is(kind):
    assert kind.title
    assert kind.description.endswith(".")
    assert kind.risk in ("read", "write", "approval_required")
    effects = kind.has_side_effects(read_config(kind, dict(kind.example)))
    assert not (effects and kind.risk == "read"), "what changes something is at least `write`"


def test_its_secret_fields_hold_their_secrets_so_that_printing_shows_none(kind):
    config = read_config(kind, dict(kind.example))
    held = json.dumps(secrets_of(config, kind.secret_fields))
    for text in [part for part in json.loads(held).values() if isinstance(part, str)]:
        assert text not in repr(config), "use SecretText"


async def test_it_is_in_the_catalogue_and_in_the_openapi_document(client, kind):
    listed = (await client.get("/api/v2/tools/kinds")).json()["data"]
    entry = next(entry for entry in listed if entry["type"] == kind.name)
    assert entry["example"] == kind.example
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    mapping = schemas["ToolCreate"]["discriminator"]["mapping"]
    body = schemas[mapping[kind.name].rpartition("/")[2]]
    assert body["examples"][0]["config"] == kind.example
    assert body["additionalProperties"] is False


async def test_its_secrets_are_never_read_and_hostile_arguments_never_break_it(client, kind):
    agent = await an_agent(client)
    config = dict(kind.example)
    tool = await a_tool(client, agent["id"], type=kind.name, name="a", config=config)
    path = f"/api/v2/agents/{agent['id']}/tools/{tool['id']}"
    secrets = secrets_of(read_config(kind, config), kind.secret_fields)
    hidden = [s for f in secrets.values() for s in (f.values() if isinstance(f, dict) else [f])]
    names = list(tool["parameters"]["properties"]) or ["x"]
    hostile = [{}, {"x": 1}, *({name: value for name in names} for value in VALUES)]
    answers = [await client.get(path)]
    for arguments in hostile:
        body = json.dumps({"arguments": arguments}).encode()
        answer = await client.post(
            f"{path}/test", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (200, 400, 422), answer.text
        assert answer.json().get("error", None) is None or answer.json()["error"]["code"] != (
            "tool_broke"
        ), answer.text
        answers.append(answer)
    assert not any(secret in answer.text for answer in answers for secret in hidden)
