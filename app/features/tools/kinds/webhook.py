"""Tells the organization's webhooks and dashboards of an event that it has named itself."""

from typing import Annotated, Any

import orjson
from pydantic import Field, StringConstraints, field_validator

from app.core.ids import derived_id, new_id
from app.core.schemas import Body
from app.domain_events.custom import NAME_PATTERN, CustomEvent, custom_kind, is_free
from app.features.tools.event_repository import announce_once
from app.features.tools.kinds.kind import CallContext, ToolFailed, ToolKind, ToolResult
from app.features.tools.templates import (
    Filling,
    check_field_names,
    names_of,
    parameters_for,
    texts_in,
)

MAX_BYTES = 16_384


class WebhookConfig(Body):
    """An event and what it carries."""

    event: Annotated[
        str,
        StringConstraints(pattern=NAME_PATTERN),
        Field(description="Its type, as webhooks subscribe to it; none of the built-in ones."),
    ]
    payload_template: Any = Field(
        default=None,
        description="JSON whose texts may hold `{placeholders}` for the arguments: a text that is"
        " only one takes the argument with its type. Left out, the payload is the arguments.",
    )

    @field_validator("event")
    @classmethod
    def _is_free(cls, event: str) -> str:
        if not is_free(event):
            raise ValueError("is the name of a built-in event, or reserved: choose another")
        return event

    @field_validator("payload_template")
    @classmethod
    def _is_small(cls, template: Any) -> Any:
        if names_of(*texts_in(template), secrets=True):
            raise ValueError("must hold no secret")
        check_field_names(template)
        if len(orjson.dumps(template)) > MAX_BYTES:
            raise ValueError(f"is larger than {MAX_BYTES} bytes")
        return template


def _parameters(config: WebhookConfig) -> dict[str, Any]:
    return parameters_for([], names_of(*texts_in(config.payload_template)))


async def _call(
    config: WebhookConfig, arguments: dict[str, Any], context: CallContext
) -> ToolResult:
    payload = _payload(config, arguments)
    # The same call has the same event, so that a call that is made again tells nobody twice.
    event_id = derived_id(context.run_id, context.key) if context.run_id else new_id()
    data = CustomEvent(
        payload=payload,
        agent_id=context.agent_id,
        tool_id=context.tool_id,
        tool_name=context.tool_name,
        run_id=context.run_id,
        conversation_id=context.conversation_id,
        message_id=context.message_id,
        visitor_id=context.visitor_id,
        is_test=context.run_id is None,
    )
    event = custom_kind(config.event).of(data, agent_id=context.agent_id, event_id=event_id)
    await announce_once(context.ports.database, context.organization_id, event)
    content = {"event": config.event, "event_id": event_id, "status": "announced"}
    return ToolResult(content=content, trace={"event": event})


def _payload(config: WebhookConfig, arguments: dict[str, Any]) -> Any:
    template = config.payload_template
    payload = arguments if template is None else Filling(arguments, {}).whole(template)
    if len(orjson.dumps(payload)) > MAX_BYTES:
        detail = f"The payload is larger than {MAX_BYTES} bytes."
        raise ToolFailed("payload_too_large", detail, is_mendable=True)
    return payload


KIND = ToolKind(
    name="webhook",
    title="Event for webhooks",
    description="Tells the organization's webhooks and dashboards of an event.",
    config=WebhookConfig,
    example={
        "event": "pedido_confirmado",
        "payload_template": {"pedido": "{pedido}", "valor": "{valor}", "origem": "chat"},
    },
    risk="write",
    has_side_effects=lambda _config: True,
    parameters=_parameters,
    call=_call,
    takes_own_parameters=True,
)
