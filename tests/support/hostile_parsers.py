"""Parsers that do what no parser should; the sandbox's child looks them up here by name."""

import ctypes
import os
import re
import socket
import time
from collections.abc import Callable

from app.ports.parser import ParsedText, Parser


def _text(text: str) -> ParsedText:
    return ParsedText((text,), is_markdown=False)


def loop(_: bytes) -> ParsedText:
    while True:
        pass


def loop_in_c(_: bytes) -> ParsedText:
    re.match("(a|a)*$", "a" * 64 + "b")
    return _text("never")


def sleep(_: bytes) -> ParsedText:
    time.sleep(60)
    return _text("never")


def greedy(_: bytes) -> ParsedText:
    held = []
    while True:
        held.append(b"x" * 50_000_000)


def greedy_at_once(_: bytes) -> ParsedText:
    return _text("x" * (2 << 30))


def segfault(_: bytes) -> ParsedText:
    ctypes.string_at(0)
    return _text("never")


def abort(_: bytes) -> ParsedText:
    os.abort()


def leave(_: bytes) -> ParsedText:
    os._exit(0)


def flood_of_text(_: bytes) -> ParsedText:
    return _text("palavra " * 4_000_000)


def flood_of_bytes(_: bytes) -> ParsedText:
    while True:
        os.write(1, b"x" * 65536)


def liar(_: bytes) -> ParsedText:
    os.write(1, b'{"bytes": 3, "chunks": [[0, 900, 1, null, ""]]}\nabc')
    os._exit(0)


def deep_liar(_: bytes) -> ParsedText:
    os.write(1, b"[" * 100_000 + b"\n")
    os._exit(0)


def buggy(content: bytes) -> ParsedText:
    return _text(str(1 // len(content[:0])))


def echo(content: bytes) -> ParsedText:
    return _text(content.decode())


def pages(content: bytes) -> ParsedText:
    return ParsedText(tuple(content.decode().split("\f")), is_markdown=True, is_paged=True)


def spy(_: bytes) -> ParsedText:
    """What a parser that was taken over gets hold of, an attempt a line."""
    attempts: dict[str, Callable[[], object]] = {
        "variables": lambda: sorted(os.environ),  # noqa: TID251 (what is left of it is asked)
        "socket": lambda: socket.socket(),
        "read": lambda: os.open("/etc/hostname", os.O_RDONLY),
        "parent": lambda: os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY),
        "write": lambda: os.open("written-by-a-parser", os.O_CREAT | os.O_WRONLY),
        "list": lambda: os.listdir("/"),
        "delete": lambda: os.unlink("never-there"),
        "fork": lambda: os.fork(),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "kill": lambda: os.kill(os.getppid(), 0),
        "descriptors": lambda: os.dup(0),
    }
    return _text("\n\n".join(f"{name}: {_tried(attempt)}" for name, attempt in attempts.items()))


def _tried(attempt: Callable[[], object]) -> str:
    try:
        return f"got {attempt()!r}"
    except OSError as error:
        return f"refused ({error.strerror})"


PARSERS = {
    parse.__name__: Parser(parse.__name__, "text/plain", (), lambda content, name: True, parse)
    for parse in (
        *(loop, loop_in_c, sleep, greedy, greedy_at_once, segfault, abort, leave, flood_of_text),
        *(flood_of_bytes, liar, deep_liar, buggy, echo, pages, spy),
    )
}
PARSERS["unborn"] = Parser(
    "unborn", "text/plain", (), lambda content, name: True, echo, ("no_such_library",)
)
