"""What can go wrong with credentials."""

from app.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthorized


class OrganizationRequired(Forbidden):
    """The session has no active organization."""


class SessionPending(Forbidden):
    """The session is not complete yet."""


class AccessEnded(Forbidden):
    """The account or its membership has ended."""


class ApiKeyNotFound(NotFound):
    """There is no such API key in this organization, or it is revoked."""


class WidgetKeyNotFound(NotFound):
    """There is no such widget key in this organization, or it is revoked."""


class ScopesTooWide(Forbidden):
    """A key cannot be given more than its maker has."""


class UnknownScopes(InvalidRequest):
    """Some scopes do not exist."""


class AgentNotPublic(Conflict):
    """Only a public agent can be given a widget key."""


class WidgetRefused(Unauthorized):
    """The widget key is not valid here."""
