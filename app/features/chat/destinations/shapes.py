"""What can be recognised as an address: e-mail, web, telephone, account, name on a network."""

import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address

from app.features.chat.destinations.places import LOCAL_DIGITS, address_of, email_of, number_of

# Bounded and begun at one place only, so that no text takes long to look through.
_LOCAL = re.compile(r"(?:[\w.+%!#$&^~'-]{1,64}|\"[^\"\n]{1,62}\")\Z")
_MAIL_HOST = re.compile(r"\[[^\]\s]{1,60}\]|[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_WORD_AT = r"(?:\s*@\s*|\s+(?:arroba|at)\s+)"
_WORD_DOT = r"(?:\.|\s+(?:dot|ponto|punto)\s+)"
_SPOKEN_MAIL = re.compile(
    rf"(?<![\w.+-])((?:[\w.+-]{{1,40}}\s+(?:dot|ponto|punto)\s+){{0,4}}[\w.+-]{{1,40}}){_WORD_AT}"
    rf"([\w-]{{1,40}}(?:{_WORD_DOT}[\w-]{{1,40}}){{1,5}})",
    re.IGNORECASE,
)
_SPOKEN_DOT = re.compile(r"\s+(?:dot|ponto|punto)\s+", re.IGNORECASE)
_SPOKEN_HOST = re.compile(
    r"(?<![\w.-])[\w-]{1,40}(?:\s+dot\s+[\w-]{1,40}){1,5}"
    r"|(?<![\w.-])[\w-]{1,40}(?:\s+(?:ponto|punto)\s+[\w-]{1,40}){2,5}",
    re.IGNORECASE,
)
_AUTHORITY = r"(?:[^\s/\\?#@<>\"]{0,200}@)?(\[[0-9a-f:.]+\]|[^\s/\\?#:@\"'<>,;)}\]]+)"
_REST = r"(?::\d{1,5})?([/\\?#][^\s\"'<>]*)?"
_URL = re.compile(
    rf"(?<![a-z0-9+.-])(?:(?:https?|wss?|s?ftps?|ssh):[/\\]*|[a-z][a-z0-9+.-]{{1,20}}:[/\\]{{2,}})"
    rf"{_AUTHORITY}{_REST}|(?<![:\w/\\])[/\\]{{2}}([\w-]+(?:\.[\w-]+)+){_REST}",
    re.IGNORECASE,
)
_DOTTED = re.compile(rf"(?<![\w.@/\\-])([\w-]+(?:\.[\w-]+)+)(?![\w@]){_REST}")
_NUMERIC = re.compile(r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\Z")
# In the midst of a text only these end a host: `ao.final` is a missing blank, `a.pdf` a file.
_COMMON_ENDS = re.compile(
    r"com|net|org|edu|gov|info|biz|io|app|dev|xyz|online|site|store|shop|club|live|link|click|cloud"
    r"|tech|website|top|page|space|fun|br|uk|ru|cn|su|pw|tk|onion|example|test|invalid|localhost"
    r"|local|internal"
)
_LIKE_A_FILE = re.compile(
    r".*\.(?:pdf|docx?|xlsx?|pptx?|od[tsp]|csv|txt|md|json|xml|html?|png|jpe?g|gif|webp|svg|zip"
    r"|rar|gz|tar|eml|msg|log|mp[34]|wav|py|js|ts|sql|ya?ml)",
    re.IGNORECASE,
)
_RUN = re.compile(r"(?<!\d)\+?\(?\d(?:[\s().\-/]{0,3}\d){7,29}")
_TELEPHONE = re.compile(
    r"\+\d(?:[\s().-]{0,3}\d){7,14}|\(0?\d{2,4}\)\s?\d(?:[\s.-]?\d){6,9}"
    r"|(?<![\w.-])\d{2}[\s.]9?[\s.]?\d{4}[-\s.]\d{4}(?![\w-])"
    r"|(?<![\w.-])55[1-9]{2}9\d{8}(?![\w-])"
    r"|(?:fones?|tel|whats\w{0,5}|zap|celular|phone|sms|ligue|call)[^\d\n]{0,12}\d(?:[\s().-]{0,3}\d){7,14}"
    r"|\bpix\b\W{0,4}(?:chave\W{0,4})?\d(?:[\s().-]{0,3}\d){9,13}(?!\d)",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@./])@([a-z_][\w.]{2,31})(?![\w@])", re.IGNORECASE)
_ACCOUNT = re.compile(
    r"(?<!\w)(?:bc1[a-z0-9]{20,87}|0x[0-9a-f]{40}"
    r"|[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7} ?[a-z0-9]{0,3})(?!\w)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\[([0-9a-f:.]{2,45})\]", re.IGNORECASE)
_RANDOM_KEY = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PIX = re.compile(
    rf"\b(?:pix\W{{0,4}}(?:chave(?: aleat[óo]ria)?\W{{0,4}})?|chave aleat[óo]ria\W{{0,4}})"
    rf"({_RANDOM_KEY})\b",
    re.IGNORECASE,
)
_RANDOM = re.compile(rf"\b{_RANDOM_KEY}\b", re.IGNORECASE)
MOST_DIGITS = 15
MIN_ADDRESS_DIGITS = 9
AREA_DIGITS, WITH_AREA_DIGITS = 3, 10
_ENDING = ".,;:!?)]}*_|"


def all_in(text: str) -> Iterator[str]:
    """Every place that a plain text could be taken to name."""
    yield from _mails(text, is_slot=True)
    yield from _web(text)
    yield from (address_of(hit[1], _rest(hit[2])) for hit in _DOTTED.finditer(text))
    for hit in _SPOKEN_HOST.finditer(_SPOKEN_MAIL.sub(" ", text)):
        yield address_of(_joined(hit[0]), "")
    for hit in _RUN.finditer(text):
        yield from _numbers(hit[0])
    yield from (f"account:{hit[0].casefold()}" for hit in _RANDOM.finditer(text))
    yield from _names(text)


def aimed_at(text: str, *, is_slot: bool) -> Iterator[str]:
    """The places that an argument points at; in a slot for one, whatever could be one."""
    yield from _mails(text, is_slot=is_slot)
    yield from _web(text)
    yield from _hosts(text, is_slot=is_slot)
    yield from (address_of(_joined(hit[0]), "") for hit in _SPOKEN_HOST.finditer(text))
    for hit in (_RUN if is_slot else _TELEPHONE).finditer(text):
        if len(number := number_of(hit[0])) >= LOCAL_DIGITS:
            yield number
    yield from (f"account:{hit[1].casefold()}" for hit in _PIX.finditer(text))
    yield from _names(text)


def _joined(text: str) -> str:
    return _SPOKEN_DOT.sub(".", text)


def _mails(text: str, *, is_slot: bool) -> Iterator[str]:
    place = text.find("@")
    while place >= 0:
        local = _LOCAL.search(text, max(0, place - 64), place)
        host = _MAIL_HOST.match(text, place + 1)
        if local and host and (is_slot or "." in host[0] or host[0].startswith("[")):
            yield email_of(local[0].lstrip("'"), host[0])
        place = text.find("@", place + 1)
    for hit in _SPOKEN_MAIL.finditer(text):
        # `see us at loja.example` names a host, and no e-mail address.
        if "@" in hit[0] or "arroba" in hit[0].casefold() or _SPOKEN_DOT.search(hit[2]):
            yield email_of(_joined(hit[1]), _joined(hit[2]))


def _web(text: str) -> Iterator[str]:
    for hit in _URL.finditer(text):
        address = address_of(hit[1] or hit[3], _rest(hit[2] or hit[4]))
        # Readers do not agree on where the host ends.
        yield f"ambiguous:{address}" if "\\" in hit[0] else address


def _rest(path: str | None) -> str:
    return (path or "").rstrip(_ENDING)


def _hosts(text: str, *, is_slot: bool) -> Iterator[str]:
    for hit in _DOTTED.finditer(text):
        host, path = hit[1], _rest(hit[2])
        is_alone = is_slot or hit[0] == text.strip()
        if _is_host(host, has_path=bool(path) or ":" in hit[0], is_slot=is_slot, is_alone=is_alone):
            yield address_of(host, path)


def _is_host(host: str, *, has_path: bool, is_slot: bool, is_alone: bool) -> bool:
    if _NUMERIC.match(host):
        # Short ones are versions and items more often than addresses.
        return is_slot or has_path or len(host.replace(".", "")) >= MIN_ADDRESS_DIGITS
    labels = host.casefold().split(".")
    if not any(char.isalpha() for char in labels[-1]) or len(labels[-1]) < 2:
        return False
    if (
        labels[0] == "www"
        or _COMMON_ENDS.fullmatch(labels[-1])
        or any(x.startswith("xn--") for x in labels)
    ):
        return True
    if is_slot or labels[-2] in ("com", "co", "org", "net", "gov"):
        return True
    return (is_alone or has_path) and not _LIKE_A_FILE.fullmatch(host)


def _numbers(run: str) -> Iterator[str]:
    """Each number in a run of digits, which may hold several with blanks between."""
    groups = run.split()
    for first in range(len(groups)):
        for last in range(first, len(groups)):
            number = number_of("".join(groups[first : last + 1]))
            if len(number) > MOST_DIGITS:
                break
            # After an area's code the rest alone would be a number of any area.
            is_rest = first > 0 and len(groups[first - 1].strip("+()")) <= AREA_DIGITS
            if len(number) >= (WITH_AREA_DIGITS if is_rest else LOCAL_DIGITS):
                yield number


def _names(text: str) -> Iterator[str]:
    for hit in _BRACKETED.finditer(text):
        with suppress(ValueError):
            IPv6Address(hit[1])
            yield address_of(hit[0], "")
    yield from (f"@{hit[1].casefold().rstrip('.')}" for hit in _HANDLE.finditer(text))
    for hit in _ACCOUNT.finditer(text):
        account = "".join(hit[0].split()).casefold()
        if account.startswith(("bc1", "0x")) or _is_iban(account):
            yield f"account:{account}"


def _is_iban(text: str) -> bool:
    """By its check digits, as many a code has the shape of one."""
    return len(text) > 14 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1
