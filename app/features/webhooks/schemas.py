"""Webhooks as clients send and receive them."""

import re
from difflib import get_close_matches
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from app.core.schemas import Body, Id, Moment, Name, Resource, Text, Timestamp, example
from app.core.signing import SecretInvalid, canonical_secret
from app.domain_events import EVENTS
from app.domain_events.custom import is_free
from app.features.webhooks.examples import EVENT_TYPE, SECRET, TEMPLATE, WEBHOOK
from app.features.webhooks.headers import checked_headers
from app.features.webhooks.schedule import MAX_RETRIES
from app.features.webhooks.templates import TEMPLATES

MAX_EVENTS = 50
_NAMES = re.compile(r"\*|[a-z][a-z0-9_]{0,61}\*?")
DELIVERED = [kind.name for kind in EVENTS.values() if kind.is_for_webhooks]


def _known(name: str) -> str:
    """A built-in name, a beginning, or one that an organization's own tools may use."""
    if not _NAMES.fullmatch(name):
        raise ValueError(
            "is no name of events: `*`, `lead_captured`, or a beginning as in `lead_*`"
        )
    if name.endswith("*") or name in DELIVERED:
        return name
    if name in EVENTS:
        raise ValueError("no webhook is told of this event")
    close = get_close_matches(name, DELIVERED, 1, 0.8)
    if close or not is_free(name):
        hint = f"; is it `{close[0]}`?" if close else ", nor can a tool of yours use it"
        raise ValueError(f"there is no event of this name{hint}")
    return name


def _each_once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _secret(text: str) -> str:
    try:
        return canonical_secret(text)
    except SecretInvalid:
        raise ValueError("is not the base64 of 24 to 64 bytes, after `whsec_`") from None


MAX_URL_CHARS = 2048
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL_CHARS),
    Text,
    Field(
        description="https; what it answers with a redirect to is not followed. Values in its query"
        " whose names tell of credentials (`token`, `api_secret`, `key`) are shown as `[hidden]`;"
        " sent back as that, they stay as they are. The path is shown as it is."
    ),
]
EventName = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"pattern": f"^({_NAMES.pattern})$"})
]
EventNames = Annotated[
    list[EventName],
    AfterValidator(_each_once),
    Field(
        min_length=1,
        max_length=MAX_EVENTS,
        description="`*` for all, names as `GET /events` lists them, beginnings such as `lead_*`,"
        " or the names that your own tools give to events.",
        examples=[["conversation_*", "message_completed"]],
    ),
]
Headers = Annotated[
    dict[str, str],
    AfterValidator(checked_headers),
    Field(
        description="Sent with each delivery. Values of names that sound like secrets are shown as"
        " `[hidden]`; sent back as that, they stay as they are.",
        examples=[{"X-Team": "vendas"}],
    ),
]
RetryCount = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_RETRIES,
        description="How often a delivery that failed is attempted again: after about 5 s, 5 min,"
        " 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h.",
    ),
]
Timeout = Annotated[
    int, Field(ge=1, le=30, description="Seconds for the whole exchange, the answer included.")
]
PerSecond = Annotated[
    int | None, Field(ge=1, le=1000, description="Deliveries a second at most; null for no limit.")
]
AgentFilter = Annotated[
    Id | None, Field(description="Only events that are about this agent; null for all events.")
]
SecretText = Annotated[
    str,
    StringConstraints(max_length=128),
    AfterValidator(_secret),
    WithJsonSchema({"type": "string", "maxLength": 128, "examples": [SECRET]}),
]


TemplateName = Annotated[
    Literal["google_analytics", "meta_conversions"] | None,
    Field(
        description="Forward events in the form of somebody else's interface, as `GET /templates`"
        " lists them; null for the events themselves."
    ),
]


class WebhookReplace(Body):
    """The whole webhook but its secret; what is left out goes back to its default."""

    model_config = example(
        name="CRM", url="https://crm.example.com/hooks/agentes", events=["conversation_*"]
    )

    name: Name
    url: Url
    events: EventNames = ["*"]
    agent_id: AgentFilter = None
    headers: Headers = {}
    is_active: bool = True
    retry_count: RetryCount = MAX_RETRIES
    timeout: Timeout = 15
    max_per_second: PerSecond = None
    template: TemplateName = None

    @model_validator(mode="before")
    @classmethod
    def _what_it_forwards(cls, given: Any) -> Any:
        """Without `events`, a template forwards all that it can."""
        if not isinstance(given, dict) or "events" in given:
            return cast("Any", given)
        fields = cast("dict[str, Any]", given)
        template = fields.get("template")
        known = TEMPLATES.get(template) if isinstance(template, str) else None
        return fields if known is None else {**fields, "events": list(known.events)}


class WebhookCreate(WebhookReplace):
    """A new webhook."""

    secret: SecretText | None = Field(
        default=None,
        description="One of your own, `whsec_` and the base64 of 24 to 64 bytes; else a new one.",
    )


class WebhookUpdate(Body):
    """The fields to be changed."""

    model_config = example(is_active=False)

    name: Name = ""
    url: Url = ""
    events: EventNames = ["*"]
    agent_id: AgentFilter = None
    headers: Headers = {}
    is_active: bool = True
    retry_count: RetryCount = MAX_RETRIES
    timeout: Timeout = 15
    max_per_second: PerSecond = None
    template: TemplateName = None


class Webhook(Resource):
    """An address that is told of events."""

    model_config = example(**WEBHOOK)

    id: Id
    name: str
    url: str
    events: list[str]
    agent_id: str | None
    headers: dict[str, str]
    is_active: bool
    retry_count: int
    timeout: int
    max_per_second: int | None
    template: str | None = None
    disabled_reason: str | None = Field(
        description="Why the service switched it off: `gone` (it answered 410) or `failing`"
        " (nothing but failures for five days); null otherwise."
    )
    created_at: Timestamp
    updated_at: Timestamp


class WebhookWithSecret(Webhook):
    """The webhook with its secret, which is not shown again."""

    model_config = example(**WEBHOOK, secret=SECRET)

    secret: str = Field(description="For the stock verifiers of Standard Webhooks.")


class EventType(Resource):
    """A type of event, with what is sent of it."""

    model_config = example(**EVENT_TYPE)

    name: str
    description: str
    example: dict[str, Any] = Field(description="The body of a delivery.")


class EventCatalogue(Resource):
    """All types of event that the service announces by itself."""

    data: list[EventType]


class TemplateInfo(Resource):
    """A way to forward events."""

    model_config = example(**TEMPLATE)

    name: str
    description: str
    url: str = Field(description="What the webhook's `url` looks like.")
    events: list[str] = Field(description="What it can forward; a webhook names some of these.")
    example: dict[str, Any] = Field(description="The body of a delivery.")


class TemplateCatalogue(Resource):
    """All templates."""

    data: list[TemplateInfo]


class RecoverOrder(Body):
    """From when on to deliver again what failed."""

    model_config = example(since="2026-11-23T20:15:00Z")

    since: Moment = Field(description="At most 14 days ago.")
