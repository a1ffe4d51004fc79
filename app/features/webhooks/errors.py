"""What can be wrong with a request about webhooks."""

from app.core.errors import Conflict, InvalidRequest, NotFound, Problem


class WebhookNotFound(NotFound):
    """There is no such webhook in this organization."""


class DeliveryNotFound(NotFound):
    """There is no such delivery in this organization."""


class RecoveryNotFound(NotFound):
    """There is no such recovery in this organization."""


class InboxNotFound(NotFound):
    """There is no such inbox, or no longer."""


class UnknownAgent(InvalidRequest):
    """There is no such agent in this organization."""


class UnknownEvent(InvalidRequest):
    """There is no event of that name."""


class TooManyWebhooks(Conflict):
    """The organization has as many webhooks as it may have."""


class TooManySecrets(Conflict):
    """The secret was changed too often in the last 24 hours."""


class TooManyInboxes(Conflict):
    """The organization has as many inboxes open as it may have."""


class WebhookInactive(Conflict):
    """The webhook is switched off."""


class DeliveryUnderWay(Conflict):
    """The delivery is being attempted at this moment."""


class WebhookChanging(Conflict):
    """Others change the webhook at this moment, again and again."""

    retryable = True


class RecoveryUnderWay(Conflict):
    """A recovery of this webhook is under way already."""


class InboxExpired(Problem):
    """The inbox has expired; nothing is recorded there any longer."""

    status = 410


class SinceTooLongAgo(InvalidRequest):
    """What failed so long ago cannot be recovered."""
