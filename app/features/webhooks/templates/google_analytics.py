"""Google Analytics 4, by its Measurement Protocol.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

import re
from typing import Any

from app.features.webhooks.templates.happened import FORWARDED, happened
from app.features.webhooks.templates.template import Event, Template

MAX_NAME_CHARS = 40
_NO_NAME = re.compile(r"[^a-z0-9_]+")
_NAMES = {"lead": "generate_lead", "form": "generate_lead", "sale": "purchase"}


def _body(event: Event) -> dict[str, Any]:
    one = happened(event)
    parameters: dict[str, Any] = {"transaction_id": one.transaction or one.id}
    if one.value is not None:
        parameters |= {"value": one.value, "currency": one.currency}
    name = "refund" if one.takes_back else _NAMES.get(one.kind) or _name(one.kind)
    return {
        "client_id": one.client,
        "timestamp_micros": round(one.at.timestamp() * 1_000_000),
        "events": [{"name": name, "params": parameters}],
    }


def _name(kind: str) -> str:
    """A name as it may be: letters, digits and underscores, beginning with a letter."""
    name = _NO_NAME.sub("_", kind.lower()).strip("_")
    return (name if name[:1].isalpha() else f"conversion_{name}")[:MAX_NAME_CHARS].rstrip("_")


TEMPLATE = Template(
    name="google_analytics",
    description="Google Analytics 4, by its Measurement Protocol: purchases, leads and refunds. It"
    " answers 2xx whatever it is sent; look at the realtime report.",
    url="https://www.google-analytics.com/mp/collect?measurement_id=G-…&api_secret=…",
    events=FORWARDED,
    body=_body,
)
