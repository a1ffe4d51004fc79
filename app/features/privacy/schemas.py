"""Persons as they are named, exports and receipts as clients receive them."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from app.core.contact_fields import email_address, phone_number, tax_id
from app.core.schemas import Body, Id, Resource, Text, Timestamp, example

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"
Short = Annotated[str, Field(min_length=3, max_length=254), Text]


class Person(Body):
    """One person, named in one way."""

    model_config = example(email="ana@exemplo.com.br")

    email: Annotated[Short, AfterValidator(email_address)] | None = None
    phone: Annotated[Short, AfterValidator(phone_number)] | None = None
    document: Annotated[Short, AfterValidator(tax_id)] | None = Field(
        default=None, description="A CPF or a CNPJ."
    )
    visitor_id: Annotated[str, Field(min_length=1, max_length=200), Text] | None = None
    lead_id: Id | None = None

    @model_validator(mode="after")
    def _named_once(self) -> "Person":
        if len(self.named()) != 1:
            raise ValueError("name exactly one of email, phone, document, visitor_id, lead_id")
        return self

    def named(self) -> dict[str, str]:
        """The one name that was given."""
        names = ("email", "phone", "document", "visitor_id", "lead_id")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ErasureCreate(Person):
    """A person whose data is to be erased."""

    model_config = example(email="ana@exemplo.com.br", reason="Pedido da titular, protocolo 1234")

    reason: Annotated[str, Field(max_length=500), Text] | None = Field(
        default=None,
        description="Kept with the receipt, without the person's name, addresses and numbers.",
    )


class PersonExport(Resource):
    """Everything that is kept of one person."""

    model_config = example(
        visitor_ids=["visitante-1"],
        leads=[{"id": ID, "name": "Ana Souza", "email": "ana@exemplo.com.br"}],
        conversations=[
            {
                "id": ID,
                "title": "Qual é o prazo de entrega?",
                "messages": [{"id": ID, "role": "user", "content": "Qual é o prazo de entrega?"}],
            }
        ],
        form_submissions=[],
        records={"feedback": [{"message_id": ID, "rating": 1, "comment": None}]},
        events=[
            {
                "id": ID,
                "type": "message_received",
                "data": {"conversation_id": ID, "message_id": ID},
                "occurred_at": "2026-11-26T12:00:00.000Z",
            }
        ],
        webhook_deliveries=[{"id": ID, "webhook_id": ID, "event_id": ID}],
        named_elsewhere=[
            {"conversation_id": ID, "visitor_id": "visitante-2", "lead_id": None},
            {"conversation_id": None, "visitor_id": None, "lead_id": ID},
        ],
    )

    visitor_ids: list[str]
    leads: list[dict[str, Any]]
    conversations: list[dict[str, Any]]
    form_submissions: list[dict[str, Any]]
    records: dict[str, list[dict[str, Any]]] = Field(
        description="What else hangs on the conversations, by its kind: runs, forms as shown, tool"
        " calls, feedback, conversions, questions without an answer."
    )
    events: list[dict[str, Any]]
    webhook_deliveries: list[dict[str, Any]]
    named_elsewhere: list[dict[str, Any]] = Field(
        description="Conversations of other visitors, and leads of others (`lead_id`), that hold"
        " one of the person's addresses or numbers. They are not shown: it may be the same person"
        " at another device, or somebody else. Whoever knows that it is the same exports or erases"
        " that visitor too."
    )


class Erasure(Resource):
    """A receipt: what was removed, and nothing of whose it was."""

    model_config = example(
        id=ID,
        requested_by=f"user:{ID}",
        reason="Pedido da titular, protocolo 1234",
        named_by="email",
        removed={"conversations": 2, "messages": 11, "leads": 1, "events": 17, "mentions": 3},
        removed_ids={"conversations": [ID], "leads": [ID]},
        created_at="2026-11-26T12:00:00.000Z",
    )

    id: Id
    requested_by: str
    reason: str | None
    named_by: str = Field(description="By what the person was named; the name is not kept.")
    removed: dict[str, int] = Field(
        description="How many of what; `mentions` are records in which others had named the person:"
        " addresses and numbers there are now `***`."
    )
    removed_ids: dict[str, list[str]] = Field(description="For backups and systems of your own.")
    created_at: Timestamp
