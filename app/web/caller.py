"""Somebody whose credential was checked: whose data it may touch and what it may do."""

from dataclasses import dataclass

from app.core.errors import Forbidden
from app.core.ids import AgentId, OrganizationId


class ScopeMissing(Forbidden):
    """The credential lacks the scope that this needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorBudget:
    """Tokens a day that a widget's key allows: in all, to one visitor, to one address."""

    widget_key_id: str
    visitor_id: str
    address: str
    tokens: int
    visitor_tokens: int
    address_tokens: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a widget session belongs to: it may chat with this agent, and see what it said."""

    agent_id: AgentId
    visitor_id: str
    widget_key_id: str
    budget: VisitorBudget


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller: whose data it may touch and what it may do with it.

    `impersonator` is who acts in a user's name; `visitor` is set for a widget session only, and
    `clerk_organization`, Clerk's id of the organization, and `role` for a session of Clerk's only.
    """

    organization_id: OrganizationId
    actor: str
    scopes: frozenset[str]
    impersonator: str | None = None
    visitor: Visitor | None = None
    clerk_organization: str | None = None
    role: str | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller's scopes cover this one; `*` covers all."""
        return "*" in self.scopes or scope in self.scopes

    def require(self, scope: str) -> None:
        """Go on only with this scope.

        Raises:
            ScopeMissing: the caller does not have it.
        """
        if not self.may(scope):
            raise ScopeMissing(f"Use a key with the scope `{scope}`.", required_scope=scope)
