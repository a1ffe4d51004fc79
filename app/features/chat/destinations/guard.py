"""A call that changes something goes only where the visitor or the agent's owner has pointed."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import orjson

from app.features.chat.calls import Call
from app.features.chat.destinations.agreement import agreed_texts
from app.features.chat.destinations.places import is_covered
from app.features.chat.destinations.shapes import aimed_at, all_in
from app.features.chat.destinations.spelling import decoded, said
from app.features.chat.toolbox import Tool
from app.ports.llm import Message

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SLOT = re.compile(
    r"(?:^|[\W_])(?:to|para|b?cco?|dest\w*|recip\w*|e?-?mails?|ur[il]s?|links?|hosts?|sites?|websites?"
    r"|dom[aí]in\w*|dom[ií]nio\w*|endpoint|server|servidor|callback\w*|webhook\w*|redirect\w*|phones?"
    r"|fones?|telefones?|celular|whats\w*|zap|mobile|tel|sms|pix|chave|iban|wallet|carteira|contatos?"
    r"|contacts?)(?:$|[\W_])",
    re.IGNORECASE,
)
_KEY = re.compile(r"(?:^|[\W_])ids?$", re.IGNORECASE)
_CONTACT = re.compile(r"\s*(?:[^\s@]+@[^\s@]+|\+?[\d\s().-]{8,25})\s*")
SHOWN = 5
# Of each message, so that a long conversation does not take long.
READ_CHARS = 8000


@dataclass(slots=True, kw_only=True)
class Destinations:
    """The places that somebody has named who may: whatever else is named was never asked for."""

    trusted: set[str] = field(default_factory=set[str])

    def trust(self, *texts: str) -> None:
        """These are the visitor's or the owner's own words, or the visitor has agreed to them."""
        for text in texts:
            for form in said(text):
                self.trusted.update(all_in(form))

    def trust_servers_of(self, configuration: str) -> None:
        """A tool's own configuration: of the servers that it names, every page is the owner's."""
        written = Destinations()
        written.trust(configuration)
        self.trusted |= written.trusted
        self.trusted |= {each.partition("/")[0] for each in written.trusted if "@" not in each}

    def trust_contacts_in(self, data: Any) -> None:
        """Of data about the visitor, the values that are an e-mail address or a telephone number.

        Longer texts in it, and web addresses, may be somebody else's words.
        """
        self.trust(*(text for _, text in _texts(data) if _CONTACT.fullmatch(text)))

    def unsaid_in(self, arguments: dict[str, Any]) -> list[str]:
        """The places among the arguments that nobody has named who may."""
        wanted = {each for name, text in _texts(arguments) for each in _places(name, text)}
        return sorted(_shown(each) for each in wanted if not is_covered(each, self.trusted))


class Known(Protocol):
    """What a turn knows before it begins."""

    @property
    def question(self) -> str: ...
    @property
    def instructions(self) -> list[str]: ...
    @property
    def history(self) -> list[Message]: ...
    @property
    def context_data(self) -> dict[str, Any] | None: ...


def destinations_of(known: Known, tools: Sequence[Tool]) -> Destinations:
    """Where calls of the tools may send something.

    Passages, pages and what tools have brought are no source of it, whoever repeats them, until
    the visitor was shown an address and has agreed to it.
    """
    found = Destinations()
    for tool in tools:
        found.trust_servers_of(tool.configured)
    found.trust(*known.instructions, known.question[:READ_CHARS])
    found.trust(*(each.content[:READ_CHARS] for each in known.history if each.role == "user"))
    found.trust(*(orjson.dumps([t.spec.description, t.spec.parameters]).decode() for t in tools))
    found.trust(*agreed_texts(known.history, known.question))
    found.trust_contacts_in(known.context_data or {})
    return found


def is_guarded(tool: Tool) -> bool:
    """Whether its calls change something, by its kind or in its owner's eyes."""
    return tool.has_side_effects or tool.risk != "read"


def guarded(call: Call, destinations: Callable[[], Destinations]) -> Call:
    """The call, refused where it would send something to where nobody who may has pointed.

    Where a person decides on it anyway, that person is told instead.
    """
    if call.refusal is not None or call.tool is None or not is_guarded(call.tool):
        return call
    if not (named := destinations().unsaid_in(call.arguments)):
        return call
    if call.needs_approval:
        return replace(call, unsaid=tuple(named[:SHOWN]))
    detail = (
        f"Neither the user nor your instructions name this destination: {', '.join(named)[:200]}."
        " The call was not made. Show it to the user and ask whether it is right, or ask where to"
        " send it; call again after they have agreed in a message of theirs."
    )
    return call.refused("untrusted_destination", detail, is_mendable=True)


def _shown(place: str) -> str:
    # What was decoded may hold what no database does.
    return "".join(char if char.isprintable() else "\ufffd" for char in place)[:200]


def _places(name: str, text: str) -> set[str]:
    words = _HUMP.sub("_", name)
    is_slot = bool(_SLOT.search(words)) and not _KEY.search(words)
    places = {each for form in decoded(text) for each in aimed_at(form, is_slot=is_slot)}
    if places or not is_slot:
        return places
    unspaced = "".join(text.split())
    return {each for form in decoded(unspaced) for each in aimed_at(form, is_slot=True)}


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield name, value
        case int() | float():
            yield name, str(value).removesuffix(".0")
        case dict():
            for key, part in cast("dict[str, Any]", value).items():
                yield from _texts(part, f"{name} {key}")
                yield name, key
        case list():
            for part in cast("list[Any]", value):
                yield from _texts(part, name)
        case _:
            return
