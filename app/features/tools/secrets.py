"""The secrets of a tool: sealed at rest, shown as a mark, opened only to call it."""

from collections.abc import Mapping
from typing import Any, cast

import orjson
from pydantic import SecretStr

from app.core.encryption import Unsealable, Vault
from app.core.ids import OrganizationId
from app.core.schemas import Body

# The last four characters of a shorter secret would be too much of it.
MIN_CHARS_FOR_LAST4 = 12
Secret = str | dict[str, str]
Secrets = dict[str, Secret]


def secrets_of(config: Body, fields: tuple[str, ...]) -> Secrets:
    """What the configuration's secret fields hold, in clear; fields without one are left out."""
    found: Secrets = {}
    for field in fields:
        match getattr(config, field):
            case None:
                continue
            case Mapping():
                named = cast("Mapping[str, Any]", getattr(config, field))
                found[field] = {name: _clear(value) for name, value in named.items()}
            case value:
                found[field] = _clear(value)
    return found


def _clear(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def marks(secrets: Secrets, fields: tuple[str, ...]) -> dict[str, Any]:
    """What clients see in the place of secret fields."""
    return {field: _mark(secrets.get(field)) for field in fields}


def _mark(secret: Secret | None) -> dict[str, Any]:
    match secret:
        case None:
            return {"set": False, "last4": None}
        case dict():
            return {name: _mark(value) for name, value in secret.items()}
        case text:
            return {"set": True, "last4": text[-4:] if len(text) >= MIN_CHARS_FOR_LAST4 else None}


def is_mark(value: object) -> bool:
    """Whether a client sent back what it read, and so wants the secret kept."""
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {"set", "last4"}


def merged(config: dict[str, Any], kept: Secrets, fields: tuple[str, ...]) -> dict[str, Any]:
    """A changed configuration with the secrets that it leaves out, entry by entry."""
    whole = dict(config)
    for field in fields:
        value = whole.get(field)
        if value is None and field in whole:
            continue  # null lets go of it
        if field not in whole or is_mark(value):
            whole.pop(field, None)
            if field in kept:
                whole[field] = kept[field]
        elif isinstance(value, dict):
            whole[field] = _merged_entries(cast("dict[str, Any]", value), kept.get(field))
    return whole


def _merged_entries(sent: dict[str, Any], kept: Secret | None) -> dict[str, Any]:
    entries: dict[str, Any] = dict(kept) if isinstance(kept, dict) else {}
    for name, value in sent.items():
        if value is None:
            entries.pop(name, None)
        elif not is_mark(value):
            entries[name] = value
    return entries


class SecretBox:
    """Seals the secrets of one organization's tools, each for its tool only."""

    def __init__(self, vault: Vault, organization_id: OrganizationId) -> None:
        self._vault, self._organization_id = vault, organization_id

    def seal(self, secrets: Secrets, tool_id: str) -> str | None:
        """The text to be stored; None where there is no secret."""
        if not any(secrets.values()):
            return None
        return self._vault.seal(orjson.dumps(secrets).decode(), purpose=self._purpose(tool_id))

    def open(self, sealed: str | None, tool_id: str) -> Secrets | None:
        """The secrets; None if they were sealed by a key that is not known any more."""
        if sealed is None:
            return {}
        try:
            return orjson.loads(self._vault.unseal(sealed, purpose=self._purpose(tool_id)))
        except Unsealable:
            return None

    def _purpose(self, tool_id: str) -> str:
        return f"tool:{self._organization_id}:{tool_id}"
