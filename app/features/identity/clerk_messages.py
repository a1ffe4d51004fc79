"""Clerk's webhooks: users, organizations and memberships as they change there.

https://clerk.com/docs/webhooks/overview
"""

from dataclasses import dataclass
from typing import Any, cast

from app.core.errors import InvalidRequest
from app.core.ids import new_id
from app.features.identity.service import member_key
from app.ports import Ports
from app.ports.bus import CREDENTIALS_ENDED

ENDED = ".deleted"
_MAX_ID_CHARS = 200
_MAX_MS = 10**14


class ClerkMessageUnreadable(InvalidRequest):
    """The message is not one of Clerk's about a user, an organization or a membership."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClerkMessage:
    """What one message says; ids are Clerk's own. `at_ms` orders messages about one thing."""

    type: str
    at_ms: int
    user: str | None = None
    organization: str | None = None
    role: str | None = None
    name: str | None = None
    email: str | None = None


def read_message(payload: Any, *, sent_at_s: int) -> ClerkMessage | None:
    """The message, or None where it is about something that we do not keep.

    Raises:
        ClerkMessageUnreadable: it lacks what its type needs.
    """
    if not isinstance(payload, dict):
        raise ClerkMessageUnreadable
    whole = cast("dict[str, Any]", payload)
    kind, data = whole.get("type"), whole.get("data")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise ClerkMessageUnreadable
    fields = cast("dict[str, Any]", data)
    at_ms = _at_ms(kind, whole, fields, sent_at_s)
    about, _, happened = kind.partition(".")
    match about if happened else "":
        case "user":
            return ClerkMessage(
                type=kind,
                at_ms=at_ms,
                user=_id(fields, "id"),
                name=_name(fields),
                email=_email(fields),
            )
        case "organization":
            organization, name = _id(fields, "id"), _text(fields, "name")
            return ClerkMessage(type=kind, at_ms=at_ms, organization=organization, name=name)
        case "organizationMembership":
            return ClerkMessage(
                type=kind,
                at_ms=at_ms,
                organization=_id(_object(fields, "organization"), "id"),
                user=_id(_object(fields, "public_user_data"), "user_id"),
                role=(_text(fields, "role") or "").removeprefix("org:"),
            )
        case _:
            return None


def _at_ms(kind: str, whole: dict[str, Any], fields: dict[str, Any], sent_at_s: int) -> int:
    """When what is told became true: of an end, `updated_at` is from before it."""
    names = ((whole, "timestamp"),) if kind.endswith(ENDED) else ((fields, "updated_at"),)
    for place, name in (*names, (whole, "timestamp")):
        value = place.get(name)
        if type(value) is int and 0 < value < _MAX_MS:
            return value
    return sent_at_s * 1000


async def apply_message(ports: Ports, message_id: str, message: ClerkMessage) -> None:
    """Keep what it says, once, and let nobody go on by what was known before."""
    about = {
        "user": message.user,
        "organization": message.organization,
        "role": message.role,
        "name": message.name,
        "email": message.email,
    }
    await ports.database.system().call(
        "clerk_message_apply_v1",
        message_id=message_id,
        type=message.type,
        at_ms=message.at_ms,
        data={name: value for name, value in about.items() if value is not None},
        new_organization_id=new_id(),
        new_user_id=new_id(),
    )
    if message.user is not None and message.organization is not None:
        key = member_key(message.organization, message.user)
        roles = {"admin", "member", message.role or ""}
        await ports.cache.forget(*(f"{key}:{role}" for role in sorted(roles)))
        await ports.bus.publish(CREDENTIALS_ENDED, {})


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise ClerkMessageUnreadable
    return cast("dict[str, Any]", value)


def _id(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_CHARS:
        raise ClerkMessageUnreadable
    return value


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value[:_MAX_ID_CHARS] if isinstance(value, str) else None


def _name(fields: dict[str, Any]) -> str | None:
    parts = (_text(fields, "first_name"), _text(fields, "last_name"))
    return " ".join(part for part in parts if part) or None


def _email(fields: dict[str, Any]) -> str | None:
    listed = fields.get("email_addresses")
    entries = cast("list[Any]", listed) if isinstance(listed, list) else []
    primary = fields.get("primary_email_address_id")
    for entry in entries:
        if isinstance(entry, dict):
            address = cast("dict[str, Any]", entry)
            if address.get("id") == primary:
                return _text(address, "email_address")
    return None
