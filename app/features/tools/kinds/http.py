"""Calls an HTTP API with the model's arguments, through the guarded client only."""

from typing import Any

from app.core.addresses import origin_of
from app.core.errors import InvalidRequest, Problem
from app.core.redaction import MIN_CHARS, redacted
from app.features.tools.kinds.http_calls.config import HttpConfig
from app.features.tools.kinds.http_calls.request import HttpRequest
from app.features.tools.kinds.http_calls.response import read_answer, shown
from app.features.tools.kinds.http_calls.selection import Selection
from app.features.tools.kinds.kind import CallContext, ToolFailed, ToolKind, ToolResult
from app.features.tools.results import plain
from app.features.tools.templates import PLACEHOLDER, parameters_for
from app.ports import Ports
from app.ports.fetch import HeadersRefused

EXAMPLE = {
    "url": "https://api.example.com/v1/products/{sku}",
    "method": "GET",
    "query": {"warehouse": "{warehouse}"},
    "headers": {"Accept-Language": "pt-BR"},
    "auth": {"type": "bearer", "secret": "token"},
    "secrets": {"token": "um-token-de-exemplo"},
    "response_path": "$.data.stock",
}


def _parameters(config: HttpConfig) -> dict[str, Any]:
    return parameters_for(config.required_names, config.optional_names)


def _check(config: HttpConfig, ports: Ports) -> None:
    ports.fetch.canonical(PLACEHOLDER.sub("x", config.url))
    # Checked where it is set, and not of what is stored already.
    short = [
        n for n, secret in config.secrets.items() if len(secret.get_secret_value()) < MIN_CHARS
    ]
    if short:
        detail = f"has fewer than {MIN_CHARS} characters, too few to be masked in answers"
        raise InvalidRequest(
            errors=[{"pointer": f"/config/secrets/{name}", "detail": detail} for name in short]
        )
    headers = {name: PLACEHOLDER.sub("x", value) for name, value in config.headers.items()}
    try:
        ports.fetch.check_headers(headers | dict.fromkeys(config.auth_headers, ""))
    except HeadersRefused as refused:
        told = {"pointer": "/config/headers", "detail": refused.detail}
        raise HeadersRefused(refused.detail, errors=[told]) from None


async def _call(config: HttpConfig, arguments: dict[str, Any], context: CallContext) -> ToolResult:
    request = HttpRequest(config, arguments, context)
    trace: dict[str, Any] = {"request": redacted(request.shown, request.private)}
    try:
        answer = await context.ports.fetch.send(request.outgoing)
        trace["response"] = shown(answer, request.private)
        content = await read_answer(answer, Selection(config.response_path), request.private)
    except Problem as problem:
        detail = redacted(problem.detail or problem.title(), request.private)
        raise ToolFailed(type(problem).code(), detail, trace=trace) from None
    except ToolFailed as failure:
        detail = redacted(failure.detail, request.private)
        raise ToolFailed(
            failure.code, detail, is_mendable=failure.is_mendable, trace=trace
        ) from None
    content = redacted(plain(content), request.private)
    if config.response_path is not None:
        trace["selected"] = content
    return ToolResult(content=content, is_untrusted=True, trace=trace)


KIND = ToolKind(
    name="http",
    title="HTTP API",
    description="Calls an API with the model's arguments and gives the model its answer.",
    config=HttpConfig,
    example=EXAMPLE,
    risk="write",
    has_side_effects=lambda config: config.method not in ("GET", "HEAD"),
    parameters=_parameters,
    call=_call,
    secret_fields=("secrets",),
    takes_own_parameters=True,
    check=_check,
    secrets_go_to=lambda config: origin_of(config.get("url")),
)
