"""Lists as the environment has them: separated by commas."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode


def split(value: object) -> object:
    """The parts of a text, without blanks around them; what is no text stays as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: object) -> object:
    try:
        return tuple(ip_network(str(network)) for network in _parts(value))
    except ValueError:
        raise ValueError(
            "must be networks without host bits, comma-separated, e.g. 10.0.0.0/8,fd00::/8"
        ) from None


def _ports(value: object) -> object:
    parts = _parts(value)
    numbers = tuple(int(text) for text in map(str, parts) if text.isdecimal())
    if len(numbers) != len(parts) or not all(0 < number <= 65535 for number in numbers):
        raise ValueError("must be ports from 1 to 65535, comma-separated, e.g. 8443,9443")
    return numbers


def _parts(value: object) -> tuple[Any, ...]:
    parts = split(value)
    return cast("tuple[Any, ...]", parts) if isinstance(parts, tuple) else (parts,)


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
Ports = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_ports)]
