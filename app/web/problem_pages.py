"""What a problem's `type` address answers."""

from fastapi import APIRouter

from app.core.errors import NotFound, subclasses
from app.core.schemas import Resource

router = APIRouter(prefix="/problems", tags=["system"])


class ProblemKind(Resource):
    """One kind of problem."""

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


@router.get("/{slug}", summary="One kind of problem")
async def get_problem(slug: str) -> ProblemKind:
    """What the `type` of an error stands for."""
    kind = _kinds().get(slug)
    if kind is None:
        raise NotFound("There is no such kind of problem; GET /problems lists them.")
    return kind
