"""A visitor has sent a form."""

from pydantic import Field

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class FormSubmitted(EventData):
    """A visitor has sent a form, with what was written in it."""

    submission_id: str
    form_id: str
    agent_id: str
    conversation_id: str
    visitor_id: str | None
    title: str
    values: dict[str, str | int | float | bool] = Field(
        default_factory=dict[str, str | int | float | bool]
    )


EVENT = EventKind(
    "form_submitted",
    "A visitor has sent a form.",
    FormSubmitted(
        submission_id=ID,
        form_id=ID,
        agent_id=ID,
        conversation_id=ID,
        visitor_id="visitor-1",
        title="Agende uma visita",
        values={"nome": "Ana Souza", "quando": "2026-12-01"},
    ),
)
