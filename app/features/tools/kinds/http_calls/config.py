"""The configuration of a tool of the kind http."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from app.core.schemas import Body, Text
from app.features.tools.kinds.http_calls.selection import PathRefused, Selection
from app.features.tools.kinds.kind import SecretText
from app.features.tools.templates import PLACEHOLDER, check_field_names, names_of, texts_in

# Everything up to the path holds no placeholder, so no argument can change who is called.
_ORIGIN = re.compile(r"https?://[^/?#{}@\\\s]+(?=[/?]|\Z)")
_SECRET_HEADERS = {"authorization", "cookie", "x-api-key", "api-key"}
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
CSV_TYPE = "text/csv"
TEXT_TYPES = ("text/plain", CSV_TYPE)
XML_TYPES = ("application/xml", "text/xml", "application/soap+xml")
BODY_TYPES = (JSON_TYPE, FORM_TYPE, *TEXT_TYPES, *XML_TYPES)

SecretName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
Template = Annotated[str, StringConstraints(max_length=2000), Text]


class NoAuth(Body):
    """No credential."""

    type: Literal["none"]


class BearerAuth(Body):
    """`Authorization: Bearer <secret>`."""

    type: Literal["bearer"]
    secret: SecretName = "token"


class BasicAuth(Body):
    """`Authorization: Basic …` of the user name and a secret."""

    type: Literal["basic"]
    username: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^:\x00-\x1f]*$")]
    secret: SecretName = "password"


class ApiKeyAuth(Body):
    """A secret in a header or in the query."""

    type: Literal["api_key"]
    send_in: Literal["header", "query"] = "header"
    name: HeaderName = "X-API-Key"
    secret: SecretName = "api_key"


Auth = Annotated[NoAuth | BearerAuth | BasicAuth | ApiKeyAuth, Field(discriminator="type")]


class HttpConfig(Body):
    """One request to an API, with `{placeholders}` for the model's arguments.

    `{secrets.name}` in a header or in the query stands for a secret.
    """

    url: Annotated[
        str,
        StringConstraints(min_length=1, max_length=2000),
        Text,
        Field(
            description="With placeholders in path and query only; scheme and host are fixed. Shown"
            " as it is: a credential belongs into secrets, sent by `auth` (`send_in: query`) or as"
            " `{secrets.name}` in `query`."
        ),
    ]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[HeaderName, Template] = Field(default={}, max_length=30)
    query: dict[str, Template] = Field(
        default={},
        max_length=50,
        description="Added to the URL's; an entry whose argument is left out is left out, too.",
    )
    body: Any = Field(
        default=None,
        description="JSON whose texts may hold placeholders: a text that is only one takes the"
        " argument with its type. Or a text, with a `Content-Type` header that is a form, plain"
        " text or XML.",
    )
    auth: Auth = NoAuth(type="none")
    secrets: dict[SecretName, SecretText] = Field(
        default={}, max_length=10, description="By the names that auth and placeholders use."
    )
    response_path: Annotated[
        str | None,
        StringConstraints(max_length=200),
        Field(description="JSONPath (RFC 9535) of what the model is to get of a JSON answer."),
    ] = None
    max_response_bytes: Annotated[int, Field(ge=1, le=1_048_576)] = 262_144

    @field_validator("url")
    @classmethod
    def _names_its_host(cls, url: str) -> str:
        if not _ORIGIN.match(url) or "#" in url:
            raise ValueError(
                "must be http(s)://host/path without user or fragment, its host fixed in writing"
            )
        if names_of(url, secrets=True):
            raise ValueError("must hold no secret: put it into auth, headers or query")
        if re.search("[{}]", PLACEHOLDER.sub("", url)):
            raise ValueError("holds a brace that is no {placeholder}: write it as %7B or %7D")
        return url

    @field_validator("response_path")
    @classmethod
    def _is_a_path(cls, path: str | None) -> str | None:
        try:
            Selection(path)
        except PathRefused as refused:
            raise ValueError(str(refused)) from None
        return path

    @field_validator("headers")
    @classmethod
    def _keep_secrets_apart(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if name.lower() in _SECRET_HEADERS and not names_of(value, secrets=True):
                raise ValueError(f"{name}: keep it in secrets and write {{secrets.name}} here")
        if len({name.lower() for name in headers}) != len(headers):
            raise ValueError("names a header twice")
        return headers

    @field_validator("body")
    @classmethod
    def _holds_no_secret(cls, body: Any) -> Any:
        if names_of(*texts_in(body), secrets=True):
            raise ValueError("must hold no secret: put it into auth, headers or query")
        check_field_names(body)
        return body

    @model_validator(mode="after")
    def _fits_together(self) -> "HttpConfig":
        if missing := sorted(self._needed_secrets() - set(self.secrets)):
            raise ValueError(f"secrets must hold {', '.join(missing)}")
        if self.body is not None:
            self._check_body(is_text=isinstance(self.body, str), kind=self.content_type)
        return self

    def _check_body(self, *, is_text: bool, kind: str) -> None:
        if self.method in ("GET", "HEAD"):
            raise ValueError(f"{self.method} takes no body")
        if kind not in BODY_TYPES:
            raise ValueError(f"a body may be one of {', '.join(BODY_TYPES)}")
        if is_text and kind == JSON_TYPE:
            raise ValueError("write a JSON body as JSON, not as a text")
        if not is_text and kind not in (JSON_TYPE, FORM_TYPE):
            raise ValueError(f"write a body of {kind} as a text")
        if not isinstance(self.body, str | dict) and kind == FORM_TYPE:
            raise ValueError("write the body of a form as an object or a text")

    def _needed_secrets(self) -> set[str]:
        named = set(names_of(*self.headers.values(), *self.query.values(), secrets=True))
        return named if isinstance(self.auth, NoAuth) else named | {self.auth.secret}

    @property
    def origin(self) -> str:
        """Scheme and host, as they are written."""
        match = _ORIGIN.match(self.url)
        return match.group() if match else ""

    @property
    def auth_headers(self) -> list[str]:
        """The header that the credential goes into, where its name is a free choice."""
        auth = self.auth
        return [auth.name] if isinstance(auth, ApiKeyAuth) and auth.send_in == "header" else []

    @property
    def content_type(self) -> str:
        """Of the body, in lower case and without parameters."""
        for name, value in self.headers.items():
            if name.lower() == "content-type":
                return value.partition(";")[0].strip().lower()
        return JSON_TYPE

    @property
    def required_names(self) -> list[str]:
        """Placeholders without which there is no request: those of the path."""
        return names_of(self.url)

    @property
    def optional_names(self) -> list[str]:
        """Placeholders whose field is left out where they have no value."""
        return names_of(*self.query.values(), *self.headers.values(), *texts_in(self.body))
