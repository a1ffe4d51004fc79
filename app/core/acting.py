"""On whose behalf the code that runs now changes data.

A change passes a dozen functions that have no use for who made it, down to the database, which
writes it into the audit log within the same transaction. So it travels beside the arguments, in a
context variable that the edge sets for one request and the store reads; beside it only what makes
secrets does (`core/new_secrets.py`).
"""

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Acting:
    """A caller's request; with a `key` the effects of its calls come once.

    They are numbered function by function: how many reads come before a change depends on what is
    cached where a repeat arrives.
    """

    actor: str
    request_id: str
    impersonator: str | None = None
    key: str | None = None
    seed: str | None = None
    """The same for every try of one request with a `key`, and of no other request."""
    calls: Counter[str] = field(default_factory=Counter[str])

    def next_ordinal(self, function: str) -> int:
        """The number of this request's next call of the function."""
        self.calls[function] += 1
        return self.calls[function]


ACTING: ContextVar[Acting | None] = ContextVar("acting", default=None)
