"""Leads as lines of a table."""

from collections.abc import Sequence

from app.core.csv_rows import BYTE_ORDER_MARK, csv_line
from app.core.schemas import rfc3339
from app.features.leads.schemas import Lead

COLUMNS = (
    "id",
    "created_at",
    "name",
    "email",
    "phone",
    "document",
    "company",
    "status",
    "source",
    "is_complete",
    "consent_given_at",
    "consent_withdrawn_at",
    "consent_text",
    "notes",
    "agent_id",
    "conversation_id",
    "visitor_id",
)


class LeadSheet:
    """Header and rows, with a column for each of the organization's own fields."""

    def __init__(self, field_names: Sequence[str], delimiter: str) -> None:
        self._field_names = field_names
        self._delimiter = delimiter

    def header(self) -> str:
        own = (f"fields.{name}" for name in self._field_names)
        return BYTE_ORDER_MARK + csv_line([*COLUMNS, *own], delimiter=self._delimiter)

    def row(self, lead: Lead) -> str:
        consent = lead.consent
        withdrawn_at = consent and consent.withdrawn_at
        made: dict[str, object] = {
            "created_at": rfc3339(lead.created_at),
            "consent_given_at": consent and rfc3339(consent.given_at),
            "consent_withdrawn_at": withdrawn_at and rfc3339(withdrawn_at),
            "consent_text": consent and consent.text,
        }
        own = [lead.fields.get(name) for name in self._field_names]
        details = [made[name] if name in made else getattr(lead, name) for name in COLUMNS]
        return csv_line([*details, *own], delimiter=self._delimiter)
