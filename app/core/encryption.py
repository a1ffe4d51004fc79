"""Secrets at rest: AES-256-GCM under a list of keys, the first one writing, all of them reading."""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from app.core.errors import CannotStart, ServiceUnavailable
from app.core.kept_files import keep_once

NONCE_BYTES = 12
KEY_BYTES = 32
# As for each of ENCRYPTION_KEY (`core/settings.py`).
KEY_CHARS = 32


class Unsealable(Exception):
    """The text was not sealed by any of our keys for this purpose."""


class Vault:
    """Seals small texts. What is sealed for one purpose does not open for another.

    The nonce is 96 random bits (NIST SP 800-38D, 8.2.2), far from its bound of 2^32 messages.
    """

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._first = hashlib.sha256(keys[0]).digest()
        self._ciphers = tuple(AESGCM(hashlib.sha256(key).digest()) for key in keys)
        self._root = hashlib.sha256(b"derived secrets\0" + keys[0]).digest()

    def seal(self, text: str, *, purpose: str) -> str:
        """Encrypt and authenticate; the result is URL-safe text."""
        return _sealed(self._ciphers[0], text, purpose)

    def unseal(self, sealed: str, *, purpose: str) -> str:
        """The text that was sealed for the same purpose.

        Raises:
            Unsealable: it was altered, sealed for something else, or by a key we do not have.
        """
        return _opened(self._ciphers, sealed, purpose)[0]

    def resealed(self, sealed: str, *, purpose: str) -> str | None:
        """The same text under the newest key; None where it is under that already.

        Raises:
            Unsealable: as `unseal` does.
        """
        text, place = _opened(self._ciphers, sealed, purpose)
        return self.seal(text, purpose=purpose) if place > 0 else None

    def sealing_key(self) -> str:
        """What our first key seals with, as `LastingVault` takes it."""
        return _text(self._first)

    def derive(self, purpose: str, length: int) -> bytes:
        """Bytes that nobody can tell from random ones without our first key; always the same."""
        expand = HKDFExpand(algorithm=SHA256(), length=length, info=purpose.encode())
        return expand.derive(self._root)


class LastingVault:
    """Seals what is kept outside the database: visitors' tokens, addresses of inboxes.

    Nobody can seal those anew when `ENCRYPTION_KEY` changes, so their key is one of its own, which
    the database keeps. Until that has arrived, what is `absent` is raised.
    """

    def __init__(self, absent: type[ServiceUnavailable]) -> None:
        self._absent = absent
        self._held: tuple[AESGCM, Vault] | None = None

    def use(self, key: str, *, earlier: Vault) -> None:
        """Seal with a key from `new_lasting_key` or `Vault.sealing_key` from now on.

        What `earlier` opens is read too: an earlier release sealed tokens with `ENCRYPTION_KEY`.
        """
        raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        self._held = AESGCM(raw), earlier

    def seal(self, text: str, *, purpose: str) -> str:
        """As `Vault.seal` does.

        Raises:
            ServiceUnavailable: the database has not arrived yet.
        """
        return _sealed(self._keys()[0], text, purpose)

    def unseal(self, sealed: str, *, purpose: str) -> str:
        """As `Vault.unseal` does.

        Raises:
            Unsealable: it is not from here, or its key is gone.
            ServiceUnavailable: the database has not arrived yet.
        """
        cipher, earlier = self._keys()
        try:
            return _opened((cipher,), sealed, purpose)[0]
        except Unsealable:
            return earlier.unseal(sealed, purpose=purpose)

    def _keys(self) -> tuple[AESGCM, Vault]:
        if self._held is None:
            raise self._absent(headers={"Retry-After": "1"})
        return self._held


def new_lasting_key() -> str:
    """A key for `LastingVault.use`."""
    return _text(os.urandom(KEY_BYTES))


def _sealed(cipher: AESGCM, text: str, purpose: str) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return _text(nonce + cipher.encrypt(nonce, text.encode(), purpose.encode()))


def _opened(ciphers: Sequence[AESGCM], sealed: str, purpose: str) -> tuple[str, int]:
    """The text, and which of the keys opened it."""
    try:
        raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise Unsealable from error
    if _text(raw) != sealed:  # other last characters give the same bytes (RFC 4648, 3.5)
        raise Unsealable
    nonce, rest = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    for place, cipher in enumerate(ciphers):
        try:
            return cipher.decrypt(nonce, rest, purpose.encode()).decode(), place
        except (InvalidTag, ValueError):
            continue
    raise Unsealable


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def kept_key(path: Path) -> bytes | None:
    """The key in this file; None where there is none.

    Raises:
        CannotStart: what is in it is no key: anybody could guess what is sealed with it.
    """
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    if len(key) < KEY_CHARS:
        raise CannotStart(
            f"{path} holds no key: it is empty, or shorter than {KEY_CHARS} characters. Put it back"
            " from a backup; or remove it, where ENCRYPTION_KEY is set or nothing was sealed with"
            " it, and start again."
        )
    return key


def keep_key(path: Path) -> bytes:
    """The key in this file, made (0600) at the first call.

    Raises:
        CannotStart: as `kept_key` does.
    """
    key = kept_key(path)
    while key is None:
        keep_once(path, base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode())
        key = kept_key(path)
    return key
