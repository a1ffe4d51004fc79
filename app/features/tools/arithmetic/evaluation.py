"""Reads an expression by descending into it, and calculates while it reads."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

from app.features.tools.arithmetic.functions import CONSTANTS, CONTEXT, FUNCTIONS, call, finite
from app.features.tools.arithmetic.numbers import has_decimal_comma, localized, written
from app.features.tools.arithmetic.refusal import ExpressionRefused, out_of_range, unreadable
from app.features.tools.arithmetic.tokens import Token, tokens_of

MAX_DEPTH = 40
# Beyond it not every digit would be known.
LARGEST = Decimal(10) ** CONTEXT.prec


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value in digits (`1234.5`), as the language writes it, and how the text was read."""

    result: str
    formatted: str
    read_as: str


@dataclass(frozen=True, slots=True)
class _Value:
    """A number; a percentage is relative to what it is added to or taken from."""

    number: Decimal
    is_percent: bool = False


def evaluate(text: str, *, language: str, decimals: int | None = None) -> Evaluated:
    """The value of the expression, rounded half up to `decimals`.

    Raises:
        ExpressionRefused: it is none, has no real value, or is beyond the bounds: 1,000
            characters, 300 parts, 40 levels, 10^50.
    """
    decimal_comma = has_decimal_comma(language)
    tokens = tokens_of(text, decimal_comma=decimal_comma)
    try:
        value = _Reader(tokens).whole()
        if value.copy_abs() > LARGEST:
            raise out_of_range()
        result = written(value, decimals=decimals)
    except (DivisionByZero, ZeroDivisionError):
        raise ExpressionRefused("division_by_zero", "Something is divided by zero.") from None
    except Overflow:
        raise out_of_range() from None
    except InvalidOperation:
        raise ExpressionRefused("undefined", "The expression has no real value.") from None
    except (DecimalException, OverflowError):
        raise out_of_range() from None
    return Evaluated(result, localized(result, decimal_comma=decimal_comma), _read_as(tokens))


def _read_as(tokens: list[Token]) -> str:
    parts = (format(t.value, "f") if t.kind == "number" else t.text for t in tokens)
    return " ".join(parts).strip().replace("( ", "(").replace(" )", ")")


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    def whole(self) -> Decimal:
        value = self._sum()
        if self._token.kind != "end":
            raise self._unexpected()
        return value.number

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _takes(self, *signs: str) -> str | None:
        token = self._token
        if token.kind == "operator" and token.text in signs:
            self._at += 1
            return token.text
        return None

    def _unexpected(self) -> ExpressionRefused:
        token = self._token
        if token.kind == "end":
            return unreadable("The expression ends too early.")
        return unreadable(f"`{token.text[:40]}` at {token.start + 1} is not expected there.")

    def _deeper(self, read: Callable[[], _Value]) -> _Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise unreadable(f"The expression is nested deeper than {MAX_DEPTH} levels.")
        value = read()
        self._depth -= 1
        return value

    def _sum(self) -> _Value:
        left = self._product()
        while sign := self._takes("+", "-"):
            right = self._product()
            number = right.number
            if right.is_percent and not left.is_percent:
                number = CONTEXT.multiply(left.number, number)  # 200 - 10% is 180
            combine = CONTEXT.add if sign == "+" else CONTEXT.subtract
            both = left.is_percent and right.is_percent
            left = _Value(combine(left.number, number), both)
        return left

    def _product(self) -> _Value:
        left = self._signed()
        while sign := self._takes("*", "/", "//", "mod", "of", "off"):
            right = self._signed()
            if sign in ("of", "off") and not left.is_percent:
                raise unreadable("Only a percentage is of something.")
            # `20% of 50% of 1000`
            both = sign == "of" and left.is_percent and right.is_percent
            left = _Value(_combined(sign, left.number, right.number), both)
        return left

    def _signed(self) -> _Value:
        sign = self._takes("+", "-")
        if sign is None:
            return self._power()
        value = self._deeper(self._signed)
        return value if sign == "+" else replace(value, number=value.number.copy_negate())

    def _power(self) -> _Value:
        base = self._percent()
        if self._takes("**") is None:
            return base
        exponent = self._deeper(self._signed)
        return _Value(finite(CONTEXT.power(base.number, exponent.number)))

    def _percent(self) -> _Value:
        value = self._operand()
        if self._takes("%") is None:
            return value
        return _Value(CONTEXT.divide(value.number, Decimal(100)), is_percent=True)

    def _operand(self) -> _Value:
        token = self._token
        if token.kind == "number":
            self._at += 1
            return _Value(token.value)
        if token.kind == "name":
            self._at += 1
            return self._named(token.text)
        if self._takes("√"):
            return _Value(self._deeper(self._operand).number.sqrt(CONTEXT))
        if self._takes("("):
            value = self._deeper(self._sum)
            self._closes()
            return value
        raise self._unexpected()

    def _named(self, name: str) -> _Value:
        if not self._takes("("):
            if name not in CONSTANTS:
                raise self._unexpected()
            return _Value(CONSTANTS[name])
        if name not in FUNCTIONS:
            raise self._unexpected()
        arguments = [self._deeper(self._sum).number]
        while self._takes(","):
            arguments.append(self._deeper(self._sum).number)
        self._closes()
        return _Value(call(name, tuple(arguments)))

    def _closes(self) -> None:
        if not self._takes(")"):
            raise self._unexpected()


def _combined(sign: str, left: Decimal, right: Decimal) -> Decimal:
    match sign:
        case "*" | "of":
            return CONTEXT.multiply(left, right)
        case "off":
            return CONTEXT.subtract(right, CONTEXT.multiply(left, right))
        case "/":
            return CONTEXT.divide(left, right)
        case "//":
            return CONTEXT.divide(CONTEXT.subtract(left, _modulo(left, right)), right)
        case _:
            return _modulo(left, right)


def _modulo(left: Decimal, right: Decimal) -> Decimal:
    """What floored division leaves, with the sign of the divisor, as people expect of hours."""
    rest = CONTEXT.remainder(left, right)
    return CONTEXT.add(rest, right) if rest and (rest < 0) != (right < 0) else rest
