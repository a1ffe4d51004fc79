"""Tools for tests: made over HTTP, or of a kind that a test makes up."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2

from app.core.errors import Problem
from app.core.ids import AgentId, OrganizationId, new_id
from app.core.schemas import Body
from app.features.tools.active import ActiveTool
from app.features.tools.definition import read_config
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import CallContext, ToolKind, ToolResult
from app.features.tools.runner import Occasion, ToolRunner
from app.features.tools.secrets import secrets_of
from app.ports import Ports
from app.ports.fetch import Answered, Outgoing

Handler = Callable[[dict[str, Any], CallContext], Awaitable[Any]]


async def a_tool(client: httpx2.AsyncClient, agent_id: str, **fields: Any) -> dict[str, Any]:
    body = {"type": "calculator", "name": "calcular", "config": {}, **fields}
    answer = await client.post(f"/api/v2/agents/{agent_id}/tools", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def try_tool(
    client: httpx2.AsyncClient, tool: dict[str, Any], **arguments: Any
) -> dict[str, Any]:
    path = f"/api/v2/agents/{tool['agent_id']}/tools/{tool['id']}/test"
    answer = await client.post(path, json={"arguments": arguments})
    assert answer.status_code == 200, answer.text
    return answer.json()


class NoConfig(Body):
    """A configuration without fields."""


ANY_TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}


def a_kind(handler: Handler, **fields: Any) -> ToolKind[NoConfig]:
    """A kind that answers with what the handler returns."""

    async def call(_config: NoConfig, arguments: dict[str, Any], context: CallContext):
        result = await handler(arguments, context)
        return result if isinstance(result, ToolResult) else ToolResult(content=result)

    return ToolKind(
        **{
            "name": "made_up",
            "title": "Made up",
            "description": "Of a test.",
            "config": NoConfig,
            "example": {},
            "risk": "read",
            "has_side_effects": lambda _config: False,
            "parameters": lambda _config: ANY_TEXT,
            "call": call,
            **fields,
        }
    )


def an_active_tool(handler: Handler, **fields: Any) -> ActiveTool:
    """A tool of such a kind, ready to be called."""
    return ActiveTool(
        **{
            "id": new_id(),
            "name": "made_up",
            "description": "",
            "kind": a_kind(handler),
            "config": NoConfig(),
            "parameters": ANY_TEXT,
            "risk": "read",
            "timeout_s": 5.0,
            "secrets": {},
            **fields,
        }
    )


def a_runner(ports: object = None) -> ToolRunner:
    return ToolRunner(cast("Ports", ports), OrganizationId(new_id()))


def an_occasion(**fields: Any) -> Occasion:
    return Occasion(**{"agent_id": AgentId(new_id()), "key": new_id(), **fields})


@dataclass
class FetchDouble:
    """Answers every request alike, and keeps what was asked."""

    answer: Answered | Problem
    sent: list[Outgoing] = field(default_factory=list)

    def canonical(self, url: str) -> str:
        return url

    def check_headers(self, headers: Mapping[str, str]) -> None:
        assert headers is not None

    async def send(self, request: Outgoing) -> Answered:
        self.sent.append(request)
        if isinstance(self.answer, Problem):
            raise self.answer
        return self.answer


def answered(content: bytes = b"{}", *, status: int = 200, **headers: str) -> Answered:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"content-type": "application/json"} | named
    return Answered(status=status, headers=named, content=content, url="https://api.example.com/")


def a_tool_of(kind: str, config: dict[str, Any], **fields: Any) -> ActiveTool:
    """A tool of a real kind, ready to be called."""
    read = read_config(KINDS[kind], config)
    secrets = secrets_of(read, KINDS[kind].secret_fields).get("secrets", {})
    parameters = fields.pop("parameters", None) or KINDS[kind].parameters(read)
    return an_active_tool(
        nothing,
        kind=KINDS[kind],
        config=read,
        parameters=parameters,
        secrets=secrets,
        **fields,
    )


async def nothing(_arguments: dict[str, Any], _context: CallContext) -> None:
    return None
