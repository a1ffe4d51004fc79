"""Who may be called: the rules of scheme, port, name and address."""

from dataclasses import dataclass

from app.adapters.fetch.deny_list import Address, Network, is_metadata, is_public
from app.adapters.fetch.urls import Target
from app.ports.fetch import AddressRefused

_METADATA_NAMES = (
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
)
# Names that are for one network only (RFC 6761, 6762, 8375, ICANN's `internal`, and habits).
_PRIVATE_ZONES = (
    ".corp", ".home", ".home.arpa", ".internal", ".intranet", ".lan", ".local", ".localdomain",
    ".localhost", ".private",
)  # fmt: skip
NOT_PUBLIC = "This address is not on the public internet."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What an operator lets users call.

    The public internet is called by https at `ports`; `private` networks also by http and at any
    port. Metadata is never called.
    """

    ports: frozenset[int] = frozenset({443})
    private: tuple[Network, ...] = ()

    def admit(self, target: Target) -> None:
        """What can be told without a look-up.

        Raises:
            AddressRefused: it would never be called.
        """
        if target.host in _METADATA_NAMES:
            raise AddressRefused(NOT_PUBLIC)
        if target.literal is not None:
            self.check(target, target.literal)
        elif not self.private:
            if "." not in target.host or target.host.endswith(_PRIVATE_ZONES):
                raise AddressRefused(NOT_PUBLIC)
            self._check_public_form(target)

    def check(self, target: Target, address: Address) -> None:
        """Whether a target may be called at this address of it.

        Raises:
            AddressRefused: it may not.
        """
        if is_metadata(address):
            raise AddressRefused(NOT_PUBLIC)
        if self.is_allowed_private(address):
            return
        if not is_public(address):
            raise AddressRefused(NOT_PUBLIC)
        self._check_public_form(target)

    def is_allowed_private(self, address: Address) -> bool:
        """Whether the operator has named a network that it is in."""
        return any(address in network for network in self.private)

    def _check_public_form(self, target: Target) -> None:
        if target.scheme != "https":
            raise AddressRefused("The address must begin with https://.")
        if target.port not in self.ports:
            raise AddressRefused(f"Port {target.port} is not one that is called.")
