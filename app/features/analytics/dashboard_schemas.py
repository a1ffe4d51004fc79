"""The dashboard as clients receive it."""

from pydantic import Field

from app.core.schemas import Id, Resource, Timestamp, example
from app.features.analytics.dashboard_example import DASHBOARD
from app.features.analytics.dashboard_sections import (
    Conversions,
    DetailedUsage,
    Engagement,
    Outcomes,
    Overview,
    Performance,
    Share,
    Usage,
    WholeUsage,
)
from app.features.analytics.periods import Interval


class Period(Resource):
    """The range that was answered for."""

    from_: Timestamp = Field(alias="from", description="The first moment.")
    to: Timestamp = Field(description="The moment before which it ends.")
    timezone: str = Field(description="By whose clock days begin.")
    interval: Interval


class Bucket(Usage):
    """One stretch of the series; stretches in which nothing happened are there, too."""

    from_: Timestamp = Field(alias="from")
    to: Timestamp
    conversations: int
    messages: int
    answers: int
    failures: int
    leads: int
    forms: int
    custom: int
    converted: int = Field(description="Conversations begun here that have converted.")
    avg_response_ms: float | None


class TopAgent(Resource):
    """One of the agents with most conversations."""

    agent_id: Id
    name: str | None
    conversations: int
    messages: int
    converted: int
    conversion_rate: Share
    resolution_rate: Share


class TopQuestion(Resource):
    """A question in its latest wording, without addresses and long numbers."""

    question: str
    count: int


class UnansweredQuestion(Resource):
    """A question with no source above the threshold."""

    gap_id: Id
    question: str
    count: int = Field(description="How often, at any time.")
    last_asked_at: Timestamp


class Unanswered(Resource):
    """Open gaps that were last asked in the period."""

    total: int
    questions: list[UnansweredQuestion]


class Compared(Resource):
    """The same numbers of the period before: as many days earlier, and as long."""

    from_: Timestamp = Field(alias="from")
    to: Timestamp
    overview: Overview
    outcomes: Outcomes
    conversions: Conversions
    engagement: Engagement
    performance: Performance
    usage: WholeUsage


class Dashboard(Resource):
    """The figures of a period; `links` tells where what a number has counted is listed."""

    model_config = example(**DASHBOARD)

    period: Period
    overview: Overview
    outcomes: Outcomes
    conversions: Conversions
    engagement: Engagement
    performance: Performance
    usage: DetailedUsage
    time_series: list[Bucket]
    top_agents: list[TopAgent]
    top_questions: list[TopQuestion] = Field(
        description="Of the latest 1,000 stretches of conversations in which something was asked."
    )
    unanswered: Unanswered
    links: dict[str, str] = Field(
        description="By number, the list that has as many items as the number says."
    )
    previous: Compared | None = Field(description="With `compare=true`.")
