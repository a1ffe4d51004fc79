"""The parts of an expression: numbers, names, operators."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from app.features.tools.arithmetic.functions import CONSTANTS, FUNCTIONS
from app.features.tools.arithmetic.numbers import read_number
from app.features.tools.arithmetic.refusal import out_of_range, unreadable

MAX_CHARS = 1000
MAX_TOKENS = 300
MAX_EXPONENT = 50
Kind = Literal["number", "name", "operator", "end"]

_SPACE = re.compile(r"[ \t\r\n\u00a0\u202f\u2009]+|(?:(?:R|US)?\$|[€£])[ \u00a0]?")
_DIGITS = re.compile(r"[0-9.,]*[0-9]")
_DIGITS_NO_COMMA = re.compile(r"[0-9.]*[0-9]")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,4})(?![0-9a-zA-Z_.,])")
_NAME = re.compile(r"[a-zA-ZÀ-ÖØ-öø-ÿ][a-zA-ZÀ-ÖØ-öø-ÿ0-9_]*")
_PERCENT = re.compile(r"(?:por\s+cento|per\s?cent|porcento)\b", re.IGNORECASE)
_OPERATOR = re.compile(r"\*\*|//|[-+*/%^()√;,πˆ×·÷−–²³]")
_SAME = {"^": "**", "ˆ": "**", "×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", ";": ","}
_POWERS = {"²": 2, "³": 3}
_OF = {"de", "do", "da", "dos", "das", "of", "sobre"}
_WORDS = dict.fromkeys(_OF, "of") | {"off": "off", "mod": "mod", "x": "*"}
_STARTS_OPERAND = re.compile(rf"[0-9.(√π]|(?!(?i:x|off|mod|{'|'.join(_OF)})\b)[a-zA-Z]")
_STARTS_MONEY = re.compile(r"(?:R|US)?\$|[€£]")
# How a question is written, and a cell of a spreadsheet.
_ASKED = re.compile(r"\A\s*=|=\s*\??\s*\Z")


@dataclass(frozen=True, slots=True)
class Token:
    """One part; a number has a value, `start` is where it stands in the text."""

    kind: Kind
    text: str
    start: int
    value: Decimal = Decimal(0)


def tokens_of(text: str, *, decimal_comma: bool) -> list[Token]:
    """The parts of the text, the last one marking its end.

    Raises:
        ExpressionRefused: it is too long, or holds what is no part of an expression.
    """
    if len(text) > MAX_CHARS:
        raise unreadable(f"The expression is longer than {MAX_CHARS} characters.")
    found: list[Token] = []
    for token in _Scanner(text, decimal_comma=decimal_comma).tokens():
        found.append(token)
        if len(found) > MAX_TOKENS:
            raise unreadable(f"The expression has more than {MAX_TOKENS} parts.")
    return [*found, Token("end", "", len(text))]


class _Scanner:
    def __init__(self, text: str, *, decimal_comma: bool) -> None:
        self._text = _ASKED.sub(lambda sign: " " * len(sign.group()), text)
        self._decimal_comma = decimal_comma
        self._at = 0
        # For each open bracket, whether a comma in it parts arguments.
        self._separates = [False]
        self._last_name = ""
        self._money = ""

    def tokens(self) -> Iterator[Token]:
        while True:
            while space := _SPACE.match(self._text, self._at):
                self._at = space.end()
                self._money = space.group().strip()
            if self._at == len(self._text):
                return
            yield from self._next()

    def _next(self) -> Iterator[Token]:
        digits = _DIGITS_NO_COMMA if self._separates[-1] else _DIGITS
        start, name = self._at, self._last_name
        self._last_name = ""
        if (found := digits.match(self._text, start)) is not None:
            yield self._number(found)
        elif (found := _PERCENT.match(self._text, start)) is not None:
            self._at = found.end()
            yield Token("operator", "%", start)
        elif (found := _NAME.match(self._text, start)) is not None:
            self._at = found.end()
            yield self._word(found.group().lower(), start)
        elif (found := _OPERATOR.match(self._text, start)) is not None:
            self._at = found.end()
            yield from self._operator(found.group(), start, name)
        else:
            raise unreadable(f"`{self._text[start]!a}` is no part of an expression.")

    def _number(self, found: re.Match[str]) -> Token:
        value = read_number(found.group(), decimal_comma=self._decimal_comma, money=self._money)
        self._money = ""
        self._at = found.end()
        if exponent := _EXPONENT.match(self._text, self._at):
            power = int(exponent.group(1))
            if abs(power) > MAX_EXPONENT:
                raise out_of_range("A number is too large or too small.")
            value = value.scaleb(power)
            self._at = exponent.end()
        return Token("number", self._text[found.start() : self._at], found.start(), value)

    def _word(self, name: str, start: int) -> Token:
        if name in _WORDS:
            return Token("operator", _WORDS[name], start)
        if name not in FUNCTIONS and name not in CONSTANTS:
            raise unreadable(f"There is no `{name[:40]}` here.")
        self._last_name = name
        return Token("name", name, start)

    def _operator(self, sign: str, start: int, name: str) -> Iterator[Token]:
        match sign:
            case "²" | "³":
                yield Token("operator", "**", start)
                yield Token("number", str(_POWERS[sign]), start, Decimal(_POWERS[sign]))
                return
            case "π":
                yield Token("name", "pi", start)
                return
            case "(":
                self._separates.append(self._parts_arguments(name))
            case ")" if len(self._separates) > 1:
                self._separates.pop()
            case "%":
                yield Token("operator", self._percent_or_modulo(start), start)
                return
            case _:
                pass
        yield Token("operator", _SAME.get(sign, sign), start)

    def _percent_or_modulo(self, start: int) -> str:
        """`10 % 3` and `10%3` are what programs write; `10% 200` leaves out a word, but which?"""
        after = self._text[self._at :]
        rest = after.lstrip()
        if not _STARTS_MONEY.match(rest):
            if not _STARTS_OPERAND.match(rest):
                return "%"
            is_spaced = self._text[start - 1 : start].isspace()
            if is_spaced == after[:1].isspace() and (is_spaced or rest[0] != "("):
                return "mod"
        raise unreadable(f"`%` at {start + 1} could be two: write `10% of 200` or `10 mod 200`.")

    def _parts_arguments(self, name: str) -> bool:
        """Whether a comma in the bracket that opens here parts arguments, or is a decimal mark."""
        if not name:
            return False
        if ";" in self._inside():
            return False
        return not self._decimal_comma or (name in FUNCTIONS and FUNCTIONS[name].takes_many)

    def _inside(self) -> str:
        """What stands between this bracket and its end, without what inner brackets hold."""
        depth, kept = 0, ""
        for character in self._text[self._at :]:
            depth += (character == "(") - (character == ")")
            if depth < 0:
                break
            kept += character if depth == 0 else ""
        return kept
