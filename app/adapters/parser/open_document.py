"""What OpenDocument files of all kinds have in common: how they tell that they are encrypted."""

from collections.abc import Mapping

from app.adapters.parser.archive import Archive
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import DocumentEncrypted

_MANIFEST = "META-INF/manifest.xml"


class _Manifest:
    """Hears a manifest."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "encryption-data":
            raise DocumentEncrypted("Remove its password and upload it again.")

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass


def refuse_encrypted(parts: Archive) -> None:
    """Let nothing pass of which only names can be read.

    Raises:
        DocumentEncrypted: some part of it needs a password.
    """
    if _MANIFEST in parts.names:
        with parts.open(_MANIFEST) as source:
            read_xml(source, _Manifest())
