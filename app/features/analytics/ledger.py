"""The ledger of conversions: what can be done with it, and how it is kept."""

from datetime import datetime, timedelta
from typing import Any

from app.core.errors import InvalidRequest
from app.core.ids import new_id
from app.core.schemas import Timestamp, rfc3339
from app.domain_events import EVENTS
from app.domain_events.conversion_recorded import ConversionRecorded
from app.features.analytics.conversion_schemas import (
    Conversion,
    ConversionCreate,
    RefundCreate,
    micros,
)
from app.features.analytics.errors import (
    ConversionDiffers,
    ConversionNotFound,
    ConversionNotRefundable,
    ConversionTooEarly,
    RefundExceedsConversion,
)
from app.features.conversations.errors import ConversationNotFound
from app.ports import Ports
from app.web.auth import Caller

# A caller's clock may be a little fast.
AHEAD = timedelta(minutes=5)


class Ledger:
    """Conversions of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._clock = ports.clock
        self._scope = ports.database.scoped(caller.organization_id)

    async def record(self, body: ConversionCreate) -> tuple[Conversion, bool]:
        """The conversion, and whether it is new.

        Raises:
            ConversationNotFound: this organization has no such conversation.
            ConversionDiffers: another one has that external id.
            ConversionTooEarly: it would have happened before its conversation began.
        """
        entry_id = new_id()
        row: dict[str, Any] = body.model_dump(mode="json", exclude={"value", "occurred_at"}) | {
            "id": entry_id,
            "amount": micros(body.value),
            "occurred_at": self._happened(body.occurred_at),
        }
        fact = ConversionRecorded(conversion_id=entry_id)
        return _written(
            await self._scope.call(
                "conversion_record_v1",
                conversion=row,
                events=[EVENTS["conversion_recorded"].of(fact)],
            )
        )

    async def refund(self, conversion_id: str, body: RefundCreate) -> tuple[Conversion, bool]:
        """The entry that takes a conversion back, and whether it is new.

        Raises:
            ConversionNotFound: this organization has no such conversion.
            ConversionNotRefundable: it is a lead, a form, a refund, or was recorded as final.
            RefundExceedsConversion: less than that is left of it.
        """
        entry_id = new_id()
        row: dict[str, Any] = {
            "id": entry_id,
            "amount": micros(body.value),
            "external_id": body.external_id,
            "occurred_at": self._happened(body.occurred_at),
        }
        fact = ConversionRecorded(conversion_id=entry_id, kind="refund")
        return _written(
            await self._scope.call(
                "conversion_refund_v1",
                id=conversion_id,
                refund=row,
                events=[EVENTS["conversion_recorded"].of(fact)],
            )
        )

    async def page(
        self, *, limit: int, after: str | None, where: dict[str, Any], bounds: dict[str, Any]
    ) -> list[Conversion]:
        """The latest recorded first, after the entry with that id."""
        rows = await self._scope.call(
            "conversions_list_v1", where=where, limit=limit, after=after, **bounds
        )
        return [Conversion.model_validate(row) for row in rows]

    async def get(self, conversion_id: str) -> Conversion:
        """One entry.

        Raises:
            ConversionNotFound: this organization has no such conversion.
        """
        found = await self.page(limit=1, after=None, where={"id": conversion_id}, bounds={})
        if not found:
            raise ConversionNotFound
        return found[0]

    def _happened(self, moment: Timestamp | None) -> str | None:
        if moment is None:
            return None
        if moment > self._clock.now() + AHEAD:
            raise InvalidRequest("`occurred_at` lies in the future.")
        return rfc3339(moment)


def _written(result: dict[str, Any]) -> tuple[Conversion, bool]:
    match result["outcome"]:
        case "conversation_not_found":
            raise ConversationNotFound
        case "not_found":
            raise ConversionNotFound
        case "not_refundable":
            raise ConversionNotRefundable(
                "Only what was recorded from outside as refundable can be taken back."
            )
        case "exceeds":
            raise RefundExceedsConversion("Take back what is left at most.", left=result["left"])
        case "too_early":
            earliest = rfc3339(datetime.fromisoformat(result["earliest"]))
            raise ConversionTooEarly(
                f"`occurred_at` must not lie before {earliest}.", earliest=earliest
            )
        case "differs":
            raise ConversionDiffers(
                "Use another `external_id`, or send the same again.",
                conversion_id=result["conversion"]["id"],
            )
        case outcome:
            return Conversion.model_validate(result["conversion"]), outcome == "recorded"
