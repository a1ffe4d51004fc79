"""Chat requests and whole answers."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from app.core.schemas import Body, Id, Json, Resource, Text, Timestamp, example
from app.features.chat.records import RunError, RunStatus

OnDisconnect = Literal["continue", "cancel"]
Content = Annotated[str, StringConstraints(min_length=1, max_length=200_000), Text]
RUN_ID = "01938f60-2b43-7e22-8b4d-6f7a8b9c0d1e"
MAX_MESSAGES = 100
MAX_CHARS = 200_000


class ChatMessage(Body):
    """One message; `system` ones add to the agent's instructions for this answer only."""

    role: Literal["user", "assistant", "system"]
    content: Content


class ChatCreate(Body):
    """A message to an agent."""

    model_config = example(
        messages=[{"role": "user", "content": "Qual é o prazo de entrega para o Nordeste?"}],
        visitor_id="visitante-1",
        context_data={"user_info": {"name": "Ana"}},
    )

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)] = Field(
        description="The last one is the user's. With `conversation_id` only that one is used:"
        " the stored history comes before it.",
        examples=[[{"role": "user", "content": "Qual é o prazo de entrega para Recife?"}]],
    )
    conversation_id: Id | None = Field(
        default=None, description="Go on with this conversation; else a new one begins."
    )
    visitor_id: Annotated[str, StringConstraints(min_length=1, max_length=200), Text] | None = None
    context_data: Json | None = Field(
        default=None,
        description="What you know of the visitor. Data to the model, never instructions.",
        examples=[{"user_info": {"name": "Ana", "email": "ana@exemplo.com.br"}}],
    )
    on_disconnect: OnDisconnect = Field(
        default="continue",
        description="With `cancel` the answer is stopped 30 s after its last listener has left.",
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=200_000)] | None = None
    model_id: Annotated[str, StringConstraints(min_length=1, max_length=200), Text] | None = None
    system_prompt_override: Annotated[str, StringConstraints(max_length=20_000), Text] | None = (
        Field(default=None, description="Needs the scope `agents:write`.")
    )

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> "ChatCreate":
        if self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        if sum(len(message.content) for message in self.messages) > MAX_CHARS:
            raise ValueError(f"the messages hold more than {MAX_CHARS} characters in all")
        return self

    @property
    def question(self) -> str:
        """What the user wants to know now."""
        return self.messages[-1].content

    @property
    def gives_instructions(self) -> bool:
        """Whether the caller changes what the agent is told to be."""
        has_system = any(message.role == "system" for message in self.messages)
        return has_system or self.system_prompt_override is not None


class ApprovalDecision(Body):
    """What a person decides on a call that waits."""

    model_config = example(decision="approve", arguments={"order": "1042", "amount": "99.90"})

    decision: Literal["approve", "deny"]
    arguments: Json | None = Field(
        default=None,
        description="With `approve`: the arguments to be used in place of the model's.",
        examples=[{"order": "1042", "amount": "99.90"}],
    )

    @model_validator(mode="after")
    def _changes_what_it_approves(self) -> "ApprovalDecision":
        if self.decision == "deny" and self.arguments is not None:
            raise ValueError("a call that is denied has no arguments")
        return self


class PendingCall(Resource):
    """A call on which a person has to decide."""

    call_id: Id = Field(validation_alias="id")
    tool_id: Id
    name: str
    type: str
    arguments: dict[str, Any] = Field(examples=[{"order": "1042", "amount": "149.90"}])
    unsaid_destinations: list[str] = Field(
        default=[],
        description="Destinations among the arguments that neither the visitor nor the agent's"
        " owner has named: they may come from a document, a page or another tool's answer.",
        examples=[["contato@outra.example"]],
    )
    requested_at: Timestamp = Field(validation_alias="created_at")
    expires_at: Timestamp


class RunState(Resource):
    """One answer under way or done; `last_event_id` is the number of its newest stored event."""

    model_config = example(
        id=RUN_ID,
        agent_id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        agent_version=3,
        conversation_id="01938f60-2b41-7c6a-8e05-4d3c2b1a0f9e",
        message_id="01938f60-2b42-7d11-9a3c-5e6f7a8b9c0d",
        status="completed",
        last_event_id=42,
        started_at="2026-11-23T20:17:00.123Z",
        ended_at="2026-11-23T20:17:04.456Z",
        error=None,
        pending_calls=[],
    )

    id: Id
    agent_id: Id
    agent_version: int
    conversation_id: Id
    message_id: Id
    status: RunStatus
    last_event_id: int
    started_at: Timestamp
    ended_at: Timestamp | None
    error: RunError | None
    pending_calls: list[PendingCall] = Field(
        default=[],
        description="With `awaiting_approval`: what a person has to decide on before it goes on.",
    )


class ChatAnswer(Resource):
    """A whole answer."""

    model_config = example(
        answer="O prazo para o Nordeste é de 8 dias úteis. [1]",
        conversation_id="01938f60-2b41-7c6a-8e05-4d3c2b1a0f9e",
        message_id="01938f60-2b42-7d11-9a3c-5e6f7a8b9c0d",
        run_id=RUN_ID,
        sources=[{"index": 1, "source": "loja-aurora.md", "score": 0.83}],
        tool_calls=[],
        forms=[],
        metadata={
            "model": "gpt-4o-mini",
            "provider": "openai",
            "usage": {"input_tokens": 812, "output_tokens": 24, "cached_tokens": 0},
            "time_to_first_token_ms": 412,
            "processing_time": 903,
        },
        finish_reason="stop",
    )

    answer: str
    conversation_id: Id
    message_id: Id
    run_id: Id
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    forms: list[dict[str, Any]] = Field(
        description="The forms to be drawn, as the `form` events of the stream give them."
    )
    metadata: dict[str, Any]
    finish_reason: str
