"""One attempt: sign, send, and say what it means."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from app.core.clock import Clock, elapsed_ms
from app.core.encryption import Unsealable, Vault
from app.core.errors import Problem
from app.core.ids import OrganizationId
from app.core.redaction import redacted_start
from app.core.schemas import rfc3339
from app.core.signing import sign
from app.features.webhooks.addresses import secrets_in, shown_address
from app.features.webhooks.headers import shown
from app.features.webhooks.inboxes import InboxAddresses, InboxKey, InboxService
from app.features.webhooks.queue import Batch, Leased, Outcome, Result
from app.features.webhooks.schedule import MAX_HOLD_S, OVERLOADED, next_delay_s, retry_after_s
from app.features.webhooks.sealing import WebhookSeals
from app.features.webhooks.templates import rendered
from app.ports import Ports
from app.ports.fetch import Answered, FetchTimedOut, Outgoing

KEPT_ANSWER_BYTES = 4096
GONE = 410
ONE_ATTEMPT = frozenset({"manual", "test"})
log = structlog.get_logger(__name__)


class SecretUnreadable(Problem):
    """The webhook's secret was sealed with a key that this service does not have."""


class PayloadExpired(Problem):
    """What was to be sent has been deleted, as it was too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a batch goes, with all that is secret about it; no signers where that is unreadable."""

    webhook_id: str
    url: str
    inbox: InboxKey | None
    timeout_s: float
    retry_count: int
    template: str | None
    headers: Mapping[str, str]
    shown_headers: Mapping[str, str]
    signers: tuple[str, ...]
    lease_id: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    status_code: int | None
    error: dict[str, str] | None
    body: bytes = b""
    retry_after_s: float | None = None
    is_overloaded: bool = False


