"""Clerk's session tokens, checked by ourselves: signature first, then every claim that counts.

https://clerk.com/docs/guides/sessions/session-tokens, versions 1 and 2 of the claims.
"""

from typing import Any, cast

import jwt

from app.core.clock import Clock
from app.features.identity.permissions import decoded
from app.features.identity.sessions import Membership, Session, TokenRefused
from app.ports.signing_keys import SigningKeys

ALGORITHM = "RS256"
LEEWAY_S = 5
MAX_KEY_ID_CHARS = 200
YEAR_5138_S = 10**11
_HEADERS = {"alg", "kid", "typ", "cat"}


class SessionTokens:
    """The tokens of one Clerk instance."""

    def __init__(
        self, keys: SigningKeys, clock: Clock, *, issuer: str, authorized_parties: tuple[str, ...]
    ) -> None:
        self._keys, self._clock, self._issuer = keys, clock, issuer
        self._authorized_parties = authorized_parties

    async def read(self, token: str) -> Session:
        """The session that the token proves.

        Raises:
            TokenRefused: it is not signed by the instance, or not valid now or here.
            SigningKeysUnavailable: it cannot be checked at the moment.
        """
        key = await self._keys.find(_key_id(token))
        if key is None:
            raise TokenRefused("unknown key")
        try:
            # Claims are checked below: by our own clock, and by their types.
            claims = jwt.decode(token, key, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefused(type(error).__name__) from None
        self._check_times(claims)
        self._check_parties(claims)
        return Session(
            user=_text(claims, "sub"),
            session=_text(claims, "sid"),
            issued_at_s=_seconds(claims, "iat"),
            expires_at_s=_seconds(claims, "exp"),
            is_pending=claims.get("sts") == "pending",
            impersonator=_impersonator(claims),
            membership=_membership(claims),
        )

    def _check_times(self, claims: dict[str, Any]) -> None:
        now_s = self._clock.now().timestamp()
        if now_s >= _seconds(claims, "exp") + LEEWAY_S:
            raise TokenRefused("expired")
        begins = [_seconds(claims, "iat")]
        if "nbf" in claims:
            begins.append(_seconds(claims, "nbf"))
        if now_s < max(begins) - LEEWAY_S:
            raise TokenRefused("not valid yet")

    def _check_parties(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") != self._issuer:
            raise TokenRefused("another issuer")
        if self._authorized_parties and claims.get("azp") not in self._authorized_parties:
            raise TokenRefused("another authorized party")


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _key_id(token: str) -> str:
    """The id of the key that the header names; a header with anything unusual is refused."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefused(type(error).__name__) from None
    # No `jku`, `x5u`, `jwk`, `crit` or `b64`: where keys come from is not the token's business.
    if not header.keys() <= _HEADERS or header.get("alg") != ALGORITHM:
        raise TokenRefused("header")
    key_id = header.get("kid")
    if header.get("typ", "JWT") != "JWT" or not isinstance(key_id, str):
        raise TokenRefused("header")
    if not 0 < len(key_id) <= MAX_KEY_ID_CHARS:
        raise TokenRefused("header")
    return key_id


def _seconds(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < YEAR_5138_S:
        raise TokenRefused(f"{name} is no moment")
    return value


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise TokenRefused(f"{name} is missing")
    return _storable(value, name)


def _optional(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return _storable(value, name) if isinstance(value, str) else ""


def _storable(text: str, name: str) -> str:
    """Text that a database takes: JSON can spell NUL and halves of characters."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TokenRefused(f"{name} is no text")
    return text


def _impersonator(claims: dict[str, Any]) -> str | None:
    if claims.get("act") is None:
        return None
    actor = claims["act"]
    return _text(cast("dict[str, Any]", actor), "sub") if isinstance(actor, dict) else "unknown"


def _membership(claims: dict[str, Any]) -> Membership | None:
    """The active organization, in the layout that `v` names and in no other."""
    version = claims.get("v", 1)
    match version if type(version) is int else None:
        case 1:
            if claims.get("org_id") is None:
                return None
            given = claims.get("org_permissions")
            listed = cast("list[Any]", given) if isinstance(given, list) else []
            return Membership(
                organization=_text(claims, "org_id"),
                slug=_optional(claims, "org_slug") or None,
                role=_plain(_optional(claims, "org_role")),
                permissions=frozenset(_plain(one) for one in listed if isinstance(one, str)),
            )
        case 2:
            active = claims.get("o")
            if active is None:
                return None
            if not isinstance(active, dict):
                raise TokenRefused("o is no object")
            active = cast("dict[str, Any]", active)
            return Membership(
                organization=_text(active, "id"),
                slug=_optional(active, "slg") or None,
                role=_plain(_optional(active, "rol")),
                permissions=decoded(
                    _optional(claims, "fea"), _optional(active, "per"), _optional(active, "fpm")
                ),
            )
        case _:
            raise TokenRefused("another version of claims")


def _plain(name: str) -> str:
    return name.removeprefix("org:")
