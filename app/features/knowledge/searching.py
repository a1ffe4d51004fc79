"""A question asked of some bases: embedded where they have vectors, and never held up by that."""

import structlog

from app.core.clock import elapsed_ms
from app.core.errors import Problem
from app.features.knowledge.base_schemas import KnowledgeBase
from app.features.knowledge.errors import EmbedderNotConfigured, KnowledgeBaseNotFound
from app.features.knowledge.passages import Place, hit_of, places, without_copies
from app.features.knowledge.repository import Found, KnowledgeRepository
from app.features.knowledge.reranking import MOST_CANDIDATES, candidates, reranked
from app.features.knowledge.schemas import Hit, Mode, Passage, SearchResult
from app.features.knowledge.searched import Question
from app.ports import Ports
from app.ports.embedder import written

QUERY_EMBEDDING_S = 2.0
# Where copies or neighbours come first, so many passages are read to find what lies behind them.
MOST_READ = 500
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
        found, distinct = await self._distinct(question, vectors, mode)
        passages, is_reranked = await reranked(self._ports, question.text, distinct)
        lacks_order = self._ports.reranker is not None and bool(distinct) and not is_reranked
        best = places(passages)[: question.top_k]
        return SearchResult(
            data=await self._hits(question, best, found.terms),
            query=question.text,
            mode_used=mode,
            reranked=is_reranked,
            degraded=len(vectors) < len(models) or lacks_order,
            total_results=found.total_results,
            took_ms=elapsed_ms(self._ports.clock, started_s),
        )

    async def _distinct(
        self, question: Question, vectors: list[dict[str, object]], mode: Mode
    ) -> tuple[Found, list[Passage]]:
        """The best passages that are no copies: enough for `top_k` places, if there are so many."""
        limit = wanted = candidates(self._ports, question.top_k)
        while True:
            found = await self._repository.search(question, limit=limit, vectors=vectors, mode=mode)
            distinct = without_copies(found.data, limit=MOST_CANDIDATES)
            is_all = len(found.data) < limit or limit == MOST_READ
            if is_all or len(places(distinct)) >= question.top_k:
                break
            limit = MOST_READ
        # What is looked at beyond `wanted` would only be joined to better passages.
        while wanted < len(distinct) and len(places(distinct[:wanted])) < question.top_k:
            wanted *= 2
        return found, distinct[:wanted]

    async def _hits(self, question: Question, best: list[Place], terms: list[str]) -> list[Hit]:
        marked: dict[str, list[str]] = {}
        if question.is_marked and best and terms:
            chunk_ids = [part.id for place in best for part in place.parts]
            marked = await self._repository.mark(chunk_ids, terms)
        return [hit_of(place, marked) for place in best]

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
