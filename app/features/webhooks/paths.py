"""Addresses of webhooks, told from those of the rest of the room."""

from starlette.convertors import StringConvertor, register_url_convertor

_NOT_IDS = ("clerk", "deliveries", "events", "inboxes", "recoveries", "templates")


class _WebhookId(StringConvertor):
    """Whatever is none of the room's own words: else `PUT /events` would be a webhook's."""

    regex = rf"(?!(?:{'|'.join(_NOT_IDS)})(?:/|$))[^/]+"


register_url_convertor("webhook_id", _WebhookId())
ONE = "/{webhook_id:webhook_id}"
