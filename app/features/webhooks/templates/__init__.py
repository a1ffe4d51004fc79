"""Ways to forward events to interfaces that want another body than ours."""

import orjson

from app.core.errors import InvalidRequest
from app.core.registry import Registry, load
from app.features.webhooks.templates.template import Template

TEMPLATES: Registry[Template] = Registry(
    "template", load(__name__, "TEMPLATE", ("google_analytics", "meta_conversions"))
)


def rendered(template: str | None, body: bytes) -> bytes:
    """The body as it is sent by that template; what it does not know goes as it is."""
    known = TEMPLATES.get(template) if template else None
    if known is None:
        return body
    event = orjson.loads(body)
    return orjson.dumps(known.body(event)) if event["type"] in known.events else body


def check_events(template: str | None, events: list[str]) -> None:
    """Go on if the template can forward all of these.

    Raises:
        InvalidRequest: it cannot.
    """
    if template is None:
        return
    known = TEMPLATES[template].events
    if not set(events) <= set(known):
        detail = f"the template forwards {', '.join(known)}, and nothing else"
        raise InvalidRequest(errors=[{"pointer": "/events", "detail": detail}])
