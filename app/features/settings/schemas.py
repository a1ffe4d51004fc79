"""Settings as clients send and receive them."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.core.schemas import Body, Resource, Text, example
from app.core.time_zones import time_zone
from app.features.settings.budget_schemas import Budgets, BudgetsUpdate, Usd
from app.features.settings.limit_schemas import RateLimits, RateLimitsUpdate
from app.features.settings.provider_key_schemas import ProviderKeysSet, ProviderKeysUpdate
from app.web.origins import listed_origin

Origin = Annotated[str, Field(max_length=300), Text, AfterValidator(listed_origin)]
EVENT_DAYS = 7
DELIVERY_DAYS = 30
Days = Annotated[int, Field(ge=1, le=3650)]


class RetentionUpdate(Body):
    """How long something is kept; null brings the default back."""

    conversations: Days | None = Field(
        default=None,
        description="Days after its last message until a conversation is deleted with all that"
        " hangs on it; by default it is kept.",
    )
    events: Days | None = Field(
        default=None, description="Days that events can be read again; by default 7."
    )
    deliveries: Annotated[int, Field(ge=1, le=DELIVERY_DAYS)] | None = Field(
        default=None, description="Days that deliveries of webhooks stay in the log; by default 30."
    )
    leads: Days | None = Field(
        default=None,
        description="Days after its last change until a lead is deleted; by default it is kept.",
    )
    audit_log: Days | None = Field(
        default=None, description="Days that entries are kept; by default all are."
    )


class Retention(Resource):
    """How long something is kept, in days; null is for ever."""

    conversations: int | None = None
    events: int = EVENT_DAYS
    deliveries: int = DELIVERY_DAYS
    leads: int | None = None
    audit_log: int | None = None


def _timezone(name: str) -> str:
    return time_zone(name).key


class SettingsUpdate(Body):
    """The settings to be changed; null brings a default back."""

    model_config = example(
        language="pt-BR",
        timezone="America/Sao_Paulo",
        default_temperature=0.2,
        rate_limits={"chats_per_minute": 60},
        retention_days={"conversations": 365},
        monthly_budget_usd=50,
        budgets={"agent_tokens_per_day": 200_000, "run_usd": 0.25},
        provider_keys={"openai": "sk-proj-0123456789"},
    )

    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] | None = Field(
        default=None,
        description="Of agents that are made without one; `pt-BR` by default.",
        examples=["pt-BR"],
    )
    timezone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_timezone)] | None = (
        Field(
            default=None,
            description="By whose clock days and months begin, of budgets and of usage; `UTC` by"
            " default.",
            examples=["America/Sao_Paulo"],
        )
    )
    default_model_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=200), Text] | None
    ) = Field(
        default=None,
        description="Of agents that are made without one; by default what `DEFAULT_MODEL_ID` says.",
    )
    default_temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="Of agents that are made without one; 0.3 by default."
    )
    max_tokens: Annotated[int, Field(ge=1, le=200_000)] | None = Field(
        default=None, description="Of agents that are made without one; 1024 by default."
    )
    conversation_history_limit: Annotated[int, Field(ge=0, le=200)] | None = Field(
        default=None,
        description="How many earlier messages of a conversation a model is given at most; 50 by"
        " default. It holds for every chat at once.",
    )
    monthly_budget_usd: Usd | None = Field(
        default=None,
        description="What all answers of a month may cost; none by default. See `budgets`.",
    )
    budgets: BudgetsUpdate = Field(
        default=BudgetsUpdate(),
        description="What is over a budget is 402 `budget_exceeded` before a model is asked, or an"
        " `error` event where a later step of the same answer would be. A model whose price is"
        " unknown is not asked under a budget in USD (409 `price_unknown`); one that is free is"
        " always.",
    )
    allowed_origins: Annotated[list[Origin], Field(max_length=100)] | None = Field(
        default=None,
        description="Pages whose scripts may call the API for the organization (CORS), beside"
        " those of `CORS_ORIGINS`; and those of widget keys that list none themselves."
        " `https://*.example.com` names all below a domain.",
        examples=[["https://painel.example.com"]],
    )
    provider_keys: ProviderKeysUpdate = Field(
        default=ProviderKeysUpdate(),
        description="Write-only. With a key of its own the organization's chats and tests of models"
        " use that one and no other; embeddings go on with the service's.",
    )
    rate_limits: RateLimitsUpdate = RateLimitsUpdate()
    retention_days: RetentionUpdate = RetentionUpdate()


class OrganizationSettings(Resource):
    """What holds for the organization: what it has set, else the service's defaults."""

    model_config = example(
        language="pt-BR",
        timezone="America/Sao_Paulo",
        default_model_id="local",
        default_temperature=0.2,
        max_tokens=1024,
        conversation_history_limit=50,
        rate_limits={
            "requests_per_minute": 120,
            "chats_per_minute": 60,
            "searches_per_minute": 60,
            "uploads_per_minute": 20,
            "agent_chats_per_minute": 600,
            "address_requests_per_minute": 360,
            "address_chats_per_minute": 60,
            "organization_requests_per_minute": 2400,
            "open_streams": 10,
            "organization_open_streams": 100,
        },
        retention_days={
            "conversations": 365,
            "events": 7,
            "deliveries": 30,
            "leads": 730,
            "audit_log": None,
        },
        monthly_budget_usd=50,
        budgets={"agent_tokens_per_day": 200_000, "run_usd": 0.25},
        allowed_origins=["https://painel.example.com"],
        provider_keys={
            "anthropic": {"set": False, "last4": None},
            "google": {"set": False, "last4": None},
            "mistral": {"set": False, "last4": None},
            "openai": {"set": True, "last4": "6789"},
        },
        version=2,
    )

    language: str
    timezone: str
    default_model_id: str
    default_temperature: float
    max_tokens: int
    conversation_history_limit: int
    rate_limits: RateLimits
    retention_days: Retention
    monthly_budget_usd: float | None = None
    budgets: Budgets
    allowed_origins: list[str]
    provider_keys: ProviderKeysSet
    version: int
