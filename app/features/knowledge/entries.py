"""Documents that are not uploaded: a text, a question with its answer, or an address."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.core.schemas import Body, Id, Json, Text
from app.features.knowledge import examples
from app.features.knowledge.base_schemas import IN_ANOTHER_LANGUAGE, Language
from app.features.knowledge.incoming import IncomingFile, Source, display_name

MARKDOWN = "text/markdown"
_NAME_CHARS = 80


class DocumentCreate(Body):
    """A document by its text, by its address, or as a question with its answer."""

    model_config = ConfigDict(json_schema_extra={"examples": examples.NEW_DOCUMENTS})

    knowledge_base_id: Id
    name: (
        Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True), Text]
        | None
    ) = Field(default=None, description="Without one it is named after what it begins with.")
    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000), Text] | None = (
        Field(default=None, description="Markdown or plain.")
    )
    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None, description="A public address that answers with a file of a known format."
    )
    question: Annotated[str, StringConstraints(min_length=1, max_length=1000), Text] | None = None
    answer: Annotated[str, StringConstraints(min_length=1, max_length=100_000), Text] | None = None
    metadata: Json = Field(default={})
    language: Language | None = Field(default=None, description=IN_ANOTHER_LANGUAGE)

    @model_validator(mode="after")
    def _one_way(self) -> "DocumentCreate":
        if (self.question is None) != (self.answer is None):
            raise ValueError("send `question` and `answer` together")
        if sum(one is not None for one in (self.text, self.url, self.question)) != 1:
            raise ValueError("send one of `text`, `url`, or `question` with `answer`")
        return self


def written(body: DocumentCreate) -> IncomingFile:
    """A text, or a question with its answer, as the file that is kept.

    The question is the heading of its answer: it is found by the words of either.
    """
    if body.question is None or body.answer is None:
        text = body.text or ""
        opening = text.strip().partition("\n")[0].lstrip("# ")
        return IncomingFile(
            display_name(body.name or opening[:_NAME_CHARS]), text.encode(), MARKDOWN
        )
    question = " ".join(body.question.split())
    return IncomingFile(
        display_name(body.name or question[:_NAME_CHARS]),
        f"# {question}\n\n{body.answer}".encode(),
        MARKDOWN,
        Source(question=body.question),
    )
