"""The keyless default: answers by quoting the knowledge base, and says when it has no answer."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.adapters.llm.quotation import choose, fold
from app.adapters.llm.vendor import UNKNOWN_WINDOW
from app.core.settings import Settings
from app.ports.llm import (
    CATALOGUE,
    ChatEvent,
    ChatRequest,
    Conduct,
    Finished,
    ProviderAdapter,
    TextDelta,
    Usage,
)

NAME = "local"
WORDS_A_PIECE = 4
# Words and tokens of Portuguese in common vocabularies stand at about 10 to 13.
TOKENS_PER_WORD = 1.3

_GREETING = re.compile(
    r"\W*((oi+e?|ola|bom dia|boa tarde|boa noite|e ai|tudo (bem|bom)|hello|hi|hey|how are you"
    r"|good (morning|afternoon|evening)|hola|que tal|buen[oa]s( dias| tardes| noches)?)\b\W*)+"
)
_TEXTS = {
    "pt": {
        "greeting": "Olá! Como posso ajudar?",
        "nothing": "Não encontrei essa informação na base de conhecimento."
        " Posso ajudar com outra pergunta?",
    },
    "en": {
        "greeting": "Hello! How can I help?",
        "nothing": "I did not find that in the knowledge base. Can I help with another question?",
    },
    "es": {
        "greeting": "¡Hola! ¿En qué puedo ayudar?",
        "nothing": "No encontré esa información en la base de conocimiento."
        " ¿Puedo ayudar con otra pregunta?",
    },
}


class LocalProvider:
    """Quotes sentences of the passages, each with its `[index]`. Needs no key and no network."""

    name = NAME
    is_configured = True
    required_variable = None

    def recognises(self, model: str) -> bool:
        return model == NAME

    def context_window(self, model: str) -> int:
        return CATALOGUE.window(NAME, model) or UNKNOWN_WINDOW

    async def prepare(self) -> None:
        pass  # it needs nothing but itself

    def by_key(self, key: str) -> "LocalProvider":
        return self

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        answer = await asyncio.to_thread(compose, request)
        words = re.findall(r"\S+\s*", answer)
        for start in range(0, len(words), WORDS_A_PIECE):
            yield TextDelta("".join(words[start : start + WORDS_A_PIECE]))
            await asyncio.sleep(0)
        read = sum(len(message.content.split()) for message in request.messages)
        yield Usage(_tokens(read), _tokens(len(words)))
        yield Finished("stop")


def _tokens(words: int) -> int:
    return round(words * TOKENS_PER_WORD)


def compose(request: ChatRequest) -> str:
    """The whole answer: quotations, a greeting, or that nothing was found."""
    texts = _TEXTS.get(request.language[:2].lower(), _TEXTS["pt"])
    if _GREETING.fullmatch(fold(request.question)):
        return texts["greeting"]
    quotes = choose(request.question, request.passages)
    if not quotes:
        return texts["nothing"]
    return "\n".join(f"{_closed(quote.text)} [{quote.index}]" for quote in quotes)


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", ":", ";", "…")) else f"{sentence}."


@asynccontextmanager
async def open_local(settings: Settings, conduct: Conduct) -> AsyncGenerator[LocalProvider]:
    """The provider; there is nothing to open."""
    yield LocalProvider()


PROVIDER = ProviderAdapter(NAME, open_local)
