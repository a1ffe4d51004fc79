"""What of a webhook's address is secret: values in its query, by their names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, unquote_plus

from app.core.addresses import origin_of
from app.features.webhooks.headers import HIDDEN
from app.ports.fetch import AddressRefused

# As it is kept, so that whoever reads an address into its one form finds it as it was.
_KEPT: Final = quote(HIDDEN)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Written as one word, too: `accesstoken`, `hapikey`.
_CREDENTIAL = re.compile(
    r"[a-z]*(?:secret|token|password|passwd|apikey|accesskey|authkey|privatekey|secretkey)"
    r"|key|sig|signature|hmac|jwt|bearer|auth|authorization|credentials?"
    r"|pwd|pass|passphrase|passcode|senha|segredo|chave"
)
# `country_code` and `commit_hash` are none.
_ALONE = frozenset({"apikeys", "code", "hash", "keys", "sign", "tokens"})
# `key_id` and `token_type` tell of a credential, and are none.
_ABOUT = frozenset({"algorithm", "id", "method", "mode", "name", "type", "version"})


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a query between ampersands; `name` is None where it holds no secret."""

    before: str
    name: str | None = None
    value: str = ""


def is_credential(name: str) -> bool:
    """Whether a parameter of this name is likely to hold a secret."""
    plain = unquote_plus(name)
    words = [word.lower() for word in _WORD.findall(plain)]
    if len(words) > 1 and plain.isalpha() and _CREDENTIAL.fullmatch(plain.lower()):
        return True  # `APIkey`, whatever its capitals seem to say
    if len(words) == 1 and words[0] in _ALONE:
        return True
    if not words or (words[-1] in _ABOUT and "secret" not in words):
        return False
    return any(_CREDENTIAL.fullmatch(word) for word in words)


def shown_address(url: str) -> str:
    """The address without the values of credentials."""
    return _hidden(url, HIDDEN)


def stored_address(url: str) -> str:
    """The same as it is kept beside what is sealed; the address itself where nothing is secret."""
    return _hidden(url, _KEPT)


def secrets_in(url: str) -> dict[str, str]:
    """What is to be masked wherever the address could be repeated."""
    values = [part.value for part in _parts(url) if part.name is not None]
    return {f"query {place}": unquote_plus(value) for place, value in enumerate(values)}


def kept_address(given: str, before: str | None) -> str:
    """The given address, with the values that were hidden when it was read.

    Both are in their one form; `before` is the whole address that the webhook has, if any.

    Raises:
        AddressRefused: there was no such value, or it would go to another scheme, host or port.
    """
    known: dict[str, list[str]] = {}
    for part in _parts(before or ""):
        if part.name is not None:
            known.setdefault(part.name, []).append(part.value)
    pieces: list[str] = []
    for part in _parts(given):
        value = part.value
        if part.name is not None and HIDDEN in unquote(unquote(value)).lower():
            if unquote(value) != HIDDEN:
                raise _refused(f"`{part.name}` is sent again as it is shown, or anew")
            if before is not None and origin_of(given) != origin_of(before):
                raise _refused(f"send `{part.name}` again, for another server")
            if not known.get(part.name):
                raise _refused(f"`{part.name}` has no value that is hidden")
            value = known[part.name].pop(0)
        pieces.append(part.before + value)
    return _joined(given, pieces)


def _refused(detail: str) -> AddressRefused:
    return AddressRefused(f"/url: {detail}", errors=[{"pointer": "/url", "detail": detail}])


def _hidden(url: str, mask: str) -> str:
    pieces = [part.before + (mask if part.value else "") for part in _parts(url)]
    return _joined(url, pieces)


def _joined(url: str, pieces: list[str]) -> str:
    start, mark, _ = url.partition("?")
    return start + mark + "&".join(pieces)


def _parts(url: str) -> Iterator[_Part]:
    for piece in url.partition("?")[2].split("&"):
        yield _part(piece)


def _part(piece: str) -> _Part:
    """Some servers divide by semicolons, too: what follows a credential is hidden with it."""
    for hit in re.finditer(r"(?:^|;)([^=;]*)=", piece):
        value = piece[hit.end() :]
        if value and is_credential(hit[1]):
            return _Part(piece[: hit.end()], unquote_plus(hit[1]), value)
    return _Part(piece)