class Sender:
    """Makes attempts; keeps nothing between them."""

    def __init__(self, ports: Ports, chance: random.Random) -> None:
        self._ports = ports
        self._clock: Clock = ports.clock
        self._vault: Vault = ports.vault
        self._chance = chance
        self._inboxes = InboxAddresses(ports.lasting, ports.settings.public_url)

    def endpoint(self, batch: Batch) -> Endpoint:
        """The endpoint of a batch."""
        seals = WebhookSeals(self._vault, batch.webhook_id)
        try:
            headers = seals.headers(batch.headers_sealed)
            url = seals.url(batch.url_sealed, batch.url)
            signers = tuple(seals.secret(sealed) for sealed in batch.secrets_sealed)
        except Unsealable:
            log.error("webhook_secret_unreadable", webhook_id=batch.webhook_id)
            headers, url, signers = {}, batch.url, ()
        return Endpoint(
            webhook_id=batch.webhook_id,
            url=url,
            inbox=self._inboxes.recognised(url),
            timeout_s=batch.timeout_s,
            retry_count=batch.retry_count,
            template=batch.template,
            headers=headers,
            shown_headers=shown(headers),
            signers=signers,
            lease_id=batch.lease_id,
        )

    async def attempt(self, endpoint: Endpoint, delivery: Leased) -> Result:
        """Send it once, whatever comes of it."""
        started_at, started_s = self._clock.now(), self._clock.monotonic_s()
        ours = {
            "content-type": "application/json",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(int(started_at.timestamp())),
        }
        verdict = await self._verdict(endpoint, delivery, ours)
        outcome, delay_s = self._outcome(endpoint, delivery, verdict)
        wished_s = verdict.retry_after_s if verdict.is_overloaded else None
        return Result(
            delivery_id=delivery.id,
            webhook_id=endpoint.webhook_id,
            lease_id=endpoint.lease_id,
            trigger=delivery.trigger,
            outcome=outcome,
            delay_s=delay_s,
            hold_s=min(wished_s, MAX_HOLD_S) if wished_s else None,
            attempt={
                "url": shown_address(endpoint.url),
                "started_at": rfc3339(started_at),
                "latency_ms": elapsed_ms(self._clock, started_s),
                "status_code": verdict.status_code,
                "error": verdict.error,
                "request_headers": {**endpoint.shown_headers, **ours},
                "response_body": _text(verdict.body, endpoint),
            },
        )

    async def _verdict(
        self, endpoint: Endpoint, delivery: Leased, ours: dict[str, str]
    ) -> _Verdict:
        try:
            if not endpoint.signers:
                raise SecretUnreadable
            if delivery.body is None:
                raise PayloadExpired
            body = rendered(endpoint.template, delivery.body.encode())
            answer = await self._sent(endpoint, delivery, body, ours)
        except Problem as problem:
            error = {"code": problem.code(), "detail": str(problem)}
            return _Verdict(None, error, is_overloaded=isinstance(problem, FetchTimedOut))
        except Exception:
            # One that brings the sender down must not stop the others: it follows its schedule.
            log.exception("delivery_crashed", delivery_id=delivery.id)
            return _Verdict(None, {"code": "internal", "detail": "The attempt failed within."})
        if 200 <= answer.status < 300:
            return _Verdict(answer.status, None, answer.content)
        return _Verdict(
            answer.status,
            _refusal(answer.status),
            answer.content,
            retry_after_s(answer.headers.get("retry-after"), self._clock.now()),
            answer.status in OVERLOADED,
        )

    async def _sent(
        self, endpoint: Endpoint, delivery: Leased, body: bytes, ours: dict[str, str]
    ) -> Answered:
        signature = sign(
            endpoint.signers,
            message_id=delivery.message_id,
            timestamp=int(ours["webhook-timestamp"]),
            body=body,
        )
        headers = {**endpoint.headers, **ours, "webhook-signature": signature}
        if endpoint.inbox is not None:
            return await self._recorded(endpoint.inbox, headers, body)
        return await self._ports.fetch.send(
            Outgoing(
                url=endpoint.url,
                method="POST",
                headers=headers,
                content=body,
                total_s=endpoint.timeout_s,
                max_bytes=KEPT_ANSWER_BYTES,
                cuts_body=True,
            )
        )

    async def _recorded(self, inbox: InboxKey, headers: dict[str, str], body: bytes) -> Answered:
        """Our own address is none that may be called, so the message is recorded from here."""
        service = InboxService(self._ports, OrganizationId(inbox.organization_id))
        try:
            await service.receive(inbox.inbox_id, headers, body, delivered=headers["webhook-id"])
            status = 204
        except Problem as problem:
            status = problem.status
        return Answered(status=status, headers={}, content=b"", url="")

    def _outcome(
        self, endpoint: Endpoint, delivery: Leased, verdict: _Verdict
    ) -> tuple[Outcome, float | None]:
        if verdict.error is None:
            return "succeeded", None
        if delivery.trigger in ONE_ATTEMPT or delivery.body is None:
            return "failed", None  # a trial by hand switches nothing off
        if verdict.status_code == GONE:
            return "gone", None
        delay_s = next_delay_s(
            delivery.tries + 1,
            retry_count=endpoint.retry_count,
            is_overloaded=verdict.is_overloaded,
            retry_after_s=verdict.retry_after_s,
            chance=self._chance,
        )
        return ("failed", None) if delay_s is None else ("retry", delay_s)


def released(endpoint: Endpoint, delivery: Leased) -> Result:
    """A delivery that was not attempted, for anybody else to take at once."""
    return Result(
        delivery_id=delivery.id,
        webhook_id=endpoint.webhook_id,
        lease_id=endpoint.lease_id,
        trigger=delivery.trigger,
        outcome="released",
    )


def _refusal(status: int) -> dict[str, str]:
    if status == GONE:
        return {"code": "gone", "detail": "The endpoint answered 410: it wants no more."}
    if 300 <= status < 400:
        return {"code": "redirect", "detail": f"The endpoint answered {status}; none is followed."}
    return {"code": "http_status", "detail": f"The endpoint answered {status}."}


def _text(body: bytes, endpoint: Endpoint) -> str:
    """What the log can keep of an answer, whatever it holds, and repeats of our secrets."""
    signers = {f"signer {place}": signer for place, signer in enumerate(endpoint.signers)}
    secrets = {**endpoint.headers, **signers, **secrets_in(endpoint.url)}
    text = redacted_start(body, secrets, size=KEPT_ANSWER_BYTES).replace("\x00", "\ufffd")
    return text.encode()[:KEPT_ANSWER_BYTES].decode(errors="ignore")
