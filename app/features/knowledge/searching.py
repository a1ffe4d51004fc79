"""A question asked of some bases: embedded where they have vectors, and never held up by that."""

import structlog

from app.core.clock import elapsed_ms
from app.core.errors import Problem
from app.features.knowledge.base_schemas import KnowledgeBase
from app.features.knowledge.errors import EmbedderNotConfigured, KnowledgeBaseNotFound
from app.features.knowledge.passages import hits_of
from app.features.knowledge.repository import KnowledgeRepository
from app.features.knowledge.reranking import candidates, reranked
from app.features.knowledge.schemas import Mode, SearchResult
from app.features.knowledge.searched import Question
from app.ports import Ports
from app.ports.embedder import written

QUERY_EMBEDDING_S = 2.0
log = structlog.get_logger(__name__)


class Search:
    """Searches of one organization."""

    def __init__(self, ports: Ports, repository: KnowledgeRepository) -> None:
        self._ports = ports
        self._repository = repository

    async def answer(self, question: Question) -> SearchResult:
        """The passages that answer best.

        Without vectors `hybrid` is served as `lexical`. An embedder that does not answer is done
        without, and the result is marked `degraded`.

        Raises:
            KnowledgeBaseNotFound: one of the bases does not exist in this organization.
            EmbedderNotConfigured: semantic search was asked for by name, and no base can do it.
        """
        started_s = self._ports.clock.monotonic_s()
        bases = await self._bases(question)
        models = self._models(question.mode, bases)
        vectors = await self._vectors(question.text, models)
        mode: Mode = question.mode if vectors else "lexical"
        found = await self._repository.search(
            question, limit=candidates(self._ports, question.top_k), vectors=vectors, mode=mode
        )
        passages, is_reranked = await reranked(self._ports, question.text, found.data)
        lacks_order = self._ports.reranker is not None and bool(found.data) and not is_reranked
        return SearchResult(
            data=hits_of(passages, stems=found.terms, limit=question.top_k),
            query=question.text,
            mode_used=mode,
            reranked=is_reranked,
            degraded=len(vectors) < len(models) or lacks_order,
            total_results=found.total_results,
            took_ms=elapsed_ms(self._ports.clock, started_s),
        )

    async def _bases(self, question: Question) -> list[KnowledgeBase]:
        """The bases, where somebody has to know them: it is one more call."""
        if not question.must_exist and not self._ports.embedders.any_configured:
            return []
        bases = await self._repository.find_bases(question.base_ids)
        if question.must_exist and len(bases) != len(question.base_ids):
            raise KnowledgeBaseNotFound
        return bases

    def _models(self, mode: Mode, bases: list[KnowledgeBase]) -> list[str]:
        """The models whose vectors the bases are searched by."""
        if mode == "lexical":
            return []
        served = {base.served_embedding_model for base in bases if base.embedding_model != "none"}
        models = sorted(model for model in served if self._ports.embedders.find(model) and model)
        if mode == "semantic" and not models:
            raise EmbedderNotConfigured("Search with mode `lexical` or `hybrid`.")
        return models

    async def _vectors(self, text: str, models: list[str]) -> list[dict[str, object]]:
        vectors: list[dict[str, object]] = []
        for model in models:
            try:
                resolved = self._ports.embedders.resolve(model)
                (vector,) = await resolved.embed([text], purpose="query", total_s=QUERY_EMBEDDING_S)
            except Problem as problem:
                log.warning("search_without_vectors", model=model, code=problem.code())
                continue
            vectors.append({"model": model, "dimensions": len(vector), "vector": written(vector)})
        return vectors
