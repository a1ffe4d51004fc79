"""What can be wrong with a request about knowledge."""

from app.core.errors import Conflict, InvalidRequest, NotFound, UnsupportedMediaType


class KnowledgeBaseNotFound(NotFound):
    """There is no such knowledge base in this organization."""


class DocumentNotFound(NotFound):
    """There is no such document in this organization."""


class FormatNotSupported(UnsupportedMediaType):
    """Files of this format cannot be read."""


class EmbedderNotConfigured(Conflict):
    """Semantic search needs an embedding model, and none is configured."""


class InvalidUpload(InvalidRequest):
    """The upload is not valid."""
