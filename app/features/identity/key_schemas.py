"""API keys and widget keys as clients send and receive them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, computed_field

from app.core.schemas import Body, Id, Json, Moment, Name, Resource, Text, Timestamp, example
from app.features.identity.repository import Maker
from app.web.origins import listed_origin

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"
_EXAMPLE: dict[str, Any] = {
    "id": ID,
    "name": "CRM",
    "public_id": "a1B2c3D4",
    "scopes": ["leads:read"],
    "allowed_scopes": ["leads:read"],
    "created_by": f"api_key:{ID}",
    "created_at": "2026-11-26T12:00:00.000Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": "2026-11-26T12:30:00.000Z",
    "last_used_address": "203.0.113.7",
    "previous_until": None,
    "status": "active",
}
Scopes = Annotated[
    list[Annotated[str, Field(max_length=40), Text]],
    Field(min_length=1, max_length=40, description="`*`, or of those that the README lists."),
]
Origin = Annotated[str, Field(max_length=300), Text, AfterValidator(listed_origin)]
Tokens = Annotated[int, Field(ge=1_000, le=1_000_000_000)]
VisitorId = Annotated[str, Field(min_length=1, max_length=200), Text]


class ApiKeyCreate(Body):
    """A new API key."""

    model_config = example(name="CRM", scopes=["leads:read"], expires_at="2027-11-23T00:00:00Z")

    name: Name
    scopes: Scopes
    expires_at: Moment | None = Field(
        default=None,
        description="By default never; made with a key that expires, when that one does, and no"
        " later.",
    )


class ApiKeyRotate(Body):
    """How long the secret before it is still taken."""

    model_config = example(overlap_hours=24)

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class ApiKeyInfo(Resource):
    """An API key without its secret."""

    model_config = example(**_EXAMPLE)

    id: Id
    name: str
    public_id: str = Field(description="The part after `ac_live_`, by which a key is recognised.")
    scopes: list[str]
    allowed_scopes: list[str] = Field(
        description="What it may do now. Less than `scopes` if whoever made it has a lower role by"
        " now; a key that is not `active` may do nothing."
    )
    created_by: str | None = Field(
        description="`user:<id>` or `api_key:<id>`; null for the first key of the service, and for"
        " those of `python main.py key`."
    )
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None = Field(description="To about half a minute.")
    last_used_address: str | None
    previous_until: Timestamp | None = Field(
        description="Until when the secret before the last rotation is taken."
    )
    status: Literal["active", "expired", "revoked", "ended"] = Field(
        description="`ended`: the person from whom it comes has left the organization."
    )


class ApiKeySecret(ApiKeyInfo):
    """An API key with its secret, which is shown this once."""

    model_config = example(
        **_EXAMPLE, key="ac_live_a1B2c3D4_0123456789abcdefghijABCDEFGHIJ0123456789abc_1c291ca3"
    )

    key: str


class WidgetKeyCreate(Body):
    """A new publishable key for the widget of one agent."""

    model_config = example(agent_id=ID, name="Site", allowed_origins=["https://www.aurora.example"])

    agent_id: Id
    name: Name
    allowed_origins: Annotated[list[Origin], Field(max_length=50)] = Field(
        default=[],
        description="The pages that may use it: `https://www.example.com`, or"
        " `https://*.example.com` for all below a domain. Without any, the settings'"
        " `allowed_origins` hold, as they are at the moment.",
    )
    daily_tokens: Tokens = Field(
        default=2_000_000,
        description="What models may read and write in a day (by the organization's clock) for all"
        " visitors together. Set aside before a model is asked; beyond it chats are 402"
        " `budget_exceeded` until the next day.",
    )
    daily_tokens_per_visitor: Tokens = Field(
        default=100_000, description="The same for one visitor."
    )
    daily_tokens_per_address: Tokens = Field(
        default=300_000,
        description="The same for one IP address (or /64 of IPv6), kept as a hash for two days.",
    )


class WidgetKeyInfo(Resource):
    """A publishable key: it is on the page for anyone to read, so it holds no secret."""

    model_config = example(
        id=ID,
        agent_id=ID,
        key="ac_pub_0123456789abcdef0123456789abcdef0123456789abcdef",
        name="Site",
        allowed_origins=["https://www.aurora.example"],
        daily_tokens=2_000_000,
        daily_tokens_per_visitor=100_000,
        daily_tokens_per_address=300_000,
        created_by=f"api_key:{ID}",
        created_at="2026-11-26T12:00:00.000Z",
        revoked_at=None,
        status="active",
    )

    id: Id
    agent_id: Id
    key: str = Field(validation_alias="public_key")
    name: str
    allowed_origins: list[str]
    daily_tokens: int
    daily_tokens_per_visitor: int
    daily_tokens_per_address: int
    created_by: str | None
    created_at: Timestamp
    revoked_at: Timestamp | None

    @computed_field
    @property
    def status(self) -> Literal["active", "revoked"]:
        """Whether it can still be used."""
        return "active" if self.revoked_at is None else "revoked"


class WidgetSessionCreate(Body):
    """A visitor's wish to talk."""

    model_config = example(
        key="ac_pub_0123456789abcdef0123456789abcdef0123456789abcdef",
        visitor_id="dGhpcyBpcyBhIHZpc2l0b3I",
        visitor_token="ac_vt_…",
    )

    key: Annotated[str, Field(max_length=100), Text]
    visitor_id: VisitorId | None = Field(
        default=None,
        description="The visitor that the token is of. An id is no proof, and the key is public:"
        " without its token a new visitor is made, with an id of its own.",
    )
    visitor_token: Annotated[str, Field(max_length=1000), Text] | None = Field(
        default=None,
        description="What this endpoint gave the same browser before: with it the visitor finds"
        " its conversations. One that is not valid makes a new visitor.",
    )


class WidgetAgent(Resource):
    """What the widget needs to know of its agent."""

    id: Id
    name: str
    welcome_message: str
    language: str
    suggested_questions: list[str]
    interface_config: Json


class WidgetSession(Resource):
    """Ten minutes in which one visitor may talk with one agent."""

    model_config = example(
        token="ac_ws_…",
        expires_at="2026-11-26T12:10:00.000Z",
        visitor_id="dGhpcyBpcyBhIHZpc2l0b3I",
        visitor_token="ac_vt_…",
        agent={
            "id": ID,
            "name": "Atendente Aurora",
            "welcome_message": "Olá! Como posso ajudar?",
            "language": "pt-BR",
            "suggested_questions": ["Qual é o prazo de entrega?"],
            "interface_config": {"color": "#0b7a5b"},
        },
    )

    token: str = Field(
        description="For `Authorization: Bearer …`.",
    )
    expires_at: Timestamp
    visitor_id: str = Field(description="Names the visitor in conversations, events and webhooks.")
    visitor_token: str = Field(
        description="Keep it in the browser and send it with the next session."
    )
    agent: WidgetAgent


def shown(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A key's row with what state it is in and what it may do in that."""
    maker = None if row["maker"] is None else Maker.model_validate(row["maker"])
    status = _status(row, maker, now)
    scopes = frozenset(row["scopes"])
    allowed = scopes if maker is None else maker.leaves(scopes)
    return row | {"status": status, "allowed_scopes": sorted(allowed if status == "active" else ())}


def _status(row: dict[str, Any], maker: Maker | None, now: datetime) -> str:
    expires_at = row["expires_at"]
    if row["revoked_at"] is not None:
        return "revoked"
    if expires_at is not None and datetime.fromisoformat(expires_at) <= now:
        return "expired"
    return "ended" if maker is not None and maker.has_left else "active"
