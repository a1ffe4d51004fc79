"""Leads as clients send and receive them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, computed_field, model_validator

from app.core.contact_fields import email_address, one_line, paragraph, phone_number, tax_id
from app.core.schemas import Body, Id, Moment, Resource, Text, Timestamp, example

MAX_FIELDS = 50
Status = Literal["new", "contacted", "qualified", "won", "lost"]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200), Text, AfterValidator(one_line)
]
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254),
    Text,
    AfterValidator(email_address),
    Field(json_schema_extra={"format": "email"}),
]
Phone = Annotated[
    str,
    StringConstraints(min_length=5, max_length=40),
    Text,
    AfterValidator(phone_number),
    Field(description="With its area code; Brazilian without a country's. Kept in E.164."),
]
Document = Annotated[
    str,
    StringConstraints(min_length=11, max_length=40),
    Text,
    AfterValidator(tax_id),
    Field(description="A CPF or a CNPJ, also an alphanumeric one; kept without punctuation."),
]
Notes = Annotated[str, StringConstraints(max_length=5000), Text]
Source = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
FieldText = Annotated[str, StringConstraints(max_length=2000), Text]
Fields = Annotated[
    dict[FieldName, FieldText | int | float | bool],
    Field(max_length=MAX_FIELDS, description="What else you want to know, by names of your own."),
]


class ConsentGiven(Body):
    """What a person has agreed to."""

    text: Annotated[
        str, StringConstraints(min_length=1, max_length=2000), Text, AfterValidator(paragraph)
    ]
    given_at: Moment | None = Field(default=None, description="By default, now.")


class LeadCreate(Body):
    """A lead entered by hand; it needs an e-mail, a telephone or a document."""

    model_config = example(
        name="Ana Souza",
        email="ana@exemplo.com.br",
        phone="(11) 98765-4321",
        document="529.982.247-25",
        fields={"interesse": "plano anual"},
        consent={"text": "Aceito receber contato da Loja Aurora."},
    )

    name: Line | None = None
    email: Email | None = None
    phone: Phone | None = None
    document: Document | None = None
    company: Line | None = None
    fields: Fields = {}
    status: Status = "new"
    notes: Notes = ""
    consent: ConsentGiven | None = None
    source: Source = Field(default="manual", description="Where it came from, for your filters.")

    @model_validator(mode="after")
    def _can_be_reached(self) -> "LeadCreate":
        if not (self.email or self.phone or self.document):
            raise ValueError("give an email, a phone or a document")
        return self


class LeadUpdate(Body):
    """The fields to be changed; null takes a detail away."""

    model_config = example(status="contacted", notes="Ligar de novo na sexta-feira.")

    name: Line | None = None
    email: Email | None = None
    phone: Phone | None = None
    document: Document | None = None
    company: Line | None = None
    fields: Fields = Field(default={}, description="All of them: they replace those before.")
    status: Status = "new"
    notes: Notes = ""


class Consent(Resource):
    """What a person has agreed to, when, and where it was said."""

    text: str
    given_at: Timestamp
    withdrawn_at: Timestamp | None = None
    conversation_id: Id | None = None
    run_id: Id | None = None


class LeadContact(Resource):
    """What a later conversation gave for the same e-mail, telephone or document."""

    conversation_id: Id
    visitor_id: str | None
    given_at: Timestamp
    alternatives: dict[str, str] = Field(
        description="Values other than the lead's, or that it lacks, by name. Nobody has checked"
        " that it is the same person: take them over with a PATCH, or leave them."
    )
    consent: Consent | None


EXAMPLE: Mapping[str, Any] = {
    "id": "01938f60-1c2d-7e3f-8a4b-5c6d7e8f9a0b",
    "agent_id": "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
    "conversation_id": "01938f5f-0d21-7f3a-9b6c-2e1d0c9f8a47",
    "visitor_id": "visitante-1",
    "source": "chat",
    "name": "Ana Souza",
    "email": "ana@exemplo.com.br",
    "phone": "+5511987654321",
    "document": "52998224725",
    "company": None,
    "fields": {"interesse": "plano anual"},
    "status": "new",
    "notes": "",
    "consent": {
        "text": "Aceito receber contato da Loja Aurora.",
        "given_at": "2026-11-23T20:31:00.123Z",
        "withdrawn_at": None,
        "conversation_id": "01938f5f-0d21-7f3a-9b6c-2e1d0c9f8a47",
        "run_id": "01938f5f-0e01-7b44-8c0f-4a3b2c1d0e9f",
    },
    "is_complete": True,
    "contacts": [],
    "created_at": "2026-11-23T20:31:00.123Z",
    "updated_at": "2026-11-23T20:31:00.123Z",
}


class Lead(Resource):
    """A person who can be called back; an incomplete one has not given all that was asked."""

    model_config = example(**EXAMPLE, document_type="cpf")

    id: Id
    agent_id: Id | None
    conversation_id: Id | None
    visitor_id: str | None
    source: str
    name: str | None
    email: str | None
    phone: str | None
    document: str | None
    company: str | None
    fields: dict[str, str | int | float | bool]
    status: Status
    notes: str
    consent: Consent | None
    is_complete: bool
    contacts: list[LeadContact] = Field(
        description="Later conversations of the same person, as far as can be told; the last 20."
    )
    created_at: Timestamp
    updated_at: Timestamp

    @computed_field(description="What the document is.")
    @property
    def document_type(self) -> Literal["cpf", "cnpj"] | None:
        if self.document is None:
            return None
        return "cpf" if len(self.document) == 11 else "cnpj"
