"""The documentation works without the internet, and says all there is to say."""

import re

import jsonschema_rs
import pytest

from app.application import create_app
from app.core.settings import Settings
from app.domain_events import EVENTS

pytestmark = pytest.mark.anyio
DOCUMENT = create_app(Settings(log_level="error")).openapi()
OPERATIONS = [
    pytest.param(operation, id=operation["operationId"])
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
]


def resolved(schema):
    """The schema with the document's components, so that its references lead somewhere."""
    return schema | {"components": DOCUMENT["components"]}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_page_loads_nothing_from_elsewhere_and_has_no_inline_script(client, page):
    answer = await client.get(page)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script>|https?://|\son[a-z]+=", answer.text)
    linked = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(linked) > 3
    for address in linked:
        asset = await client.get(f"/{address}")
        assert asset.status_code == 200, address
        assert asset.headers["x-content-type-options"] == "nosniff"


async def test_assets_are_asked_for_again_only_if_they_changed(client):
    first = await client.get("/docs/assets/swagger-ui-bundle.js")
    etag = {"If-None-Match": first.headers["etag"]}
    again = await client.get("/docs/assets/swagger-ui-bundle.js", headers=etag)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "%2e%2e", "..%2f..%2f__init__.py", "icon.svg/x"])
async def test_only_assets_are_served_as_assets(client, name):
    answer = await client.get(f"/docs/assets/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_says_what_it_does_takes_and_answers(operation):
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
    assert {"400", "500"} <= operation["responses"].keys()
    if operation["security"]:
        assert {"401", "403", "422", "503"} <= operation["responses"].keys()
    for status, response in operation["responses"].items():
        assert response["description"] not in ("", "Successful Response")
        for media, content in response.get("content", {}).items():
            assert status < "300" or media in ("application/problem+json", "application/json")
            assert has_example(content), f"{status} {media}"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert has_example(content)


def has_example(content):
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    component = DOCUMENT["components"]["schemas"].get(name, {})
    is_file = content.get("schema", {}).get("format") == "binary"
    if is_file or name.startswith("Body_"):
        return True
    return bool(content.get("example") or content.get("examples") or component.get("examples"))


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_examples_and_defaults_are_valid(name):
    schema = DOCUMENT["components"]["schemas"][name]
    for example in schema.get("examples", ()):
        jsonschema_rs.Draft202012Validator(resolved(schema)).validate(example)
    for part in schema.get("properties", {}).values():
        if "default" in part:
            jsonschema_rs.Draft202012Validator(resolved(part)).validate(part["default"])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_examples_of_problems_are_problems(operation):
    problem = jsonschema_rs.Draft202012Validator(DOCUMENT["components"]["schemas"]["Problem"])
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/problem+json")
        for code, example in (content or {"examples": {}})["examples"].items():
            problem.validate(example["value"])
            assert example["value"]["code"] == code
            assert str(example["value"]["status"]) == status


def test_no_two_schemas_share_a_name():
    # FastAPI would tell them apart by their modules, which generated clients then show.
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name] == []


def test_files_are_chosen_and_optional_parameters_are_no_unions():
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Body_upload"]["properties"]["file"]["items"]["format"] == "binary"
    parameters = {
        parameter["name"]: parameter["schema"]
        for parameter in DOCUMENT["paths"]["/api/v2/conversations"]["get"]["parameters"]
    }
    assert parameters["agent_id"]["type"] == "string"
    assert parameters["limit"] == parameters["limit"] | {"minimum": 1, "maximum": 100}
    assert schemas["AgentUpdate"]["properties"]["top_p"]["type"] == ["number", "null"]
    assert "default" not in schemas["AgentUpdate"]["properties"]["name"]


def test_what_webhooks_receive_is_documented_with_bodies_that_fit():
    told = {kind.name for kind in EVENTS.values() if kind.is_for_webhooks}
    assert DOCUMENT["webhooks"].keys() == told
    for name, received in DOCUMENT["webhooks"].items():
        content = received["post"]["requestBody"]["content"]["application/json"]
        assert content["example"].keys() == {"type", "timestamp", "data"}
        assert content["example"]["type"] == name
        jsonschema_rs.Draft202012Validator(resolved(content["schema"])).validate(content["example"])
