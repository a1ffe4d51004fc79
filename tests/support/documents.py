"""PDFs made by hand, whole and hostile, as small as they can be."""

import hashlib
import zlib
from collections.abc import Sequence

FLATE = b"/Filter/FlateDecode"
_PASSWORD_PADDING = bytes.fromhex(
    "28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a"
)
_ID = b"0123456789abcdef"


def pdf_of(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """Numbered objects as a file; the first one is the catalogue."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R%b>>\n" % (len(objects) + 1, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def stream_of(data: bytes, filters: bytes = FLATE) -> bytes:
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (filters, len(data), data)


def pages_of(contents: Sequence[bytes], page_of: Sequence[int], filters: bytes = FLATE) -> bytes:
    """Pages that show the numbered content streams, encoded already."""
    first = 4 + len(contents)
    kids = b" ".join(b"%d 0 R" % (first + place) for place in range(len(page_of)))
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(page_of), kids),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
            *(stream_of(content, filters) for content in contents),
            *(
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]"
                b"/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>" % (4 + number)
                for number in page_of
            ),
        ]
    )


def pdf_with(*pages: str) -> bytes:
    """A page for each text and a line for each of its lines; `# ` begins one in larger letters."""
    contents = []
    for text in pages:
        steps, height = [], 780
        for line in text.split("\n"):
            size = 18 if line.startswith("# ") else 11
            shown = line.removeprefix("# ").encode("cp1252")
            for char in (b"\\", b"(", b")"):
                shown = shown.replace(char, b"\\" + char)
            steps.append(b"BT /F1 %d Tf 60 %d Td (%b) Tj ET" % (size, height, shown))
            height -= 14 if line else 6
        contents.append(zlib.compress(b"\n".join(steps)))
    return pages_of(contents, range(len(contents)))


def ruled_pdf(*pages: Sequence[Sequence[str]], gaps: Sequence[tuple[int, int]] = ()) -> bytes:
    """A page for each table between two lines of text; each cell is in a box of its own.

    `gaps` are cells, by row and column, that are one with the cell at their left.
    """
    contents = []
    for number, rows in enumerate(pages):
        steps = [_shown(60, 780, f"Lista {'abc'[number]}")]
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                left, bottom = 60 + 120 * column, 720 - 30 * row
                width = 240 if (row, column + 1) in gaps else 120
                if (row, column) not in gaps:
                    steps.append(b"%d %d %d 30 re S" % (left, bottom, width))
                for at, line in enumerate(cell.split("\n")):
                    steps.append(_shown(left + 4, bottom + 18 - 12 * at, line))
        steps.append(_shown(60, 680 - 30 * len(rows), f"Fim da lista {'abc'[number]}."))
        contents.append(zlib.compress(b"\n".join(steps)))
    return pages_of(contents, range(len(contents)))


def _shown(left: int, bottom: int, text: str) -> bytes:
    return b"BT /F1 10 Tf %d %d Td (%b) Tj ET" % (left, bottom, text.encode("cp1252"))


def pdf_of_shared_content(pages: int) -> bytes:
    """Many pages that show one content stream of 6 MB, which packs into 30 KB."""
    content = b"BT /F1 1 Tf 10 10 Td (abcdefghij) Tj ET\n" * 150_000
    return pages_of([zlib.compress(content, 9)], [0] * pages)


def pdf_of_nested_compression() -> bytes:
    """A gigabyte of nothing in less than a kilobyte: compressed five times over."""
    first = zlib.compressobj(1)
    data = b"".join([*(first.compress(bytes(1_000_000)) for _ in range(1000)), first.flush()])
    for _ in range(4):
        data = zlib.compress(data, 9)
    return pages_of([data], [0], b"/Filter[" + b"/FlateDecode" * 5 + b"]")


def encrypted_pdf(password: bytes) -> bytes:
    """A page that only this password opens (RC4, 40 bits: the first scheme that there was)."""
    padded = (password + _PASSWORD_PADDING)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    rights = (-4).to_bytes(4, "little", signed=True)
    key = hashlib.md5(padded + owner + rights + _ID).digest()[:5]
    user = _rc4(key, _PASSWORD_PADDING)
    encrypt = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%b>/U<%b>>>/ID[<%b><%b>]" % (
        *(value.hex().encode() for value in (owner, user)),
        *[_ID.hex().encode()] * 2,
    )
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        ],
        encrypt,
    )


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
