"""The functions and constants of expressions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    InvalidOperation,
    Overflow,
)
from decimal import DivisionByZero as ZeroDivision

from app.features.tools.arithmetic.refusal import ExpressionRefused, out_of_range, unreadable

# 50 digits; beyond 10^±999 is an overflow at once, however it is written.
CONTEXT = Context(prec=50, Emax=999, Emin=-999, traps=[InvalidOperation, ZeroDivision, Overflow])
MAX_ANGLE = Decimal(10) ** 9
MAX_PLACES = 20
FLOAT_DIGITS = Context(prec=15)

Arguments = tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function and how many arguments it takes."""

    of: Callable[[Arguments], Decimal]
    least: int = 1
    most: int = 1

    @property
    def takes_many(self) -> bool:
        """Whether it ever takes more than one argument."""
        return self.most > 1


def _rounded(arguments: Arguments) -> Decimal:
    value, places = arguments[0], arguments[1] if len(arguments) > 1 else Decimal(0)
    if places != int(places) or abs(places) > MAX_PLACES:
        raise unreadable(f"Round to a whole number of places, at most {MAX_PLACES}.")
    return value.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, Context(prec=200))


def _whole(rounding: str) -> Callable[[Arguments], Decimal]:
    return lambda arguments: arguments[0].to_integral_value(rounding)


def _sine_like(function: Callable[[float], float]) -> Callable[[Arguments], Decimal]:
    def of(arguments: Arguments) -> Decimal:
        if abs(arguments[0]) > MAX_ANGLE:
            raise out_of_range("The angle is too large.")
        value = function(float(arguments[0]))
        if abs(value) > 1e15:  # a tangent where there is none
            raise ExpressionRefused("undefined", "The expression has no real value.")
        # What is nothing but the error of a float: sin(pi) is 0.
        return Decimal(0) if abs(value) < 1e-15 else FLOAT_DIGITS.create_decimal_from_float(value)

    return of


def _log(arguments: Arguments) -> Decimal:
    if len(arguments) == 1:
        return arguments[0].log10(CONTEXT)
    base = arguments[1].ln(CONTEXT)
    quotient = CONTEXT.divide(arguments[0].ln(CONTEXT), base)
    return Context(prec=45).plus(quotient)  # so that log(8; 2) is 3


def _cube_root(arguments: Arguments) -> Decimal:
    value = arguments[0]
    root = (
        CONTEXT.power(value.copy_abs(), CONTEXT.divide(Decimal(1), Decimal(3))) if value else value
    )
    return Context(prec=45).plus(root).copy_sign(value)


def _mean(arguments: Arguments) -> Decimal:
    return CONTEXT.divide(_sum(arguments), Decimal(len(arguments)))


def _sum(arguments: Arguments) -> Decimal:
    total = Decimal(0)
    for argument in arguments:
        total = CONTEXT.add(total, argument)
    return total


MANY = 50
_ROOT = Function(lambda arguments: arguments[0].sqrt(CONTEXT))
_ROUND = Function(_rounded, 1, 2)
_FLOOR, _CEILING = Function(_whole(ROUND_FLOOR)), Function(_whole(ROUND_CEILING))
_LEAST, _MOST = Function(min, 1, MANY), Function(max, 1, MANY)
_SUM, _MEAN = Function(_sum, 1, MANY), Function(_mean, 1, MANY)
_SINE, _TANGENT = Function(_sine_like(math.sin)), Function(_sine_like(math.tan))
FUNCTIONS: dict[str, Function] = {
    "sqrt": _ROOT,
    "raiz": _ROOT,
    "cbrt": Function(_cube_root),
    "abs": Function(lambda arguments: arguments[0].copy_abs()),
    "round": _ROUND,
    "arredondar": _ROUND,
    "floor": _FLOOR,
    "piso": _FLOOR,
    "ceil": _CEILING,
    "teto": _CEILING,
    "min": _LEAST,
    "max": _MOST,
    "sum": _SUM,
    "soma": _SUM,
    "avg": _MEAN,
    "mean": _MEAN,
    "media": _MEAN,
    "média": _MEAN,
    "log": Function(_log, 1, 2),
    "log10": Function(lambda arguments: arguments[0].log10(CONTEXT)),
    "ln": Function(lambda arguments: arguments[0].ln(CONTEXT)),
    "exp": Function(lambda arguments: arguments[0].exp(CONTEXT)),
    "sin": _SINE,
    "sen": _SINE,
    "cos": Function(_sine_like(math.cos)),
    "tan": _TANGENT,
    "tg": _TANGENT,
}
CONSTANTS: dict[str, Decimal] = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937511"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369996"),
}


def call(name: str, arguments: Arguments) -> Decimal:
    """The function's value.

    Raises:
        ExpressionRefused: it takes another number of arguments.
        decimal.DecimalException: it has no value there.
    """
    function = FUNCTIONS[name]
    if not function.least <= len(arguments) <= function.most:
        raise ExpressionRefused("invalid_expression", f"`{name}` takes other arguments.")
    return finite(function.of(arguments))


def finite(value: Decimal) -> Decimal:
    """The value, if it is one: `ln(0)` gives an infinity without a word.

    Raises:
        ExpressionRefused: it is infinite.
    """
    if not value.is_finite():
        raise ExpressionRefused("undefined", "The expression has no real value.")
    return value
