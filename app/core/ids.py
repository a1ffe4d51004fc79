"""Identifiers: UUIDv7 (RFC 9562), so that ordering by id is ordering by time of creation."""

import hashlib
import re
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
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id() -> str:
    """A fresh id in its canonical text form; later calls in one process sort after earlier ones."""
    return str(uuid_utils.uuid7())


def derived_id(time_of: str, key: str) -> str:
    """The id that a key always gives: with the time of another id, else from the key alone.

    Where that is a UUIDv7, this is one, too.
    """
    moment = UUID(time_of).bytes[:6]
    digest = bytearray(hashlib.sha256(key.encode()).digest()[:10])
    digest[0] = digest[0] & 0x0F | 0x70
    digest[2] = digest[2] & 0x3F | 0x80
    return str(UUID(bytes=moment + bytes(digest)))


def is_id(text: str) -> bool:
    """Whether the text is a UUID in canonical form (lower case, hyphens)."""
    return _ID.fullmatch(text) is not None
