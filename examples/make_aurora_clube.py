"""Writes aurora-clube.pdf from aurora-clube.source.md, the same bytes every time.

pip install fpdf2==2.8.9
python examples/make_aurora_clube.py
"""

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

TITLE = "Regulamento do Aurora Clube"
SOURCE = Path(__file__).with_name("aurora-clube.source.md")
WIDTHS = (25, 45, 90)


class Regulation(FPDF):
    """A4 pages with the shop's name above and the page's number below."""

    def header(self) -> None:
        """The running head."""
        self.set_font("helvetica", size=9)
        self.set_text_color(110)
        self.cell(0, 6, "Loja Aurora: casa e decoração", new_x="LMARGIN", new_y="NEXT")
        self.ln(6)

    def footer(self) -> None:
        """The page's number."""
        self.set_y(-18)
        self.set_font("helvetica", size=9)
        self.set_text_color(110)
        self.cell(0, 6, f"{TITLE}, página {self.page_no()} de {{nb}}", align="C")

    def heading(self, text: str, *, size: int) -> None:
        """The document's title or a section's."""
        self.set_font("helvetica", style="B", size=size)
        self.set_text_color(140, 70, 20)
        self.multi_cell(0, size * 0.55, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(2)

    def table_of(self, rows: list[list[str]]) -> None:
        """A table; its first row names the columns."""
        self.set_text_color(30)
        for place, row in enumerate(rows):
            self.set_font("helvetica", style="" if place else "B", size=11)
            for width, cell in zip(WIDTHS, row, strict=True):
                self.cell(width, 8, cell, border="B")
            self.ln()
        self.ln(4)

    def paragraph(self, text: str) -> None:
        """Text over the whole width, or an item of a list."""
        self.set_font("helvetica", size=11)
        self.set_text_color(30)
        self.set_left_margin(30 if text.startswith("- ") else 25)
        self.multi_cell(0, 6, text, align="J", new_x="LMARGIN", new_y="NEXT")
        self.set_left_margin(25)
        self.ln(1 if text.startswith("- ") else 3)


def write(source: Path, target: Path) -> None:
    """Make the document: a page for each part between rules, a paragraph for each block."""
    pages = source.read_text(encoding="utf-8").split("\n---\n")
    document = Regulation()
    document.set_title(TITLE)
    document.set_lang("pt-BR")
    document.set_creation_date(datetime(2026, 3, 1, tzinfo=UTC))
    document.set_margins(25, 18)
    for page in pages:
        document.add_page()
        for block in page.strip().split("\n\n"):
            if block.startswith("#"):
                marks, _, text = block.partition(" ")
                document.heading(text, size=20 if marks == "#" else 13)
            elif block.startswith("| "):
                document.table_of([line[2:].split(" | ") for line in block.splitlines()])
            else:
                for item in block.split("\n- "):
                    text = " ".join(item.split())
                    is_item = block.startswith("- ")
                    document.paragraph(f"- {text.removeprefix('- ')}" if is_item else text)
    document.output(str(target))


if __name__ == "__main__":
    write(SOURCE, SOURCE.with_name("aurora-clube.pdf"))
