"""Meta's Conversions API.

https://developers.facebook.com/docs/marketing-api/conversions-api/parameters
"""

import hashlib
from typing import Any

from app.features.webhooks.templates.happened import FORWARDED, happened
from app.features.webhooks.templates.template import Event, Template

_NAMES = {"lead": "Lead", "form": "Lead", "sale": "Purchase", "purchase": "Purchase"}


def _body(event: Event) -> dict[str, Any]:
    one = happened(event)
    name = "Refund" if one.takes_back else _NAMES.get(one.kind, one.kind)
    entry: dict[str, Any] = {
        "event_name": name[:50],
        "event_time": int(one.at.timestamp()),
        # Meta counts an event of this name and id once, however often it comes.
        "event_id": one.id,
        "action_source": "chat",
        # Hashed, as it asks; e-mail addresses and telephone numbers are not passed on.
        "user_data": {"external_id": [hashlib.sha256(one.client.encode()).hexdigest()]},
    }
    custom: dict[str, Any] = {"order_id": one.transaction} if one.transaction else {}
    if one.value is not None:
        custom |= {"value": one.value, "currency": one.currency}
    return {"data": [entry | ({"custom_data": custom} if custom else {})]}


TEMPLATE = Template(
    name="meta_conversions",
    description="Meta's Conversions API: purchases, leads and refunds (as an event of their own).",
    url="https://graph.facebook.com/v24.0/<pixel>/events?access_token=…",
    events=FORWARDED,
    body=_body,
)
