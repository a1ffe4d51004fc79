"""API keys: `ac_live_<id>_<secret>_<crc32>`.

The check sum tells a typing error from a wrong key without asking the database. The secret is 256
random bits, so SHA-256 is enough to keep it: there is nothing to guess that slow hashing delays.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_CHARS = 8
SECRET_CHARS = 43  # 62^43 > 2^256
KEY_BYTES = 64  # 62^51 < 2^304; the bits beyond make every digit as likely as any other
_KEY = re.compile(r"(ac_live_([0-9A-Za-z]{8})_([0-9A-Za-z]{43}))_([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its holder has it."""

    public_id: str
    secret: str

    @property
    def text(self) -> str:
        """The whole key, to be shown once."""
        body = f"ac_live_{self.public_id}_{self.secret}"
        return f"{body}_{zlib.crc32(body.encode()):08x}"

    @property
    def secret_sha256(self) -> str:
        """What is stored."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def matches(self, stored_sha256: str) -> bool:
        """Whether it is the key that was stored, in constant time."""
        return hmac.compare_digest(self.secret_sha256, stored_sha256)


def new_key(randomness: bytes | None = None) -> ApiKey:
    """A fresh key, from random bytes (KEY_BYTES of them) where some are given."""
    given = secrets.token_bytes(KEY_BYTES) if randomness is None else randomness
    number, digits = int.from_bytes(given), ""
    for _ in range(ID_CHARS + SECRET_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        digits += ALPHABET[digit]
    return ApiKey(digits[:ID_CHARS], digits[ID_CHARS:])


def read_key(text: str) -> ApiKey | None:
    """The parts of a well-formed key, or None."""
    match = _KEY.fullmatch(text)
    if match is None or f"{zlib.crc32(match[1].encode()):08x}" != match[4]:
        return None
    return ApiKey(match[2], match[3])
