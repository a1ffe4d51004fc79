"""A document can be searched."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class DocumentReady(EventData):
    """A document can be searched."""

    document_id: str
    knowledge_base_id: str
    name: str
    chunk_count: int


EVENT = EventKind(
    "document_ready",
    "A document can be searched.",
    DocumentReady(document_id=ID, knowledge_base_id=ID, name="politicas.md", chunk_count=12),
)
