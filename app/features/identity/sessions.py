"""What the token of a Clerk session says."""

from dataclasses import dataclass


class TokenRefused(Exception):
    """The token is not one of a session that is under way; why, is for our log only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The organization that is active in a session, and what its user is there."""

    organization: str
    slug: str | None
    role: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a session token says; ids are Clerk's own."""

    user: str
    session: str
    issued_at_s: int
    expires_at_s: int
    is_pending: bool
    impersonator: str | None
    membership: Membership | None
