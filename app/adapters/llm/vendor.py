"""What there is to know of somebody who serves models over HTTP."""

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from app.adapters.llm.answer import Answer, Take
from app.adapters.llm.failures import Faults
from app.adapters.llm.posting import Poster
from app.ports.llm import ChatRequest, DialectName, Wire

UNKNOWN_WINDOW = 32_000


class Dialect(Protocol):
    """How a provider is asked and how its answer is read."""

    name: ClassVar[DialectName]
    # The module whose request path is used; imported when a provider is set up.
    sdk: ClassVar[str]
    # Packages around it that no request needs, and that are never run (`core/bare_packages.py`).
    bare: ClassVar[tuple[str, ...]]

    @property
    def faults(self) -> Faults: ...

    def client(self, sdk: Any, **options: Any) -> Any:
        """The SDK's client with all that its first call imports; all SDKs take these options."""
        ...

    def call(self, poster: Poster, request: ChatRequest) -> AbstractAsyncContextManager[Any]:
        """A request that is sent when it is entered, and its response without a parsed body."""
        ...

    def begin(self, answer: Answer) -> Take:
        """A reader for one answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Somebody who serves models over HTTP."""

    name: str
    dialect: Dialect
    # None for what runs where only the operator knows; it is set up by its address.
    base_url: str | None
    needs_key: bool = True
    # Added to an address that has no path, as people know these servers by their port alone.
    default_path: str = ""
    own_names: re.Pattern[str] | None = None
    # Tokens, for models of which the catalogue does not know.
    unknown_window: int = UNKNOWN_WINDOW

    @property
    def wire(self) -> Wire:
        prefix = self.name.upper()
        return Wire(self.dialect.name, f"{prefix}_BASE_URL", f"{prefix}_API_KEY")

    @property
    def required_variable(self) -> str:
        return self.wire.key_variable if self.needs_key else self.wire.base_url_variable
