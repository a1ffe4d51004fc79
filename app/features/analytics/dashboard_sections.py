"""The sections of the dashboard; each field says in words what it counts."""

from pydantic import Field

from app.core.schemas import Id, Resource

Share = float | None
"""From 0 to 1, null where there is nothing to divide by."""


class Overview(Resource):
    """The most important numbers."""

    total_agents: int = Field(description="Agents that there are now.")
    total_conversations: int = Field(description="Conversations begun in the period.")
    total_messages: int = Field(description="Messages of the period, whoever wrote them.")
    active_conversations: int = Field(description="Begun in the period, and `active` now.")
    avg_response_time: float | None = Field(
        description="Milliseconds from a question to the end of its answer, on average."
    )
    user_satisfaction: Share = Field(description="Likes among all ratings.")
    likes: int = Field(description="Ratings of 1 that were given in the period.")
    dislikes: int = Field(description="Ratings of -1 that were given in the period.")
    resolution_rate: Share = Field(
        description="Resolved or converted, among conversations that are not open any more."
    )
    handoff_rate: Share = Field(description="Handed off, among all conversations begun.")
    unique_visitors: int = Field(
        description="Visitors who asked something in the period; a conversation without a"
        " `visitor_id` has a visitor of its own."
    )


class HandoffsByReason(Resource):
    """Why persons were asked for."""

    reason: str | None = Field(description="Null where the status was set without one.")
    count: int


class Outcomes(Resource):
    """How the conversations begun in the period have gone so far; each counts once."""

    converted: int = Field(description="It brought something that was not wholly taken back.")
    handed_off: int = Field(description="Else: a person was asked for.")
    resolved: int = Field(
        description="Else: marked as resolved, or silent for 30 minutes after a whole answer."
    )
    abandoned: int = Field(description="Else: silent for 30 minutes without a whole answer.")
    open: int = Field(description="Else: somebody may still write.")
    handoff_reasons: list[HandoffsByReason] = Field(description="Those handed off, by reason.")


class Step(Resource):
    """One step of the funnel; each is a part of the one before."""

    step: str = Field(
        description="`conversations`; `engaged`: asked at least twice, or converted; `converted`;"
        " `paid`: brought an amount of money."
    )
    count: int


class Revenue(Resource):
    """What was earned in one currency; currencies are never added to each other."""

    currency: str
    gross: float = Field(description="Conversions of the period.")
    refunded: float = Field(description="Refunds of the period, whenever the sale was.")
    net: float
    per_conversation: float | None = Field(description="Net, by conversations begun.")


class ConversionType(Resource):
    """Conversions of one type."""

    type: str
    currency: str | None
    count: int
    refunds: int
    gross: float
    refunded: float


class TimeToConvert(Resource):
    """Seconds from a conversation's beginning to its first conversion."""

    avg: float | None
    p50: int | None
    p95: int | None


class Conversions(Resource):
    """What conversations brought, counted when it happened; from the ledger of conversions."""

    leads: int = Field(description="Leads that became complete in conversations.")
    forms: int = Field(description="Forms that were sent.")
    custom: int = Field(description="Conversions that were recorded from outside.")
    refunds: int = Field(description="Entries that took something back.")
    converted: int = Field(description="Conversations begun in the period that have converted.")
    paid: int = Field(description="Of those, the ones that brought an amount of money.")
    conversion_rate: Share = Field(description="Converted, among conversations begun.")
    funnel: list[Step]
    revenue: list[Revenue]
    by_type: list[ConversionType]
    cost_per_conversion_usd: float | None = Field(
        description="`usage.cost_usd` by leads, forms and custom conversions."
    )
    time_to_convert_s: TimeToConvert = Field(
        description="Of conversations begun in the period that have converted."
    )


class Engagement(Resource):
    """How much visitors talk; of conversations begun in the period."""

    messages_per_conversation: float | None = Field(description="All their messages, on average.")
    avg_duration_s: float | None = Field(description="From the beginning to the last word.")
    returning_visitors: int = Field(
        description="Of `unique_visitors`, those who had asked something before the period."
    )
    bounced: int = Field(description="Conversations with one question, and not converted.")
    bounce_rate: Share = Field(description="Bounced, among conversations begun.")


class Percentiles(Resource):
    """Milliseconds, each within 4.5 % of the value (a log-spaced histogram)."""

    p50: int | None
    p95: int | None
    p99: int | None


class ModelPerformance(Resource):
    """How one model answered."""

    model: str
    answers: int
    failures: int
    error_rate: Share
    avg_response_ms: float | None


class Performance(Resource):
    """How answers came; of those that were begun in the period and have ended."""

    answers: int = Field(description="Answers that have ended, whole or not.")
    failures: int = Field(description="Those that ended with an error.")
    error_rate: Share = Field(description="Failures among answers.")
    time_to_first_token_ms: Percentiles
    response_time_ms: Percentiles
    by_model: list[ModelPerformance]


class Usage(Resource):
    """What was used; a cost is null where a part of it is unknown, never 0."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None = Field(description="Null when `unpriced_answers` is not 0.")


class WholeUsage(Usage):
    """The same, with what is known of an unknown cost."""

    cached_tokens: int
    known_cost_usd: float = Field(description="Without answers of an unknown cost.")
    unpriced_answers: int = Field(description="Answers by models of an unknown price.")


class ModelUsage(Usage):
    """Of one model."""

    model: str


class AgentUsage(Usage):
    """Of one agent."""

    agent_id: Id
    name: str | None = Field(description="Null when the agent was deleted.")


class DetailedUsage(WholeUsage):
    """In all, by model and by agent."""

    by_model: list[ModelUsage]
    by_agent: list[AgentUsage]
