"""The ruled tables of a PDF's pages: their rows as lines, in the place of what they hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from app.adapters.parser.grid import Grid
from app.adapters.parser.page_layout import Line
from app.adapters.parser.ruled_tables import NEAR, Edge, RuledTable, ruled_tables
from app.adapters.parser.tables import Repeated, is_header, table_lines

if TYPE_CHECKING:
    from pypdfium2 import PdfObject, PdfPage, PdfTextPage

# A page with more holds a drawing.
MAX_OBJECTS = 10_000
MAX_EDGES = 4_000
MAX_CELLS = 2_000
# More in one cell, and the lines arrange a page.
MAX_CELL_CHARS = 1_000
_LEAST_FILLED = 0.3
_LEAST_KEPT = 0.9
# What may stand between a table and the edge of its page: a title, a number.
_RUNNING_LINES = 2


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table, with the first and the last of the page's lines that it holds."""

    columns: tuple[float, ...]
    rows: list[list[str]]
    first: int
    last: int
    titles: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a page, and the tables that hold some of them."""

    lines: Sequence[Line] = ()
    tables: Sequence[PageTable] = ()


def page_of(page: "PdfPage", text_page: "PdfTextPage", lines: Sequence[Line]) -> Page:
    """The page with such tables as keep all the words that stand within them."""
    tables: list[PageTable] = []
    for ruled in ruled_tables(_edges(page)):
        held = [place for place, line in enumerate(lines) if _is_within(line, ruled)]
        if not held or ruled.cell_count > MAX_CELLS or not _stands_alone(lines, held, ruled):
            continue
        rows = _rows(text_page, ruled)
        if _keeps(rows, [lines[place].text for place in held]):
            tables.append(PageTable(tuple(ruled.columns), rows, held[0], held[-1]))
    return Page(lines, tables)


def lines_of(pages: Sequence[Page]) -> Iterator[list[Line]]:
    """Each page's lines, rows in the place of tables; a table that goes on keeps its header."""
    above = Page()
    for page in pages:
        tables = [*page.tables]
        if tables and above.tables and _goes_on(above, page):
            tables[0] = _with_header(tables[0], above.tables[-1])
        above = replace(page, tables=tables)
        lines = list(page.lines)
        for table in sorted(tables, key=lambda one: -one.first):
            rows = table_lines(table.rows, titles=table.titles)
            lines[table.first : table.last + 1] = [Line.of_table(*row) for row in rows]
        yield lines


def _goes_on(above: Page, page: Page) -> bool:
    """Whether nothing is between the last table of a page and the first of the next one."""
    last, first = above.tables[-1], page.tables[0]
    is_alike = len(last.columns) == len(first.columns) and all(
        abs(one - other) < NEAR for one, other in zip(last.columns, first.columns, strict=True)
    )
    below = len(above.lines) - last.last - 1
    return is_alike and below <= _RUNNING_LINES and first.first <= _RUNNING_LINES


def _with_header(table: PageTable, above: PageTable) -> PageTable:
    titles = above.titles or int(is_header(above.rows[0], above.rows[1]))
    if titles and any(isinstance(name, Repeated) for name in above.rows[0]):
        titles = max(titles, 2)
    header = above.rows[:titles]
    if table.rows[:titles] == header:
        return replace(table, titles=titles)
    return replace(table, rows=[*header, *table.rows], titles=titles)


def _edges(page: "PdfPage") -> list[Edge]:
    """The straight lines that are drawn, those around rectangles too."""
    import pypdfium2 as pdfium
    from pypdfium2 import raw

    edges: list[Edge] = []
    if not 0 < raw.FPDFPage_CountObjects(page) <= MAX_OBJECTS:
        return []
    try:
        for one in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=1):
            edges += islice(_sides(one), MAX_EDGES)
            if len(edges) > MAX_EDGES:
                return []
    except pdfium.PdfiumError:
        return []
    return edges


def _sides(path: "PdfObject") -> Iterator[Edge]:
    from ctypes import c_float

    from pypdfium2 import raw

    matrix = path.get_matrix()
    x, y = c_float(), c_float()
    start = last = (0.0, 0.0)
    for number in range(raw.FPDFPath_CountSegments(path)):
        segment = raw.FPDFPath_GetPathSegment(path, number)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        point = matrix.on_point(x.value, y.value)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield (*last, *point)
        last = point
        if raw.FPDFPathSegment_GetClose(segment):
            yield (*last, *start)


def _is_within(line: Line, table: RuledTable) -> bool:
    left, bottom, right, top = table.box
    middle = line.bottom + line.size / 2
    return bottom - NEAR < middle < top + NEAR and left - NEAR < line.left < right


def _stands_alone(lines: Sequence[Line], held: Sequence[int], table: RuledTable) -> bool:
    """Whether its lines follow each other and go no further than it does."""
    right = table.box[2] + NEAR
    return len(held) == held[-1] - held[0] + 1 and all(lines[n].right <= right for n in held)


def _rows(text_page: "PdfTextPage", table: RuledTable) -> list[list[str]]:
    grid = Grid()
    for cells in table.rows():
        grid.begin_row()
        for cell in cells:
            text = " ".join(text_page.get_text_bounded(*cell.box).split())
            grid.cell(text, across=cell.across, down=cell.down)
    return grid.finished()[0]


def _keeps(rows: Sequence[Sequence[str]], lines: Sequence[str]) -> bool:
    """Whether it is a table of words, with no more in a cell than a cell holds, and none lost."""
    cells = [cell for row in rows for cell in row]
    filled = [cell for cell in cells if cell and not isinstance(cell, Repeated)]
    if len(rows) < 2 or len(filled) < _LEAST_FILLED * len(cells):
        return False
    if any(len(cell) > MAX_CELL_CHARS for cell in filled):
        return False
    letters = sum(len("".join(line.split())) for line in lines)
    return sum(len("".join(cell.split())) for cell in filled) >= _LEAST_KEPT * letters
