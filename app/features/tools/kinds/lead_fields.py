"""The details that an agent can ask of a lead: how each is checked and what the model is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from app.core.contact_fields import (
    cnpj,
    cpf,
    email_address,
    one_line,
    paragraph,
    phone_number,
    tax_id,
)


@dataclass(frozen=True, slots=True)
class LeadField:
    """One detail; `column` is the name under which a lead keeps it."""

    column: str
    asked: str
    check: Callable[[str], str]


_KNOWN: Mapping[str, LeadField] = {
    "name": LeadField("name", "their full name", one_line),
    "email": LeadField("email", "their e-mail address", email_address),
    "phone": LeadField(
        "phone", "their telephone number with its area code (DDD in Brazil)", phone_number
    ),
    "company": LeadField("company", "the name of their company", one_line),
    "cpf": LeadField("document", "their CPF (11 digits)", cpf),
    "cnpj": LeadField("document", "their company's CNPJ (14 characters)", cnpj),
    "document": LeadField("document", "their CPF or their company's CNPJ", tax_id),
}
DOCUMENTS = frozenset(name for name, field in _KNOWN.items() if field.column == "document")


def lead_field(name: str) -> LeadField:
    """The detail of that name; any other is a text that the organization knows the meaning of."""
    return _KNOWN.get(name) or LeadField(
        name, name.replace("_", " "), partial(paragraph, max_chars=2000)
    )
