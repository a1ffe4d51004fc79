"""Exact arithmetic for a model: prices, percentages, instalments."""

from typing import Annotated, Any

from pydantic import Field

from app.core.schemas import Body
from app.features.tools.arithmetic import ExpressionRefused, evaluate
from app.features.tools.arithmetic.tokens import MAX_CHARS
from app.features.tools.kinds.kind import CallContext, ToolFailed, ToolKind, ToolResult

SYNTAX = (
    "Arithmetic: + - * / // ^ ( ), `15% of 200` or `15% de 200`, `200 - 10%`, sqrt,"
    " round(x; places), abs, floor, ceil, min, max, sum, avg, log, ln, exp, sin, cos, tan, pi, e."
    " Numbers as 1234.56; part arguments with `;`."
)


class CalculatorConfig(Body):
    """How results are written."""

    precision: Annotated[
        int | None,
        Field(ge=0, le=20, description="Decimals to which results are rounded, half up."),
    ] = None


def _parameters(_config: CalculatorConfig) -> dict[str, Any]:
    expression = {
        "type": "string",
        "description": SYNTAX,
        "minLength": 1,
        "maxLength": MAX_CHARS,
    }
    return {
        "type": "object",
        "properties": {"expression": expression},
        "required": ["expression"],
        "additionalProperties": False,
    }


async def _call(
    config: CalculatorConfig, arguments: dict[str, Any], context: CallContext
) -> ToolResult:
    # On the event loop: the bounds of an expression keep the worst one below 50 ms.
    try:
        value = evaluate(
            arguments["expression"], language=context.language, decimals=config.precision
        )
    except ExpressionRefused as refused:
        raise ToolFailed(refused.code, refused.detail, is_mendable=True) from None
    content = {"result": value.result, "formatted": value.formatted, "read_as": value.read_as}
    return ToolResult(content=content, trace=content)


KIND = ToolKind(
    name="calculator",
    title="Calculator",
    description="Evaluates arithmetic, percentages and the usual functions exactly.",
    config=CalculatorConfig,
    example={"precision": 2},
    risk="read",
    has_side_effects=lambda _config: False,
    parameters=_parameters,
    call=_call,
)
