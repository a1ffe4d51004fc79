"""Names, certificates and wires for tests of the guarded client."""

import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from app.adapters.fetch.guarded import open_fetch
from app.adapters.fetch.resolver import Resolver
from app.core.settings import Settings
from app.ports.fetch import Fetch
from tests.support.certificates import Authority

PUBLIC = "93.184.216.34"


@dataclass
class Wire:
    """Every connection that this process begins and every name that it has looked up."""

    connects: list[tuple[str, int]] = field(default_factory=list)
    look_ups: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple) -> None:
        if (
            event == "socket.connect" and arguments[0].family != socket.AF_UNIX
        ) or event == "socket.sendto":
            self.connects.append(arguments[1][:2])
        elif event == "socket.getaddrinfo":
            self.look_ups.append(_text(arguments[0]))


_wires: list[Wire] = []
sys.addaudithook(lambda event, arguments: [wire.hear(event, arguments) for wire in _wires] and None)


@pytest.fixture
def wire() -> Iterator[Wire]:
    heard = Wire()
    _wires.append(heard)
    yield heard
    _wires.remove(heard)


def _text(host: str | bytes | None) -> str:
    # Some callers ask for bytes: a stub that compares with text alone would miss them.
    return host.decode() if isinstance(host, bytes) else host or ""


@dataclass
class Names:
    """A name server of our own: what is not listed is a host of the public internet."""

    answers: dict[str, list[str] | Callable[[int], list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def look_up(self, host: str | bytes, port: object, *_: object, **__: object) -> list[tuple]:
        name = _text(host)
        self.asked.append(name)
        found = self.answers.get(name, [PUBLIC])
        if callable(found):
            found = found(self.asked.count(name))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, 0, 0, 0))
            if ":" in each
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0))
            for each in found
        ]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


Opening = Callable[..., AbstractAsyncContextManager[Fetch]]


@pytest.fixture
def opened(names: Names, authority: Authority) -> Opening:
    """The client, with settings of the test's own."""

    @asynccontextmanager
    async def open_one(*, kept_s: float = 10.0, look_up_s: float = 1.0, **settings: object):
        resolver = Resolver(names.look_up, kept_s=kept_s, look_up_s=look_up_s)
        async with open_fetch(
            Settings(**settings), resolver=resolver, trust=authority.trust
        ) as fetch:
            yield fetch

    return open_one


@pytest.fixture
async def strict(opened: Opening) -> AsyncIterator[Fetch]:
    """As it is without any setting, but for one more port: the public internet alone."""
    async with opened(outbound_allow_ports="8443") as fetch:
        yield fetch


@pytest.fixture
async def local(opened: Opening) -> AsyncIterator[Fetch]:
    """With an operator's leave to call this machine."""
    async with opened(outbound_allow_private_cidrs="127.0.0.0/8,::1/128") as fetch:
        yield fetch
