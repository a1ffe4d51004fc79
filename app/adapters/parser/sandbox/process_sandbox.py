"""Files of strangers, each read in a process of its own that is killed when it goes too far."""

import asyncio
import os
import signal
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from threading import Event

import structlog

from app.adapters.parser.sandbox.child import NOT_BEGUN
from app.adapters.parser.sandbox.exchange import Ended, exchange
from app.adapters.parser.sandbox.orders import (
    MIB,
    AnswerMalformed,
    Limits,
    Order,
    Refused,
    read_answer,
    too_complex,
    too_long,
)
from app.ports.parser import (
    Cut,
    DocumentUnreadable,
    Parser,
    ParsingUnavailable,
    TextChunk,
)

AT_ONCE = 4
# Whoever asks for a preview waits for it, and may upload what takes longer.
PREVIEWS_AT_ONCE = 2
PREVIEW_LIMITS = Limits(
    memory_bytes=512 * MIB,
    cpu_s=8,
    wall_s=15.0,
    advice="An upload is given more; or split it, or simplify it.",
)
REGISTRY = "app.adapters.parser"
log = structlog.get_logger(__name__)


class ProcessSandbox:
    """At most `at_once` documents at a time, each in a child of its own."""

    def __init__(
        self, threads: ThreadPoolExecutor, limits: Limits, registry: str, at_once: int
    ) -> None:
        self._threads = threads
        self._limits = limits
        self._registry = registry
        self._places = asyncio.Semaphore(at_once)

    async def chunks(self, parser: Parser, content: bytes, cut: Cut) -> tuple[TextChunk, ...]:
        order = Order(
            registry=self._registry,
            parser=parser.name,
            parent=os.getpid(),
            limits=self._limits,
            cut=cut,
        )
        cancelled = Event()
        async with self._places:
            reading = self._threads.submit(partial(_read, order, content, cancelled))
            try:
                return await asyncio.wrap_future(reading)
            finally:
                cancelled.set()
                await _ended(reading)


async def _ended(reading: "Future[tuple[TextChunk, ...]]") -> None:
    """Wait until nothing is left of a child, however often this is cancelled."""
    while not reading.done():
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)


def _read(order: Order, content: bytes, cancelled: Event) -> tuple[TextChunk, ...]:
    try:
        ended = exchange(order, content, cancelled)
    except OSError as error:
        raise ParsingUnavailable(f"No process could be started: {error.strerror}.") from None
    return _chunks(ended, order)


def _chunks(ended: Ended, order: Order) -> tuple[TextChunk, ...]:
    if ended.exit_code == NOT_BEGUN:
        raise ParsingUnavailable("The process that reads files could not begin.")
    if ended.stopped or ended.exit_code:
        raise _failure(ended, order)
    try:
        said = read_answer(ended.output, order.limits)
    except AnswerMalformed:
        raise DocumentUnreadable("The parser's answer is not whole.") from None
    if isinstance(said, Refused):
        if said.crash:
            log.error("parser_crashed", parser=order.parser, place=said.crash)
        raise said.problem
    return said


def _failure(ended: Ended, order: Order) -> DocumentUnreadable | ParsingUnavailable:
    limits = order.limits
    log.warning(
        "parser_killed", parser=order.parser, exit_code=ended.exit_code, stopped=ended.stopped
    )
    match ended.stopped, -ended.exit_code:
        case ("time", _) | (None, signal.SIGALRM):
            return too_complex(f"{limits.wall_s:.0f} s", limits)
        case "output", _:
            return too_long(limits)
        case None, signal.SIGXCPU | signal.SIGKILL:
            # Linux kills at a limit that is the hard one too, and whatever is largest when memory
            # is short.
            what = f"{limits.cpu_s} s of computing, or more memory than there is"
            return too_complex(what, limits)
        case None, signal.SIGTERM:
            # Not from us: all processes of a service get it as the service is stopped, and a child
            # ignores it only once it has begun. The file was not looked at.
            return ParsingUnavailable("The process that reads files was stopped as it began.")
        case _:
            return DocumentUnreadable(
                "Reading it failed: the file is damaged, or more complex than can be read."
            )


@contextmanager
def open_sandbox(
    limits: Limits | None = None, *, registry: str = REGISTRY, at_once: int = AT_ONCE
) -> Generator[ProcessSandbox]:
    """A sandbox whose parsers are looked up in the module `registry`."""
    with ThreadPoolExecutor(at_once, thread_name_prefix="parsing") as threads:
        yield ProcessSandbox(threads, limits or Limits(), registry, at_once)


def open_preview_sandbox() -> AbstractContextManager[ProcessSandbox]:
    """One for what is only shown, so that it never waits for what is indexed, nor holds that up."""
    return open_sandbox(PREVIEW_LIMITS, at_once=PREVIEWS_AT_ONCE)
