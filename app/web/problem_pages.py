"""What a problem's `type` address answers."""

from typing import Annotated

from fastapi import Path

from app.core.errors import NotFound, subclasses
from app.core.schemas import Resource, example
from app.web.problems import problems
from app.web.routing import system_router

router = system_router(prefix="/problems")

Slug = Annotated[
    str,
    Path(
        description="Its `code` with hyphens, as at the end of `type`.",
        examples=["agent-not-found"],
    ),
]


class ProblemKind(Resource):
    """One kind of problem."""

    model_config = example(
        code="agent_not_found",
        title="There is no such agent in this organization.",
        status=404,
        retryable=False,
    )

    code: str
    title: str
    status: int
    retryable: bool


class ProblemKinds(Resource):
    """All kinds of problems."""

    data: list[ProblemKind]


def _kinds() -> dict[str, ProblemKind]:
    return {
        kind.slug(): ProblemKind(
            code=kind.code(), title=kind.title(), status=kind.status, retryable=kind.retryable
        )
        for kind in subclasses()
    }


@router.get("", summary="All kinds of problems")
async def list_problems() -> ProblemKinds:
    """Every `code` that an error may carry, with its meaning."""
    return ProblemKinds(data=sorted(_kinds().values(), key=lambda kind: kind.code))


@router.get("/{slug}", summary="One kind of problem", responses=problems(NotFound))
async def get_problem(slug: Slug) -> ProblemKind:
    """What the `type` of an error stands for."""
    kind = _kinds().get(slug)
    if kind is None:
        raise NotFound("There is no such kind of problem; GET /problems lists them.")
    return kind
