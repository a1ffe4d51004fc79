"""What of a JSON answer is wanted: a JSONPath (RFC 9535) whose cost is bounded by the answer."""

from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathQuery
from jsonpath_rfc9535.exceptions import JSONPathError
from jsonpath_rfc9535.function_extensions import Count, Length, Value
from jsonpath_rfc9535.lex import tokenize
from jsonpath_rfc9535.tokens import TokenType

MAX_NODES = 1000
# What may stand how often, so that no answer is walked more than a few times.
_AT_MOST = {
    TokenType.ROOT: 1,
    TokenType.DOUBLE_DOT: 1,
    TokenType.FILTER: 2,
    TokenType.COMMA: 3,
    TokenType.WILD: 6,
}


class PathRefused(Exception):
    """The path is none, or one that could cost too much."""


class NothingSelected(Exception):
    """The answer has nothing at this path."""


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        # Without `match` and `search`, whose patterns run on an engine that can hang.
        functions = {"length": Length(), "count": Count(), "value": Value()}
        self.function_extensions.update(functions)


_ENVIRONMENT = _Environment()


@lru_cache(maxsize=512)
def _compiled(path: str) -> JSONPathQuery:
    try:
        counts = Counter(token.type_ for token in tokenize(path))
        query = _ENVIRONMENT.compile(path)
    except (JSONPathError, RecursionError) as error:
        raise PathRefused(f"is no JSONPath: {str(error).partition(chr(10))[0][:150]}") from None
    for token, most in _AT_MOST.items():
        if counts[token] > most:
            raise PathRefused(f"is too costly: {token.name} stands in it {counts[token]} times")
    return query


class Selection:
    """A path, or the whole answer."""

    def __init__(self, path: str | None) -> None:
        self._query = None if path is None else _compiled(path)

    @property
    def is_whole(self) -> bool:
        return self._query is None

    def of(self, value: Any) -> Any:
        """The value at a path that can find one only, else the list of the first thousand.

        Raises:
            NothingSelected: there is none.
        """
        if self._query is None:
            return value
        try:
            found = [node.value for node in islice(self._query.finditer(value), MAX_NODES)]
        except JSONPathError:
            raise NothingSelected from None
        if not self._query.singular_query():
            return found
        if not found:
            raise NothingSelected
        return found[0]
