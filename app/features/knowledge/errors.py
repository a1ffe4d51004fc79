"""What can be wrong with a request about knowledge."""

from app.core.errors import Conflict, InvalidRequest, NotFound, UnsupportedMediaType
from app.ports.fetch import FetchFailed
from app.web.limits import RateLimited


class KnowledgeBaseNotFound(NotFound):
    """There is no such knowledge base in this organization."""


class DocumentNotFound(NotFound):
    """There is no such document in this organization."""


class GapNotFound(NotFound):
    """There is no such gap in this organization."""


class DocumentDuplicated(Conflict):
    """Another document of the base holds the same bytes."""


class SourceFailed(FetchFailed):
    """The address did not give a document."""


class FormatNotSupported(UnsupportedMediaType):
    """Files of this format cannot be read."""


class EmbedderNotConfigured(Conflict):
    """Semantic search needs an embedding model, and none is configured."""


class InvalidUpload(InvalidRequest):
    """The upload is not valid."""


class TooManyPreviews(RateLimited):
    """Too many previews are under way at once."""
