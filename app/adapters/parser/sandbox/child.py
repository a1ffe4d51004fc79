"""The process that reads one document: standard input to standard output, then it ends."""

import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module

from app.adapters.parser import chunking
from app.adapters.parser.cleaning import cleaned
from app.adapters.parser.sandbox.confinement import limit, lock, stay_with
from app.adapters.parser.sandbox.orders import (
    MIB,
    Order,
    answer,
    refusal,
    too_complex,
    too_long,
)
from app.ports.parser import (
    DocumentEmpty,
    DocumentTooComplex,
    DocumentUnreadable,
    ParsedText,
    Parser,
)

# What the service knows an end before the document was looked at by (EX_UNAVAILABLE).
NOT_BEGUN = 69


def main() -> None:
    """Follow the order in the last argument."""
    try:
        order = Order.read(sys.argv[-1])
        stay_with(order.parent)
        limit(order.limits)
        parser: Parser = import_module(order.registry).PARSERS[order.parser]
        for library in (*parser.libraries, *chunking.LIBRARIES):
            import_module(library)
        content = sys.stdin.buffer.read()
    except Exception:
        os._exit(NOT_BEGUN)
    lock()
    _send(_answer(parser, content, order))
    # Not sys.exit: a library's own clean-up could still fail, and nothing is left to clean.
    os._exit(0)


def _answer(parser: Parser, content: bytes, order: Order) -> bytes:
    try:
        parsed = _cleaned(parser.parse(content))
        text = "".join(parsed.pages)
        if len(text) > order.limits.output_chars:
            raise too_long(order.limits)
        chunks = list(chunking.cut(parsed, order.cut))
        if not chunks:
            raise DocumentEmpty
        return answer(text, chunks)
    except DocumentUnreadable as problem:
        return refusal(problem)
    except MemoryError:
        memory = f"{order.limits.memory_bytes // MIB} MiB of memory"
        return refusal(too_complex(memory, order.limits))
    except RecursionError:
        nested = "Its parts are nested too deeply: some hundred levels are read. Flatten it."
        return refusal(DocumentTooComplex(nested))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {frame.name}, {os.path.basename(frame.filename)}"
        return refusal(DocumentUnreadable(), crash=f"{place}:{frame.lineno}")


def _cleaned(parsed: ParsedText) -> ParsedText:
    pages = tuple(map(cleaned, parsed.pages))
    return ParsedText(pages, is_markdown=parsed.is_markdown, is_paged=parsed.is_paged)


def _send(data: bytes) -> None:
    view = memoryview(data)
    with suppress(BrokenPipeError):
        while view:
            view = view[os.write(1, view) :]
