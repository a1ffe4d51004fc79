"""Variables that are no settings, but are named almost like one that is not set.

A service whose `DATABASE_URL` is misspelt would keep its data elsewhere and look healthy.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise

import structlog

# In names as short as PORT, two letters make another word.
SHORT = 8
log = structlog.get_logger(__name__)


def misspelt(variables: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Which variables are set that are not known, with the name that each is perhaps meant for."""
    given = [name for name, value in variables.items() if value and name not in known]
    absent = [name for name in known if not variables.get(name)]
    found: dict[str, str] = {}
    for name in sorted(given):
        near = [(_edits(name.upper(), meant), meant) for meant in sorted(absent)]
        edits, meant = min(near, default=(SHORT, ""))
        if edits <= (1 if len(meant) < SHORT else 2):
            found[name] = meant
    return found


def tell_misspelt(found: Mapping[str, str]) -> None:
    """A warning for each; what it is set to may be a secret."""
    for name, meant in found.items():
        log.warning("setting_unknown", variable=name, perhaps_meant=meant)


def _edits(one: str, other: str) -> int:
    """How many letters to add, take away or change, where there are few; else many."""
    if abs(len(one) - len(other)) > 2:
        return SHORT
    letters, others = Counter(one), Counter(other)
    if (letters - others).total() > 2 or (others - letters).total() > 2:
        return SHORT
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        above, row = row, [place]
        for column, (before, over) in enumerate(pairwise(above)):
            row.append(min(over + 1, row[-1] + 1, before + (letter != other[column])))
    return row[-1]
