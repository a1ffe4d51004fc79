"""What the assistant showed the visitor, and the visitor agreed to."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from app.features.chat.destinations.spelling import plain
from app.ports.llm import Message

# Of a long message only the end can be what is asked about.
SHOWN_CHARS = 700
ANSWER_WORDS = 12
_LINK = re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)")
_MARKUP = re.compile(r"<!--.*?-->|<(?!https?:|mailto:)[a-z/!][^<>@]*>", re.IGNORECASE | re.DOTALL)
_YES = re.compile(
    r"\W*(?:(?:sim|s|claro|isso|ok(?:ay|ey)?|blz|beleza|pode|podem|confirm\w*|corret[oa]|cert[oa]"
    r"|exat\w*|perfeito|positivo|com certeza|por favor|aceito|concordo|autoriz\w+|combinado|fechado"
    r"|uhum|aham|é (?:isso|ess[ea]|est[ea]|sim)|(?:está|tá|ta) (?:certo|correto|ok|ótimo)"
    r"|y|yes|yeah|yep|yup|sure|correct|right|exactly|please|go ahead|do it|agreed|absolutely"
    r"|that(?:'s| is) (?:right|correct|it|fine|the one)|s[ií]|vale|dale|de acuerdo)\b)",
    re.IGNORECASE,
)
_ONE_OF = r"(?:(?:primeir|segund|terceir|quart|[úu]ltim)[oa]|first|second|third|last)"
_CHOICE = re.compile(
    r"\W*(?:(?:sim|pode|yes|please)\W+){0,2}"
    r"(?:mand[ae]r?|envi[ae]r?|encaminh[ae]r?|us[ae]r?|quero|prefiro|send|use|forward)\b.*"
    rf"\b(?:{_ONE_OF}|l[áa]|n?ess[ea]|that|this|there)\b"
    rf"|\W*(?:n?[oa] |the )?{_ONE_OF}(?:\s\w+){{0,3}}\W*\Z"
    r"|\W*(?:a )?(?:op[cç][aã]o|option|n[uú]mero|number) \d+\W*\Z",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\W*(?:no|n)\b|\b(?:n[ãa]o|nunca|jamais|nem|not|don'?t|never|nope|negativo|cancel\w*|pare"
    r"|errad[oa]|wrong|incorret\w+)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[^.!?\n]*(?:[.](?=\S)[^.!?\n]*)*\?(?=\s|\Z|[*_\"”')])")
# A question that is about what was shown, unlike `Posso ajudar em algo mais?`.
_ABOUT_IT = re.compile(
    r"envi|mand|encaminh|confirm|corret|\bcert[oa]\b|\bl[áa]\b|\bus(?:o|ar|e|ing)\b|registr|cadastr"
    r"|avis|agend|compartilh|\b(?:send|forward|correct|right|notify|share|there)\b"
    r"|\b(?:ess[ea]|est[ea]|this|that) (?:e-?mail|endere|n[úu]mero|telefone|contato|link|address)",
    re.IGNORECASE,
)


def agreed_texts(history: Sequence[Message], question: str) -> Iterator[str]:
    """The ends of messages of the assistant to which the visitor said yes, or chose from."""
    messages = [*history, Message("user", question)]
    for shown, answer in pairwise(messages):
        if shown.role == "assistant" and answer.role == "user":
            yield from _agreed(_visible(shown.content), plain(answer.content).strip())


def _visible(text: str) -> str:
    """The text as a page shows it: of a link what is written, not where it leads."""
    return plain(_MARKUP.sub(" ", _LINK.sub(r"\1", text)))[-SHOWN_CHARS:]


def _agreed(shown: str, answer: str) -> Iterator[str]:
    if len(answer.split()) > ANSWER_WORDS or "?" in answer or _NO.search(answer):
        return
    if _CHOICE.match(answer):
        yield shown
    elif _YES.match(answer):
        asked = [hit[0] for hit in _QUESTION.finditer(shown)]
        if asked and _ABOUT_IT.search(asked[-1]):
            yield shown
        else:
            yield from asked[-1:]
