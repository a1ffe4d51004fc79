"""The request that a call makes: every value encoded for where it stands."""

import base64
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, cast
from urllib.parse import quote, unquote, urlencode

import orjson

from app.core.redaction import MASK, redacted_start
from app.features.tools.kinds.http_calls.config import (
    CSV_TYPE,
    FORM_TYPE,
    JSON_TYPE,
    XML_TYPES,
    ApiKeyAuth,
    BasicAuth,
    BearerAuth,
    HttpConfig,
    NoAuth,
)
from app.features.tools.kinds.http_calls.errors import unfit
from app.features.tools.kinds.http_calls.plain_bodies import filled_rows, in_text
from app.features.tools.kinds.kind import CallContext, ToolFailed
from app.features.tools.templates import ArgumentMissing, Filling, as_text
from app.ports.fetch import Outgoing

# The answer must be there before the tool's own time is over, so that the trace can tell of it.
MARGIN_S = 0.2
MAX_DECODINGS = 4
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_WITH_CONTROLS_KEPT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _in_path(value: str) -> str:
    """One segment or a part of one: it can neither leave it nor climb."""
    if not value:
        raise unfit("A value in the path is empty.")
    if _CONTROLS.search(value):
        raise unfit("A value in the path holds a control character.")
    decoded = value
    for _ in range(MAX_DECODINGS):
        # Servers and proxies before them may decode again what is encoded here.
        if any(part in (".", "..") for part in re.split(r"[/\\;]", decoded)):
            raise unfit("A value in the path is or holds `.` or `..`.")
        decoded = unquote(decoded)
    return quote(value, safe="")


def _in_query(value: str) -> str:
    return quote(value, safe="")


def _in_header(value: str) -> str:
    if not value.isascii() or _CONTROLS.search(value):
        raise unfit("A value in a header holds a line break or is not visible ASCII.")
    return value


def _in_xml(value: str) -> str:
    return escape(_WITH_CONTROLS_KEPT.sub("\ufffd", value))


class HttpRequest:
    """One request, with what of it must not be shown."""

    def __init__(
        self, config: HttpConfig, arguments: Mapping[str, Any], context: CallContext
    ) -> None:
        self._config, self._context = config, context
        self._filling = Filling(arguments, context.secrets)
        self.private = dict(context.secrets)
        try:
            headers = self._headers()
            self.outgoing = Outgoing(
                url=self._url(),
                method=config.method,
                headers=headers,
                content=self._content(),
                total_s=max(0.5, context.timeout_s - MARGIN_S),
                max_bytes=config.max_response_bytes,
            )
        except ArgumentMissing as missing:
            raise unfit(f"`{missing}` is missing.") from None

    @property
    def shown(self) -> dict[str, Any]:
        """The request as it is sent, for the trace."""
        sent = self.outgoing
        headers = {
            name: MASK if name.lower() in ("authorization", "cookie") else value
            for name, value in sent.headers.items()
        }
        body = redacted_start(sent.content, self.private, size=4096)
        return {"method": sent.method, "url": sent.url, "headers": headers, "body": body}

    def _url(self) -> str:
        config = self._config
        path, mark, query = config.url.partition("?")
        filled = self._filling.text(path, _in_path)
        if any(segment in (".", "..") for segment in filled.removeprefix(config.origin).split("/")):
            raise unfit("A value makes the path climb.")
        parts = [self._filling.text(query, _in_query)] if mark and query else []
        if more := urlencode(list(self._query()), quote_via=quote, safe=""):
            parts.append(more)
        url = f"{filled}?{'&'.join(parts)}" if parts else filled
        # By now nothing can have changed it; whoever changes the above, this stays true.
        if not url.startswith(config.origin) or url[len(config.origin) :][:1] not in ("", "/", "?"):
            raise unfit("A value leaves its place.")
        return url

    def _query(self) -> Iterator[tuple[str, str]]:
        for name, template in self._config.query.items():
            filled = self._filling.whole(template)
            yield from ((name, as_text(value)) for value in _several(filled) if value is not None)
        auth = self._config.auth
        if isinstance(auth, ApiKeyAuth) and auth.send_in == "query":
            yield auth.name, self._context.secrets[auth.secret]

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json, text/*;q=0.8, */*;q=0.1"}
        if self._config.body is not None:
            headers["Content-Type"] = JSON_TYPE
        if self._config.method not in ("GET", "HEAD"):
            # The same for the same call, so that a server that knows it acts once.
            headers["Idempotency-Key"] = self._context.key
        own = dict(self._own_headers())
        taken = {name.lower() for name in own}
        return {n: v for n, v in headers.items() if n.lower() not in taken} | own

    def _own_headers(self) -> Iterator[tuple[str, str]]:
        for name, template in self._config.headers.items():
            try:
                yield name, self._filling.text(template, _in_header)
            except ArgumentMissing:
                continue
        match self._config.auth:
            case NoAuth():
                return
            case BearerAuth(secret=secret):
                yield "Authorization", f"Bearer {self._secret(secret)}"
            case BasicAuth(username=username, secret=secret):
                pair = f"{username}:{self._context.secrets[secret]}".encode()
                self.private["basic"] = base64.b64encode(pair).decode()
                yield "Authorization", f"Basic {self.private['basic']}"
            case ApiKeyAuth(send_in="header", name=name, secret=secret):
                yield name, self._secret(secret)
            case ApiKeyAuth():
                return

    def _secret(self, name: str) -> str:
        secret = self._context.secrets[name]
        if not secret.isascii() or _CONTROLS.search(secret):
            raise ToolFailed("secret_unusable", "A secret cannot stand in a header; set it again.")
        return secret

    def _content(self) -> bytes:
        body, kind = self._config.body, self._config.content_type
        if body is None:
            return b""
        if not isinstance(body, str):
            filled = self._filling.whole(body)
            return orjson.dumps(filled) if kind == JSON_TYPE else _form(filled)
        if kind == CSV_TYPE:
            return filled_rows(body, self._filling).encode("utf-8", "replace")
        encode = {FORM_TYPE: _in_query} | dict.fromkeys(XML_TYPES, _in_xml)
        return self._filling.text(body, encode.get(kind, in_text)).encode("utf-8", "replace")


def _form(fields: dict[str, Any]) -> bytes:
    pairs = [(name, as_text(part)) for name, value in fields.items() for part in _several(value)]
    return urlencode(pairs).encode()


def _several(value: Any) -> list[Any]:
    """The items of a list, which forms and queries repeat; of anything else, itself."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]
