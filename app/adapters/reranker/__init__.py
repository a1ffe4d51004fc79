"""The rerankers."""

from app.adapters.reranker import compatible
from app.core.registry import Registry, load
from app.ports.reranker import RerankerAdapter

RERANKERS: Registry[RerankerAdapter] = Registry(
    "reranker",
    (*load(__name__, "RERANKER", ("cohere", "jina")), *compatible.ROWS),
)
