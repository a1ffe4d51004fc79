"""Makes question sets in SQuAD's format of Portuguese manuals: a section's title asks for its text.

    .venv/bin/python -m benchmarks.manual_sets FILE [FILE ...] > manual.json

FILEs are HTML pages as DocBook writes them (Debian's package `debian-handbook`, `html/pt-BR`), or
one plain text with numbered headings (`debian-reference-pt`, `debian-reference.pt.txt.gz`). Titles
that stand more than once, of one word, or over less than 200 characters are left out.
"""

import argparse
import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

MIN_CHARS, MAX_CHARS, MIN_WORDS = 200, 1_800, 2
_SECTION = re.compile(r"section|chapter|appendix|preface")
_NUMBER = re.compile(r"^[\d.]+\s+|^Capítulo \d+\.\s*")
_HEADING = re.compile(r"\n(?=\d+\.\d+(?:\.\d+)*\.\s+\S)")
_TITLED = re.compile(r"\d+\.\d+(?:\.\d+)*\.\s+(.+?)\n\n(.*)", re.DOTALL)


def _section_of(node: LexborNode) -> LexborNode | None:
    parent = node.parent
    while parent is not None and not _SECTION.search(parent.attributes.get("class") or ""):
        parent = parent.parent
    return parent


def _of_page(text: str) -> Iterator[tuple[str, str]]:
    page = LexborHTMLParser(text)
    paragraphs = [(_section_of(each), each.text(separator=" ")) for each in page.css(".para")]
    for heading in page.css("h1.title, h2.title, h3.title, h4.title"):
        section = _section_of(heading)
        if section is not None:
            own = (text for owner, text in paragraphs if owner is not None and owner == section)
            yield heading.text(separator=" "), " ".join(own)


def _of_text(text: str) -> Iterator[tuple[str, str]]:
    for part in _HEADING.split(text):
        if found := _TITLED.match(part):
            yield found[1], found[2]


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """Titles and texts of one file."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode(errors="replace")
    for title, body in _of_page(text) if path.suffix == ".html" else _of_text(text):
        yield _NUMBER.sub("", " ".join(title.split())), " ".join(body.split())[:MAX_CHARS]


def main() -> None:
    """Write the set to the standard output."""
    parser = argparse.ArgumentParser(description=" ".join((__doc__ or "").split()))
    parser.add_argument("files", nargs="+", type=Path)
    read = [each for path in sorted(parser.parse_args().files) for each in sections(path)]
    times = Counter(title.casefold() for title, _ in read)
    kept = {
        text: title
        for title, text in read
        if times[title.casefold()] == 1
        and len(title.split()) >= MIN_WORDS
        and len(text) >= MIN_CHARS
    }
    paragraphs = [
        {"context": text, "qas": [{"id": str(place), "question": title, "answers": []}]}
        for place, (text, title) in enumerate(kept.items())
    ]
    json.dump({"data": [{"paragraphs": paragraphs}]}, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()
