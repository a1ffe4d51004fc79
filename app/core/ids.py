"""Identifiers: UUIDv7 (RFC 9562), so that ordering by id is ordering by time of creation."""

from typing import NewType
from uuid import UUID

import uuid_utils

OrganizationId = NewType("OrganizationId", str)
AgentId = NewType("AgentId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
RunId = NewType("RunId", str)
KnowledgeBaseId = NewType("KnowledgeBaseId", str)
DocumentId = NewType("DocumentId", str)


def new_id() -> str:
    """A fresh id in its canonical text form; later calls in one process sort after earlier ones."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether the text is a UUID in canonical form (lower case, hyphens)."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
