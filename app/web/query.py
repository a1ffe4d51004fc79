"""The query of an address, read strictly: what a route does not know is refused."""

from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from app.core.errors import InvalidRequest

MOST_TOLD = 5
MAX_NAME_CHARS = 200


def known_parameters(dependant: Dependant) -> frozenset[str]:
    """The names that a route reads from the query, each once: lists are separated by commas."""
    own = frozenset(field.alias for field in dependant.query_params)
    return own.union(*map(known_parameters, dependant.dependencies))


def misused(request: Request, known: frozenset[str]) -> InvalidRequest | None:
    """What is wrong with the names in the query: a typing error would return what nobody asked."""
    if not request.scope["query_string"]:
        return None
    names = [name for name, _ in request.query_params.multi_items()]
    wrong = {name: _unknown(known) for name in names if name not in known}
    wrong |= {name: "give it once" for name in known if names.count(name) > 1}
    if not wrong:
        return None
    errors = [
        {"parameter": name[:MAX_NAME_CHARS], "in": "query", "detail": detail}
        for name, detail in list(wrong.items())[:MOST_TOLD]
    ]
    return InvalidRequest(
        "; ".join(f"{error['parameter']}: {error['detail']}" for error in errors), errors=errors
    )


def _unknown(known: frozenset[str]) -> str:
    if not known:
        return "there are no parameters here"
    return f"there is no such parameter here, but {', '.join(sorted(known))}"
