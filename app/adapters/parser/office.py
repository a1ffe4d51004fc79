"""What Word's, PowerPoint's and Excel's files have in common: relations, and their encryption."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.adapters.parser.archive import Archive, path_of
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import DocumentEmpty, DocumentUnreadable, DocumentWithoutText

OLE_SIGN = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# A document with a link on each of its lines has fewer. It takes time to pass over them.
MAX_RELATIONS = 200_000
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def is_encrypted(content: bytes, name: str = "", extensions: tuple[str, ...] = ("",)) -> bool:
    """Whether this is an office file with a password; only its name can tell which kind."""
    is_package = content.startswith(OLE_SIGN) and _ENCRYPTED in content
    return is_package and name.lower().endswith(extensions)


def names_stream(content: bytes, *names: str) -> bool:
    """Whether this is a container of the older kind that holds one of these streams."""
    return content.startswith(OLE_SIGN) and any(
        f"{name}\x00".encode("utf-16-le") in content for name in names
    )


@dataclass
class Relations:
    """What the parts of a file are to a part of it: targets by id, and the kind of each."""

    part: str
    targets: dict[str, str] = field(default_factory=dict[str, str])
    kinds: dict[str, str] = field(default_factory=dict[str, str])

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            key = attributes.get("Id", "")
            self.targets[key] = path_of(self.part, attributes.get("Target", ""))
            self.kinds[key] = attributes.get("Type", "").rpartition("/")[2]

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass

    def of_kind(self, kind: str) -> list[str]:
        """The targets that are this to the part."""
        return [self.targets[key] for key, its_kind in self.kinds.items() if its_kind == kind]


def relations_of(archive: Archive, part: str) -> Relations:
    """Those of a part, or of the file itself if it is named "": none where it has no list.

    Raises:
        DocumentUnreadable: the list is damaged, or too long.
    """
    folder, _, name = part.rpartition("/")
    listing = f"{folder}/_rels/{name}.rels".lstrip("/")
    relations = Relations(part)
    if listing in archive.names:
        with archive.open(listing) as source:
            read_xml(source, relations, MAX_RELATIONS)
    return relations


def main_part(archive: Archive, usual: str) -> str:
    """The name of the part that is the document itself."""
    found = relations_of(archive, "").of_kind("officeDocument")
    part = found[0] if found else usual
    if part not in archive.names:
        raise DocumentUnreadable("The file is damaged: it holds no document.")
    return part


def nothing_in(archive: Archive, *media: str) -> DocumentEmpty | DocumentWithoutText:
    """Why there is no text: there are only pictures, or nothing at all."""
    if archive.has_any(*media):
        return DocumentWithoutText(
            "It holds pictures and no text. Run text recognition (OCR) on it and upload the result."
        )
    return DocumentEmpty()
