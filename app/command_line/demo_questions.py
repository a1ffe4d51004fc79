"""What the demo asks, and what must be true of each answer."""

import re
from dataclasses import dataclass, field

from app.command_line.demo_events import StreamEvent

_CITATION = re.compile(r"\[(\d{1,2})\]")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, and what the person should notice in its answer."""

    text: str
    notice: str
    answerable: bool = True
    page: int | None = None
    """The page that the answer has to cite, where the document has pages."""


QUESTIONS = (
    Question(
        text="Qual é o prazo de entrega para o Nordeste?",
        notice="the answer quotes the document and cites the passage it stands in",
    ),
    Question(
        text="Comprei pelo site e me arrependi. Em quantos dias posso devolver o produto?",
        notice="each [n] is the source event with that number, so a claim can be followed",
    ),
    Question(
        text="Qual é o horário da loja no sábado?",
        notice="the first event comes at once, before anything was searched or written",
    ),
    Question(
        text="Qual é o valor da franquia do plano Aurora Proteção?",
        notice="this one comes from the PDF, and its source names the page",
        page=3,
    ),
    Question(
        text="Vocês emitem passagens aéreas para Lisboa?",
        notice="the documents say nothing about this, so the agent says so and cites nothing",
        answerable=False,
    ),
)


@dataclass
class Answer:
    """An answer as it grows, and the times at which its parts came."""

    text: str = ""
    source_pages: dict[int, int | None] = field(default_factory=dict[int, int | None])
    last_event: str = ""
    first_event_s: float | None = None
    first_text_s: float | None = None
    whole_s: float = 0.0

    def add(self, event: StreamEvent) -> None:
        """Take the next event in."""
        self.last_event = event.name
        self.whole_s = event.elapsed_s
        if self.first_event_s is None:
            self.first_event_s = event.elapsed_s
        match event.name, event.data:
            case "answer", str(piece):
                self.text += piece
                if self.first_text_s is None:
                    self.first_text_s = event.elapsed_s
            case "source", {"index": int(index)}:
                page = event.data.get("page")
                self.source_pages[index] = page if isinstance(page, int) else None
            case _:
                pass


def unmet(question: Question, answer: Answer) -> list[str]:
    """What is wrong with an answer; empty when all is well."""
    cited = {int(number) for number in _CITATION.findall(answer.text)}
    wrong: list[str] = []
    if answer.last_event != "done":
        wrong.append(f"the last event is `{answer.last_event or 'none'}`, not `done`")
    if not answer.text.strip():
        wrong.append("there is no text")
    if question.answerable and not answer.source_pages:
        wrong.append("there is no `source` event")
    if question.answerable and not cited:
        wrong.append("the answer cites nothing, though a document holds what was asked")
    if question.answerable and not cited <= answer.source_pages.keys():
        wrong.append("the answer cites a source that was not sent")
    if question.page not in (None, *(answer.source_pages.get(index) for index in cited)):
        wrong.append(f"the answer does not cite page {question.page}")
    if not question.answerable and cited:
        wrong.append("the answer cites a document, though none holds what was asked")
    return wrong
