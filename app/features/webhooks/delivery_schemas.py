"""Deliveries and test inboxes as clients receive them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from app.core.schemas import Id, Resource, Timestamp, example
from app.features.webhooks.addresses import shown_address
from app.features.webhooks.examples import (
    ATTEMPT,
    BODY,
    DELIVERY,
    INBOX,
    INBOX_MESSAGE,
    RECOVERY,
)

Status = Literal["pending", "sending", "succeeded", "failed", "skipped"]
Trigger = Literal["schedule", "manual", "recover", "test"]


# What somebody waits for is put in line before all else by a due time of yesterday.
AHEAD = timedelta(days=1)


class Delivery(Resource):
    """One event on its way to one webhook."""

    model_config = example(**DELIVERY)

    id: Id
    webhook_id: str
    message_id: str = Field(description="The event's id and the header `webhook-id`.")
    event_type: str
    status: Status = Field(
        description="`skipped` is what waited when the webhook was switched off or deleted."
    )
    trigger: Trigger = Field(description="What brought about the last attempt, or the next one.")
    attempts: int
    next_attempt_at: Timestamp | None = Field(
        description="At this time or, while the address rests, after it; null when none is to come."
    )
    last_status_code: int | None
    last_error: str | None
    created_at: Timestamp
    finished_at: Timestamp | None

    @model_validator(mode="before")
    @classmethod
    def _due_when_asked_for(cls, row: dict[str, Any]) -> dict[str, Any]:
        due = row.get("next_attempt_at")
        if due is None or row.get("trigger") not in ("manual", "test"):
            return row
        asked_at = datetime.fromisoformat(due) + AHEAD
        is_ahead = asked_at < datetime.now(UTC) + AHEAD / 2
        return row | {"next_attempt_at": asked_at} if is_ahead else row


class AttemptError(Resource):
    """Why an attempt failed."""

    code: str
    detail: str


class Attempt(Resource):
    """One attempt as it went."""

    model_config = example(**ATTEMPT)

    number: int
    trigger: Trigger
    url: Annotated[str, AfterValidator(shown_address)]
    started_at: Timestamp
    latency_ms: int
    status_code: int | None = Field(description="Null where there was no answer.")
    error: AttemptError | None
    request_headers: dict[str, Any] = Field(
        description="Without the signature and without what sounds like a secret."
    )
    response_body: str | None = Field(description="The first 4 KiB of the answer.")


class DeliveryDetail(Delivery):
    """A delivery with its body and every attempt."""

    model_config = example(**DELIVERY, body=BODY, attempt_log=[ATTEMPT])

    body: str | None = Field(description="What is sent, the same at each attempt.")
    attempt_log: list[Attempt]


class Recovery(Resource):
    """An order to deliver once more everything that failed since some moment."""

    model_config = example(**RECOVERY)

    id: Id
    webhook_id: str
    since: Timestamp
    until: Timestamp
    status: Literal["running", "completed"]
    requeued: int = Field(description="How many deliveries have been queued so far.")
    created_at: Timestamp


class Inbox(Resource):
    """An address of this service that records what it receives."""

    model_config = example(**INBOX)

    id: Id
    url: str = Field(description="Whoever knows it may send to it.")
    expires_at: Timestamp
    created_at: Timestamp


class InboxMessage(Resource):
    """What an inbox received."""

    model_config = example(**INBOX_MESSAGE)

    id: Id
    headers: dict[str, str]
    body: str | None = Field(description="Null where it is no UTF-8 text.")
    body_base64: str | None
    size_bytes: int
    received_at: Timestamp
