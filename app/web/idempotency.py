"""`Idempotency-Key`: a request that may be sent again without being done again.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import re
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header

from app.core.errors import MalformedRequest

REPLAYED = {"Idempotency-Replayed": "true"}
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Up to 255 ASCII characters without spaces that you have not used before,"
            " e.g. a UUID. A repeat within 24 h joins the first request instead of doing it again.",
            examples=["01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"],
        ),
    ] = None,
) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise MalformedRequest(
            "Idempotency-Key takes 1 to 255 printable ASCII characters without spaces."
        )
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_key)]


def fingerprint(*, actor: str, route: str, body: Any) -> str:
    """What equal requests have in common: who asks, where, and the fields of the body."""
    whole = orjson.dumps([actor, route, body], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(whole).hexdigest()
