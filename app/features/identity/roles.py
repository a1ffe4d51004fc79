"""What each role in an organization may do, in this one place."""

from collections.abc import Mapping

SCOPES: Mapping[str, str] = {
    "agents:read": "read agents, their versions and tools",
    "agents:write": "create and change agents and tools, give instructions in a chat",
    "analytics:read": "read figures and exports",
    "analytics:write": "record conversions from outside",
    "chat": "talk to agents, follow and cancel runs, submit forms, give feedback",
    "conversations:read": "read conversations, messages and runs",
    "conversations:write": "change conversations, answer as an operator, decide on approvals",
    "events:read": "follow and list events, with the leads and forms that they tell of",
    "keys:read": "list API keys and widget keys",
    "keys:write": "create and rotate keys up to one's own scopes, revoke any",
    "knowledge:read": "read and search knowledge bases",
    "knowledge:write": "upload and change documents and bases",
    "leads:read": "read leads and form submissions",
    "leads:write": "change and delete leads",
    "models:read": "list models",
    "models:write": "add and change models",
    "privacy:write": "export and erase the data of one person",
    "settings:read": "read settings, usage and the audit log",
    "settings:write": "change settings",
    "webhooks:read": "list webhooks and deliveries",
    "webhooks:write": "change webhooks, and so where events go and all that they tell; send again",
}
ALL = "*"

_MEMBER = frozenset(
    {
        "agents:read",
        "agents:write",
        "analytics:read",
        "chat",
        "conversations:read",
        "conversations:write",
        "events:read",
        "knowledge:read",
        "knowledge:write",
        "leads:read",
        "leads:write",
        "models:read",
        "settings:read",
        "webhooks:read",
    }
)
ROLES: Mapping[str, frozenset[str]] = {"admin": frozenset({ALL}), "member": _MEMBER}


def scopes_of(role: str, permissions: frozenset[str]) -> frozenset[str]:
    """What a role may do, and what permissions that are named like scopes add to it.

    A role of one's own in Clerk, which this table does not know, may do what its permissions say.
    """
    return ROLES.get(role, frozenset[str]()) | (permissions & SCOPES.keys())


def left_to(scopes: frozenset[str], *, role: str | None) -> frozenset[str]:
    """What is left of a key's scopes once its maker has this role, and not the one before.

    What permissions go with the role now, nobody has told.
    """
    allowed = scopes_of(role or "", frozenset())
    if ALL in allowed:
        return scopes
    return allowed if ALL in scopes else scopes & allowed


def covers(held: frozenset[str], wanted: frozenset[str]) -> bool:
    """Whether somebody with `held` may give away `wanted`."""
    return ALL in held or wanted <= held
