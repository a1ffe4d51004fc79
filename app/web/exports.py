"""Files that a browser saves, sent while they are read, and marked where they are cut."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast

import structlog
from fastapi import Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from app.core.csv_rows import BYTE_ORDER_MARK, csv_line
from app.core.errors import Problem

MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
DELIMITERS = {"comma": ",", "semicolon": ";"}
Format = Annotated[
    Literal["csv", "ndjson"],
    Query(description="A table for spreadsheets, or one JSON object a line for programs."),
]
Delimiter = Annotated[
    Literal["comma", "semicolon"],
    Query(
        description="`comma` is what programs expect (RFC 4180);"
        " `semicolon` opens in columns by a double click in a Brazilian Excel."
    ),
]
CUT = "EXPORT CUT SHORT"
Record = TypeVar("Record", bound=BaseModel)
SheetRecord = TypeVar("SheetRecord", bound=BaseModel, contravariant=True)
log = structlog.get_logger(__name__)


class Sheet(Protocol[SheetRecord]):
    """Records as lines of a table."""

    def header(self) -> str: ...
    def row(self, record: SheetRecord, /) -> str: ...


class Columns:
    """A sheet whose columns are named by where their values stand, `handoff.reason`."""

    def __init__(self, names: Sequence[str], delimiter: str = ",") -> None:
        self._names, self._delimiter = names, delimiter
        self._paths = [name.split(".") for name in names]

    def header(self) -> str:
        return BYTE_ORDER_MARK + csv_line(self._names, delimiter=self._delimiter)

    def row(self, record: BaseModel, /) -> str:
        values = record.model_dump(mode="json")
        cells = [_cell(values, path) for path in self._paths]
        return csv_line(cells, delimiter=self._delimiter)


def _cell(value: Any, path: Sequence[str]) -> object:
    for name in path:
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else None
    return value


def columns(names: Sequence[str], format_: Format, delimiter: Delimiter) -> Columns | None:
    """The sheet of a table with these columns; None where no table is wanted."""
    return Columns(names, DELIMITERS[delimiter]) if format_ == "csv" else None


async def lines(
    pages: AsyncIterator[Sequence[Record]], sheet: Sheet[Record] | None
) -> AsyncGenerator[str]:
    """The records by the sheet, after its header; without one as JSON, one a line."""
    if sheet is not None:
        yield sheet.header()
    async for page in pages:
        if sheet is None:
            yield "".join(record.model_dump_json() + "\n" for record in page)
        else:
            yield "".join(sheet.row(record) for record in page)


async def export_response(
    name: str, pieces: AsyncGenerator[str], format_: Format = "csv"
) -> StreamingResponse:
    """The pieces as a file of that name, in UTF-8; a table has a byte order mark.

    The first piece is awaited before the response begins, so that what fails there is a problem
    and no broken file. What fails later is written as the last line, and the connection is cut
    before its end is told: no client takes a part for the whole. Closing the response closes the
    generator.
    """
    first = await anext(pieces, "")

    async def body() -> AsyncGenerator[bytes]:
        async with aclosing(pieces):
            yield first.encode()
            try:
                async for piece in pieces:
                    yield piece.encode()
            except Exception as error:
                code = type(error).code() if isinstance(error, Problem) else Problem.code()
                log.warning("export_cut_short", export=name, code=code)
                yield _cut(format_, code).encode()
                raise

    return StreamingResponse(
        body(),
        media_type=f"{MEDIA_TYPES[format_]}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.{format_}"',
            "Cache-Control": "no-store",
        },
    )


def _cut(format_: Format, code: str) -> str:
    if format_ == "csv":
        return csv_line([CUT, code])
    return json.dumps({"error": {"code": code, "title": CUT}}) + "\n"


def csv_answer(example: str) -> dict[int | str, dict[str, Any]]:
    """The 200 of a route that answers with a table, for the OpenAPI document."""
    content = {MEDIA_TYPES["csv"]: {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "The table.", "content": content}}


def export_answer(sheet: Sheet[Record], record: Record) -> dict[int | str, dict[str, Any]]:
    """The 200 of a route that answers with a table or with lines of JSON."""
    answer = csv_answer(sheet.header() + sheet.row(record))
    example = record.model_dump_json() + "\n"
    answer[200]["content"][MEDIA_TYPES["ndjson"]] = {
        "schema": {"type": "string"},
        "example": example,
    }
    return answer
