"""What an answer of PostgREST, or of a gateway before it, means to the port."""

from enum import Enum, auto
from typing import Any

import httpx2
import orjson

from app.adapters.store.failures import failure_of, unavailable

# https://postgrest.org/en/stable/references/errors.html: the database or its schema is not there.
_PASSING = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
_NO_SUCH_FUNCTION = "PGRST202"
_PERMISSION_DENIED = "42501"
_SQLSTATE_LENGTH = 5


class Reason(Enum):
    """Why an answer is none."""

    NO_FUNCTION = auto()
    NO_PERMISSION = auto()
    NO_PROJECT = auto()
    OTHER = auto()


class AnswerRefused(Exception):
    """The call was understood and refused, or whoever answered is no PostgREST."""

    def __init__(self, reason: Reason, status: int) -> None:
        super().__init__(f"{reason.name.lower()}, status {status}")
        self.reason = reason


async def check_answer(response: httpx2.Response) -> None:
    """Let a function's result pass; a hook of the HTTP client, where the status is still known.

    Raises:
        StoreUnavailable: the same call may succeed later.
        StoreConflict: a unique value is taken.
        StoreRefused: the database refused the operation.
        AnswerRefused: the call did not reach the function.
    """
    if not response.is_success:
        raise failure_of_answer(response.status_code, await response.aread(), _wait_s(response))
    if not response.headers.get("Content-Type", "").startswith("application/json"):
        raise AnswerRefused(Reason.NO_PROJECT, response.status_code)


def failure_of_answer(status: int, body: bytes, retry_after_s: int) -> Exception:
    """The failure for an answer without a result; its wording stays here."""
    code = _code(body)
    if code == _NO_SUCH_FUNCTION:
        return AnswerRefused(Reason.NO_FUNCTION, status)
    if code == _PERMISSION_DENIED:
        return AnswerRefused(Reason.NO_PERMISSION, status)
    if len(code) == _SQLSTATE_LENGTH:
        return failure_of(code)
    if code in _PASSING or status in (408, 429) or (status >= 500 and not code):
        return unavailable(retry_after_s)
    if status in (401, 403):
        return AnswerRefused(Reason.NO_PERMISSION, status)
    return AnswerRefused(Reason.OTHER if code else Reason.NO_PROJECT, status)


def _code(body: bytes) -> str:
    """The code of PostgREST's error; empty for what a gateway made up."""
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    code = told.get("code") if isinstance(told, dict) else None
    return code if isinstance(code, str) else ""


def _wait_s(response: httpx2.Response) -> int:
    told = response.headers.get("Retry-After", "")
    return min(int(told), 60) if told.isdigit() else 1
