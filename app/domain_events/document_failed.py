"""A document could not be indexed."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class DocumentFailed(EventData):
    """A document could not be indexed."""

    document_id: str
    knowledge_base_id: str
    name: str
    code: str


EVENT = EventKind(
    "document_failed",
    "A document could not be indexed.",
    DocumentFailed(
        document_id=ID, knowledge_base_id=ID, name="politicas.md", code="document_empty"
    ),
)
