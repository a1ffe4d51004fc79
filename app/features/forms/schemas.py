"""Forms and submissions as clients send and receive them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, WithJsonSchema

from app.core.ids import AgentId, ConversationId
from app.core.schemas import Body, Id, Resource, Text, Timestamp, example
from app.features.forms.fields import Fields, FormField, Value, drawn

__all__ = ["Fields", "FormField", "Value"]

Status = Literal["open", "submitted"]
MAX_SENT_CHARS = 5000


def _sent(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and len(value) > MAX_SENT_CHARS:
        raise ValueError(f"must have at most {MAX_SENT_CHARS} characters")
    return value


# Whether it is of the field's type is told with the field's own words.
SentValue = Annotated[
    JsonValue,
    AfterValidator(_sent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_SENT_CHARS},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "null"},
            ]
        }
    ),
]
FORM_ID = "01938f61-2d3e-7f40-9b5c-6d7e8f9a0b1c"
SUBMISSION_ID = "01938f61-4f50-7162-8d7e-8f9a0b1c2d3e"
_ORIGIN: Mapping[str, Any] = {
    "agent_id": "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
    "tool_id": "01938f5e-8b65-7dd2-8e5f-1d3c6b2a4f88",
    "conversation_id": "01938f5f-0d21-7f3a-9b6c-2e1d0c9f8a47",
    "visitor_id": "visitante-1",
    "title": "Agende uma visita",
}


class SubmissionCreate(Body):
    """What a visitor has written, by the names of the fields; what is hidden is left out."""

    model_config = example(values={"nome": "Ana Souza", "quando": "01/12/2026"})

    values: Annotated[
        dict[
            Annotated[str, StringConstraints(max_length=40), Text],
            SentValue,
        ],
        Field(max_length=60),
    ]


class Submission(Resource):
    """What was sent with a form, each value in one form: dates, numbers, E.164, bare digits."""

    model_config = example(
        id=SUBMISSION_ID,
        form_id=FORM_ID,
        **_ORIGIN,
        values={"nome": "Ana Souza", "quando": "2026-12-01"},
        created_at="2026-11-23T20:33:00.123Z",
    )

    id: Id
    form_id: Id
    agent_id: Id
    tool_id: Id
    conversation_id: Id
    visitor_id: str | None
    title: str
    values: dict[str, Value]
    created_at: Timestamp


class Receipt(Submission):
    """What was sent, and what the visitor is told."""

    model_config = example(
        id=SUBMISSION_ID,
        form_id=FORM_ID,
        **_ORIGIN,
        values={"nome": "Ana Souza", "quando": "2026-12-01"},
        created_at="2026-11-23T20:33:00.123Z",
        submit_message="Recebido, obrigado!",
    )

    submit_message: str


class StoredForm(Resource):
    """A form as the database knows it."""

    id: Id
    agent_id: AgentId
    tool_id: Id
    conversation_id: ConversationId
    visitor_id: str | None
    title: str
    fields: list[FormField]
    prefilled: dict[str, Value]
    submit_message: str
    language: str
    status: Status
    created_at: Timestamp
    submitted_at: Timestamp | None


class Form(Resource):
    """A form as it was shown; a widget that comes back draws it from this again."""

    model_config = example(
        id=FORM_ID,
        form_id=FORM_ID,
        **_ORIGIN,
        fields=[
            {
                "name": "quando",
                "label": "Quando?",
                "input": "date",
                "type": "string",
                "format": "date",
                "required": True,
            }
        ],
        submit_url=f"https://api.example.com/api/v2/forms/{FORM_ID}/submissions",
        submit_message="Recebido, obrigado!",
        status="open",
        created_at="2026-11-23T20:32:00.123Z",
        submitted_at=None,
    )

    id: Id
    form_id: Id
    agent_id: Id
    tool_id: Id
    conversation_id: Id
    visitor_id: str | None
    title: str
    fields: list[dict[str, Any]] = Field(
        description="Each in the words of JSON Schema, as in the `form` event; `input` is its type."
    )
    submit_url: str
    submit_message: str
    status: Status
    created_at: Timestamp
    submitted_at: Timestamp | None

    @classmethod
    def of(cls, stored: StoredForm, *, public_url: str) -> "Form":
        """As clients see it."""
        return cls.model_validate(
            stored.model_dump(exclude={"fields", "prefilled", "language"})
            | {
                "form_id": stored.id,
                "fields": drawn(stored.fields, stored.prefilled),
                "submit_url": f"{public_url}/api/v2/forms/{stored.id}/submissions",
            }
        )

    def event(self) -> dict[str, Any]:
        """The data of the `form` event."""
        return self.model_dump(include={"form_id", "title", "fields", "submit_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FormToShow:
    """A form that an agent wants to show in a conversation; `key` makes it happen once."""

    key: str
    agent_id: AgentId
    tool_id: str
    conversation_id: ConversationId
    visitor_id: str | None
    title: str
    fields: list[FormField]
    prefilled: Mapping[str, Value]
    submit_message: str | None
    language: str
