"""RSA keys from a JWKS document (RFC 7517), read ahead of need and kept through outages."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import structlog
from jwt.algorithms import RSAAlgorithm

from app.core.clock import Clock
from app.core.strict_json import JsonRefused, read_json
from app.ports.signing_keys import SigningKeysUnavailable

PATH = "/.well-known/jwks.json"
FETCH_S = 3.0
FRESH_S = 3600.0
STALE_S = 24 * 3600.0
RETRY_S = 10.0
# Whoever invents key ids must not make us ask for each. As often as Clerk's own SDK does.
UNKNOWN_EVERY_S = 300.0
MIN_BITS = 2048
MAX_BYTES = 262_144
log = structlog.get_logger(__name__)


class JwksKeys:
    """The keys of one issuer."""

    def __init__(self, client: httpx2.AsyncClient, url: str, clock: Clock) -> None:
        self._client, self._url, self._clock = client, url, clock
        self._keys: dict[str, Any] = {}
        self._read_s = -math.inf
        self._tried_s = -math.inf
        self._asked_for_unknown_s = -math.inf
        self._turn = asyncio.Lock()

    async def find(self, key_id: str) -> Any:
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s > STALE_S:
            await self._read_once()
        elif key_id not in self._keys and now_s - self._asked_for_unknown_s > UNKNOWN_EVERY_S:
            self._asked_for_unknown_s = now_s
            await self._read_once(anew=True)
            if self._read_s < now_s:  # it could not be read: the key may be a true one
                self._asked_for_unknown_s = now_s - UNKNOWN_EVERY_S + RETRY_S
        elif key_id not in self._keys and self._turn.locked():
            async with self._turn:  # somebody is reading them just now
                pass
        if self._clock.monotonic_s() - self._read_s > STALE_S:
            raise SigningKeysUnavailable(
                "Session tokens cannot be checked for the moment.", headers={"Retry-After": "10"}
            )
        return self._keys.get(key_id)

    async def keep_fresh(self) -> None:
        """Read them ahead of need, until cancelled."""
        while True:
            await self._read_once(anew=True)
            age_s = self._clock.monotonic_s() - self._read_s
            await asyncio.sleep(RETRY_S if age_s > FRESH_S / 2 else FRESH_S)

    async def _read_once(self, *, anew: bool = False) -> None:
        """Read the document; of many that ask at once, one does, and none soon after a failure."""
        began_s = self._clock.monotonic_s()
        async with self._turn:
            if self._tried_s >= began_s:
                return
            has_failed = self._tried_s > self._read_s and began_s - self._tried_s < RETRY_S
            is_known = began_s - self._read_s < STALE_S
            if not anew and (has_failed or is_known):
                return
            self._tried_s = self._clock.monotonic_s()
            try:
                async with asyncio.timeout(FETCH_S):
                    found = await self._fetch()
            except (httpx2.HTTPError, TimeoutError, JsonRefused, ValueError) as error:
                log.warning("signing_keys_unread", error=type(error).__name__)
                return
            self._keys, self._read_s = found, self._clock.monotonic_s()

    async def _fetch(self) -> dict[str, Any]:
        async with self._client.stream("GET", self._url) as response:
            response.raise_for_status()
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("the document is too large")
        document = read_json(body, is_foreign=True)
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise ValueError("the document lists no keys")
        found = {entry["kid"]: key for entry in listed if (key := _usable(entry)) is not None}
        if not found:
            raise ValueError("the document has no key that can be used")
        return found


def _usable(entry: Any) -> Any:
    """The RSA key for signatures in an entry, or None: one bad entry does not spoil the rest."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    if entry.get("alg", "RS256") != "RS256":
        return None
    with suppress(Exception):  # malformed numbers fail in as many ways as there are libraries
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": entry["n"], "e": entry["e"]})
        return key if key.key_size >= MIN_BITS else None
    return None


@asynccontextmanager
async def open_jwks(issuer: str, clock: Clock) -> AsyncGenerator[JwksKeys]:
    """The keys of an issuer, kept fresh meanwhile."""
    async with (
        httpx2.AsyncClient(timeout=FETCH_S, follow_redirects=False, trust_env=False) as client,
        asyncio.TaskGroup() as tasks,
    ):
        keys = JwksKeys(client, issuer + PATH, clock)
        keeper = tasks.create_task(keys.keep_fresh())
        try:
            yield keys
        finally:
            keeper.cancel()
