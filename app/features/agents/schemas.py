"""Agents as clients send and receive them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from app.core.schemas import Body, Id, Json, Name, Resource, Text, Timestamp, example
from app.features.agents.rules import Guardrails, HandoffRules, Probability, Retrieval


def _distinct(ids: list[str]) -> list[str]:
    if len({*ids}) < len(ids):
        raise ValueError("names a model twice")
    return ids


ShortText = Annotated[str, StringConstraints(max_length=1000), Text]
Prompt = Annotated[str, StringConstraints(max_length=20_000), Text]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=200), Text]
Language = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$"), Field(examples=["pt-BR"])
]
FallbackIds = Annotated[list[ModelId], Field(max_length=5), AfterValidator(_distinct)]
Temperature = Annotated[float, Field(ge=0, le=2)]
MaxTokens = Annotated[int, Field(ge=1, le=200_000)]
Questions = Annotated[list[ShortText], Field(max_length=20)]
BaseIds = Annotated[list[Id], Field(max_length=20)]


def _handoff(value: object) -> object:
    # What was stored before there were handoffs.
    return {} if value is None else value


def _fallbacks(value: object) -> object:
    # What was stored before there were fallbacks.
    return [] if value is None else value


Visibility = Literal["private", "public"]


class AgentCreate(Body):
    """A new agent; everything but the name has a default."""

    model_config = example(
        name="Atendente Aurora",
        system_prompt="Você atende os clientes da Loja Aurora com gentileza.",
        model_id="local",
        knowledge_base_ids=[],
        suggested_questions=["Qual é o prazo de entrega?"],
        language="pt-BR",
    )

    name: Name
    description: ShortText = ""
    system_prompt: Prompt = ""
    model_id: ModelId | None = Field(
        default=None,
        description="`local`, a provider's own name, or `provider/model`;"
        " by default what the settings or `DEFAULT_MODEL_ID` say.",
    )
    fallback_model_ids: FallbackIds = Field(
        default=[],
        description="Asked in this order where `model_id` fails before its first word.",
    )
    temperature: Temperature | None = Field(
        default=None, description="By default what the settings say, else 0.3."
    )
    max_tokens: MaxTokens | None = Field(
        default=None, description="By default what the settings say, else 1024."
    )
    top_p: Probability | None = None
    knowledge_base_ids: BaseIds = []
    retrieval: Retrieval = Retrieval()
    welcome_message: ShortText = ""
    suggested_questions: Questions = []
    language: Language | None = Field(
        default=None, description="By default what the settings say, else `pt-BR`."
    )
    interface_config: Json = Field(default={}, description="The look of the chat widget.")
    guardrails: Guardrails = Guardrails()
    handoff: HandoffRules = HandoffRules()
    visibility: Visibility = Field(
        default="private", description="Only a public agent can be given a widget key."
    )
    is_active: bool = True


class AgentReplace(AgentCreate):
    """The whole agent; what is left out goes back to its default."""


class AgentUpdate(Body):
    """The fields to be changed."""

    model_config = example(name="Atendente Aurora, vendas", temperature=0.2)

    name: Name = ""
    description: ShortText = ""
    system_prompt: Prompt = ""
    model_id: ModelId = ""
    fallback_model_ids: FallbackIds = []
    temperature: Temperature = 0.0
    max_tokens: MaxTokens = 1
    top_p: Probability | None = None
    knowledge_base_ids: BaseIds = []
    retrieval: Retrieval = Retrieval()
    welcome_message: ShortText = ""
    suggested_questions: Questions = []
    language: Language = "pt-BR"
    interface_config: Json = {}
    guardrails: Guardrails = Guardrails()
    handoff: HandoffRules = HandoffRules()
    visibility: Visibility = "private"
    is_active: bool = True


class Agent(Resource):
    """An agent in its newest version."""

    model_config = example(
        id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        organization_id="01938f5e-5b10-7a02-8c5f-3f0e9d7c1a20",
        created_by="api_key:01938f5e-5b31-7e44-b1c9-6a8d2f4e9b03",
        name="Atendente Aurora",
        description="Responde sobre entregas, trocas e horários.",
        system_prompt="Você atende os clientes da Loja Aurora com gentileza.",
        model_id="gpt-4o-mini",
        fallback_model_ids=["claude-haiku-4-5", "local"],
        temperature=0.3,
        max_tokens=1024,
        top_p=None,
        knowledge_base_ids=["01938f5e-6c88-7b9d-a2f1-8e5c4d3b2a19"],
        retrieval={"top_k": 5, "threshold": 0.2, "mode": "hybrid"},
        welcome_message="Olá! Como posso ajudar?",
        suggested_questions=["Qual é o prazo de entrega?"],
        language="pt-BR",
        interface_config={"color": "#0b7a5b"},
        guardrails={"max_run_seconds": 120, "max_tool_steps": 9, "max_cost_usd": 0.05},
        handoff={
            "by_visitor": True,
            "by_model": True,
            "keywords": ["falar com atendente"],
            "after_unanswered": 3,
            "on_tool_failure": True,
        },
        visibility="private",
        is_active=True,
        version=1,
        created_at="2026-11-23T20:15:00.123Z",
        updated_at="2026-11-23T20:15:00.123Z",
    )

    id: Id
    organization_id: Id
    created_by: str
    name: str
    description: str
    system_prompt: str
    model_id: str
    fallback_model_ids: Annotated[list[str], BeforeValidator(_fallbacks)]
    temperature: float
    max_tokens: int
    top_p: float | None
    knowledge_base_ids: list[Id]
    retrieval: Retrieval
    welcome_message: str
    suggested_questions: list[str]
    language: str
    interface_config: Json
    guardrails: Guardrails
    handoff: Annotated[HandoffRules, BeforeValidator(_handoff)]
    visibility: Visibility
    is_active: bool
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class AgentVersion(Resource):
    """One version of an agent and what it changed."""

    model_config = example(
        version=2,
        created_at="2026-11-23T20:20:00.456Z",
        created_by="api_key:01938f5e-5b31-7e44-b1c9-6a8d2f4e9b03",
        changes={"temperature": {"from": 0.3, "to": 0.2}},
    )

    version: int
    created_at: Timestamp
    created_by: str
    changes: dict[str, Any] = Field(
        description="By field: `{from, to}`.",
        examples=[{"name": {"from": "Ana", "to": "Ana, vendas"}}],
    )
