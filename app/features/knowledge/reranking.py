"""What was found, read once more beside the question: a better order, never a missing answer."""

from collections.abc import Sequence

import structlog

from app.features.knowledge.schemas import Passage
from app.ports import Ports
from app.ports.reranker import RerankerFailed

# Somebody waits: what a reranker cannot say by then is done without.
RERANKING_S = 1.5
# The order among these is the reranker's; it reads nothing else.
LEAST_CANDIDATES, MOST_CANDIDATES = 30, 100
READ_CHARS = 4000
log = structlog.get_logger(__name__)


def candidates(ports: Ports, top_k: int) -> int:
    """How many passages to look for, so that `top_k` are left of them.

    Twice as many, as repeats are left out and neighbours joined; more where they are put in order.
    """
    wanted = 2 * top_k
    if ports.reranker is None:
        return wanted
    return min(max(2 * wanted, LEAST_CANDIDATES), MOST_CANDIDATES)


async def reranked(
    ports: Ports, question: str, found: Sequence[Passage]
) -> tuple[Sequence[Passage], bool]:
    """The passages in the reranker's order, each with its rating, and whether that was done."""
    if ports.reranker is None or not found:
        return found, False
    texts = [f"{passage.heading}\n{passage.content}"[:READ_CHARS] for passage in found]
    try:
        ratings = await ports.reranker.rate(question, texts, total_s=RERANKING_S)
    except RerankerFailed as failure:
        log.warning("search_not_reranked", reason=str(failure))
        return found, False
    rated = [
        passage.model_copy(
            update={"scores": passage.scores.model_copy(update={"rerank": round(rating, 6)})}
        )
        for passage, rating in zip(found, ratings, strict=True)
    ]
    order = sorted(range(len(rated)), key=lambda place: (-ratings[place], place))
    return [rated[place] for place in order], True
