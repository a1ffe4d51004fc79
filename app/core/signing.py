"""Signatures of webhooks, sent and received, as Standard Webhooks has them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime

PREFIX = "whsec_"
NEW_SECRET_BYTES = 32
SECRET_BYTES = range(24, 65)
TOLERANCE_S = 300
MAX_SIGNATURE_CHARS = 4096
_SECONDS = re.compile(r"[0-9]{1,12}")


class SecretInvalid(ValueError):
    """A secret is the base64 of 24 to 64 bytes, with `whsec_` before it or without."""


class SignatureInvalid(Exception):
    """What came is not signed with one of our secrets, or not just now."""


def new_secret(randomness: bytes | None = None) -> str:
    """A fresh secret, `whsec_…`, from random bytes (NEW_SECRET_BYTES) where some are given."""
    given = secrets.token_bytes(NEW_SECRET_BYTES) if randomness is None else randomness
    return PREFIX + base64.b64encode(given).decode()


def canonical_secret(text: str) -> str:
    """The secret as every verifier reads it: with its prefix, padded.

    Raises:
        SecretInvalid: it is not base64, or too short or too long.
    """
    return PREFIX + base64.b64encode(_key(text)).decode()


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise SecretInvalid(SecretInvalid.__doc__) from None
    if len(key) not in SECRET_BYTES:
        raise SecretInvalid(SecretInvalid.__doc__)
    return key


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256))


def sign(signers: Iterable[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret, in their order."""
    return " ".join(
        "v1," + _signature(_key(secret), message_id, str(timestamp), body).decode()
        for secret in signers
    )


def verify(
    signers: Iterable[str],
    *,
    message_id: str,
    timestamp: str,
    signature: str,
    body: bytes,
    now: datetime,
) -> None:
    """Go on only with what one of the secrets signed less than five minutes from now.

    Headers are taken as they came, whatever they hold.

    Raises:
        SignatureInvalid: they do not prove it. Which of them, is not said.
    """
    if not _SECONDS.fullmatch(timestamp) or len(signature) > MAX_SIGNATURE_CHARS:
        raise SignatureInvalid
    if not message_id or abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        raise SignatureInvalid
    # "backslashreplace" gives bytes for any text at all, of which only ASCII can match.
    given = [
        value.encode("ascii", "backslashreplace")
        for version, _, value in (part.partition(",") for part in signature.split(" "))
        if version == "v1"
    ]
    identity = message_id.encode("utf-8", "backslashreplace").decode()
    for secret in signers:
        expected = _signature(_key(secret), identity, timestamp, body)
        if any(hmac.compare_digest(expected, one) for one in given):
            return
    raise SignatureInvalid
