"""Tries a model with the smallest call there is."""

from contextlib import aclosing

from app.core.clock import Clock, elapsed_ms
from app.core.errors import Problem
from app.features.models.schemas import ModelTest, TestError
from app.ports.llm import ChatRequest, EmptyAnswer, Message, ResolvedModel

QUESTION = "Oi"


async def tried(resolved: ResolvedModel, clock: Clock) -> ModelTest:
    """How long the model took for one token, or what its provider said instead."""
    request = ChatRequest(
        model=resolved.model,
        messages=(Message("user", QUESTION),),
        question=QUESTION,
        max_tokens=1,
    )
    started_s = clock.monotonic_s()
    error: TestError | None = None
    try:
        async with aclosing(resolved.provider.stream(request)) as events:
            async for _ in events:
                pass
    except EmptyAnswer:
        pass  # it has thought for all of its one token
    except Problem as problem:
        error = TestError(code=problem.code(), title=problem.title(), detail=problem.detail)
    status = "failed" if error else "succeeded"
    return ModelTest(status=status, latency_ms=elapsed_ms(clock, started_s), error=error)
