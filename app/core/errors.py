"""Problems (RFC 9457): one family of exceptions that are also the error responses.

    Problem
    ├── InvalidRequest 422, MalformedRequest 400, PayloadTooLarge 413, UnsupportedMediaType 415
    ├── AddressTooLong 414, HeadersTooLarge 431, RequestTooSlow 408
    ├── Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405
    ├── Conflict 409, PreconditionFailed 412
    └── ServiceUnavailable 503, DeadlineExceeded 504

Each room and port derives its own. The class is the documentation: `status` is the HTTP status,
the docstring's first line is the title, the name gives the stable `code`.
"""

import re
from collections.abc import Mapping
from typing import ClassVar


class Problem(Exception):
    """Something went wrong on our side."""

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    @classmethod
    def title(cls) -> str:
        """The same short sentence for every occurrence of this kind of problem."""
        return (cls.__doc__ or Problem.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def code(cls) -> str:
        """What programs compare: the class name in snake_case, stable over releases."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def slug(cls) -> str:
        """The last part of the `type` address."""
        return cls.code().replace("_", "-")


class CannotStart(Exception):
    """The service cannot start; the message says what happened and what to do about it."""


class MalformedRequest(Problem):
    """The request could not be read."""

    status = 400


class Unauthorized(Problem):
    """A valid credential is needed."""

    status = 401


class Forbidden(Problem):
    """The credential does not allow this."""

    status = 403


class NotFound(Problem):
    """There is nothing at this address."""

    status = 404


class MethodNotAllowed(Problem):
    """This address does not take that method."""

    status = 405


class RequestTooSlow(Problem):
    """The request did not arrive in time."""

    status = 408
    retryable = True


class Conflict(Problem):
    """The request does not fit the present state."""

    status = 409


class PreconditionFailed(Problem):
    """The resource has changed since you read it."""

    status = 412


class PayloadTooLarge(Problem):
    """The body is larger than this address takes."""

    status = 413


class AddressTooLong(Problem):
    """The address is longer than this service takes."""

    status = 414


class UnsupportedMediaType(Problem):
    """This address does not take that content type."""

    status = 415


class InvalidRequest(Problem):
    """The request is not valid."""

    status = 422


class HeadersTooLarge(Problem):
    """The headers are more than this service takes."""

    status = 431


class ServiceUnavailable(Problem):
    """Something that is needed does not answer at the moment."""

    status = 503
    retryable = True


class DeadlineExceeded(Problem):
    """The answer was not ready in time."""

    status = 504
    retryable = True


def subclasses(kind: type[Problem] = Problem) -> list[type[Problem]]:
    """Every kind of problem that has been imported, itself first."""
    found = [kind]
    for child in kind.__subclasses__():
        found.extend(subclasses(child))
    return found
