"""What a kind of tool is: its configuration, what the model sends, how it is called."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import SecretStr, StringConstraints, WithJsonSchema

from app.core.ids import AgentId, ConversationId, MessageId, OrganizationId, RunId
from app.core.schemas import Body
from app.ports import Ports

Risk = Literal["read", "write", "approval_required"]
Config = TypeVar("Config", bound=Body)
SecretText = Annotated[
    SecretStr,
    StringConstraints(min_length=1, max_length=4096),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 4096, "writeOnly": True}),
]
"""A field of a configuration that is write-only; name it in the kind's `secret_fields` too."""


class ToolFailed(Exception):
    """A call failed in a way that the model is told of, and may mend if `is_mendable`.

    `code` is stable snake_case; the message is safe to show to the model, the log and the user:
    no secret, no internal address. `trace` is shown by a test call only.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        is_mendable: bool = False,
        trace: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.is_mendable = code, detail, is_mendable
        self.trace: Mapping[str, Any] = trace or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """On whose behalf a tool is called. A test call has neither conversation nor run.

    `key` is the same whenever the same call is made again (from run and call): what has a lasting
    effect uses it to take effect once. `secrets` are the tool's own, decrypted; they never leave
    it but in the request that they are for.
    """

    ports: Ports
    organization_id: OrganizationId
    agent_id: AgentId
    tool_id: str
    tool_name: str
    key: str
    run_id: RunId | None
    conversation_id: ConversationId | None
    message_id: MessageId | None
    visitor_id: str | None
    language: str
    timeout_s: float
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page that a search found; it becomes a `source` event with its URL."""

    title: str
    url: str
    snippet: str


@dataclass(frozen=True, slots=True)
class FormShown:
    """A form that the visitor's widget is to draw; `data` is the data of the `form` event."""

    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a call brought: `content` is JSON for the model; `trace` is shown by a test call.

    `is_untrusted` content came from outside: the model is told that it is data.
    """

    content: Any
    is_untrusted: bool = False
    pages: tuple[WebPage, ...] = ()
    form: FormShown | None = None
    trace: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolKind(Generic[Config]):
    """One kind as the registry lists it.

    `parameters` gives the JSON Schema of the arguments by configuration (`type: object`,
    `additionalProperties: false`); `call` gets arguments that fit it, unless the kind
    `takes_own_parameters`: then they fit what the client wrote, which names and
    requires at least the same.
    `secret_fields` are fields of the configuration (texts or mappings to texts, which may be
    None) that are write-only and kept encrypted. What `has_side_effects` is recorded before it is
    called and never called twice. `check` refuses a configuration for what only a port can tell,
    by raising an `InvalidRequest`. `secrets_go_to` names whom a written configuration sends its
    secrets to: who changes that has to send them again.
    """

    name: str
    title: str
    description: str
    config: type[Config]
    example: Mapping[str, Any]
    risk: Risk
    has_side_effects: Callable[[Config], bool]
    parameters: Callable[[Config], dict[str, Any]]
    call: Callable[[Config, dict[str, Any], CallContext], Awaitable[ToolResult]]
    secret_fields: tuple[str, ...] = ()
    takes_own_parameters: bool = False
    check: Callable[[Config, Ports], None] | None = None
    secrets_go_to: Callable[[Mapping[str, Any]], str] | None = None
