"""PowerPoint: a page for each slide, with its title, its points, its tables and its notes."""

from collections.abc import Mapping

from app.adapters.parser import archive, xml_reading
from app.adapters.parser.archive import Archive, is_office_file
from app.adapters.parser.office import (
    OLE_SIGN,
    is_encrypted,
    main_part,
    nothing_in,
    relations_of,
)
from app.adapters.parser.pptx_slide import Slide
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import DocumentEncrypted, ParsedText, Parser

EXTENSIONS = (".pptx", ".pptm", ".ppsx")


class _Order:
    """Hears `presentation.xml`: the slides' ids in the order in which they are shown."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sldId":
            self.ids.append(attributes.get("id", ""))

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass


def _claims(content: bytes, name: str) -> bool:
    return is_office_file(content, "ppt/") or is_encrypted(content, name, EXTENSIONS)


def _parse(content: bytes) -> ParsedText:
    if content.startswith(OLE_SIGN):
        raise DocumentEncrypted("Remove its password and upload it again.")
    parts = Archive(content)
    part = main_part(parts, "ppt/presentation.xml")
    order = _Order()
    with parts.open(part) as source:
        read_xml(source, order)
    targets = relations_of(parts, part).targets
    slides = [targets[key] for key in order.ids if targets.get(key) in parts.names]
    pages = tuple(_page(parts, name) for name in slides)
    if not any(pages):
        raise nothing_in(parts, "ppt/media/")
    return ParsedText(pages, is_markdown=True, is_paged=True)


def _page(parts: Archive, name: str) -> str:
    """A slide as text; nothing of one that is hidden, but it is counted."""
    slide = _heard(parts, name)
    notes = [
        paragraph
        for one in relations_of(parts, name).of_kind("notesSlide")[:1]
        if one in parts.names
        for paragraph in _heard(parts, one).noted()
    ]
    text = slide.written(notes)
    return f"{text}\n\n" if text else ""


def _heard(parts: Archive, name: str) -> Slide:
    slide = Slide()
    with parts.open(name) as source:
        read_xml(source, slide)
    return slide


PARSER = Parser(
    "pptx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    EXTENSIONS,
    _claims,
    _parse,
    (*archive.LIBRARIES, *xml_reading.LIBRARIES),
)
