"""Walks an HTML tree of any depth and writes Markdown: headings, lists, rows with their header."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.adapters.parser.grid import Grid, span
from app.adapters.parser.tables import has_figures_below, table_lines

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_UNSEEN_TAGS = (
    "script style noscript template svg math canvas iframe object embed audio video nav head"
    " select datalist textarea button"
)
_BLOCK_TAGS = (
    "address article aside blockquote body br caption center dd details dialog div dl dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main ol p pre section"
    " summary table tbody td tfoot th thead tr ul"
)
_UNSEEN = frozenset(_UNSEEN_TAGS.split())
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_HEADING = re.compile(r"h([1-6])")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# A table that holds one of these arranges a page; it is no table of data.
_LAYOUT = "table, h1, h2, h3, h4, h5, h6, ul, ol"
_MAX_INDENT = 6


@dataclass
class _Table:
    """A table of data while its rows are read."""

    grid: Grid = field(default_factory=Grid)
    has_names_only: bool = True

    def begin_row(self) -> None:
        self.grid.begin_row()
        self.has_names_only = True

    def cell(self, node: "LexborNode", text: str) -> None:
        """A cell that has ended."""
        shape = node.attributes
        self.grid.cell(text, across=span(shape.get("colspan")), down=span(shape.get("rowspan")))
        self.has_names_only = self.has_names_only and _is_name(node, text)

    def end_row(self) -> None:
        if self.has_names_only:
            self.grid.mark_title()

    def lines(self) -> Iterator[tuple[str, bool]]:
        """The rows; two columns that nothing marks as named are as often a name and its value."""
        rows, titles = self.grid.finished()
        is_guessed = max(map(len, rows), default=0) > 2 or has_figures_below(rows)
        return table_lines(rows, titles=titles, is_guessed=is_guessed)


class MarkdownWriter:
    """Writes one document."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._inline: list[str] = []
        self._prefix = ""
        self._last_was_item = False
        self._lists: list[int | None] = []
        self._tables: list[_Table | None] = []

    def written(self, page: "LexborHTMLParser") -> str:
        """The whole page; its title heads it where it has no first heading of its own."""
        title = page.css_first("head > title")
        if title is not None and page.css_first("h1") is None:
            self._put(title.text(), prefix="# ")
        if page.root is not None:
            self._walk(page.root)
        self._flush()
        return "".join(self._parts)

    def _walk(self, root: "LexborNode") -> None:
        node: LexborNode | None = root
        while node is not None:
            child = node.first_child if self._enter(node) else None
            if child is not None:
                node = child
                continue
            while node is not None:
                self._leave(node)
                if node.mem_id == root.mem_id:
                    return
                if node.next is not None:
                    node = node.next
                    break
                node = node.parent

    def _enter(self, node: "LexborNode") -> bool:
        """Take a node in; whether to look at what it holds."""
        if node.is_text_node:
            self._inline.append(node.text_content or "")
            return False
        tag = node.tag or ""
        if not node.is_element_node or tag in _UNSEEN or _is_hidden(node):
            return node.is_document_node
        if tag == "pre":
            self._code(node.text())
            return False
        if tag in _BLOCKS:
            self._begin(tag, node)
        elif tag == "img":
            self._inline.append(f" {node.attributes.get('alt') or ''} ")
        return True

    def _begin(self, tag: str, node: "LexborNode") -> None:
        if self._in_data and tag != "table":
            self._inline.append(" ")
            self._begin_in_table(tag)
            return
        self._flush()
        if tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._prefix = self._bullet()
        elif tag == "table":
            # Of its children: a selector also finds the node that it is asked of.
            is_layout = any(child.css_first(_LAYOUT) for child in node.iter())
            self._tables.append(None if is_layout else _Table())
        elif heading := _HEADING.fullmatch(tag):
            self._prefix = "#" * int(heading[1]) + " "

    def _begin_in_table(self, tag: str) -> None:
        table = self._tables[-1]
        if tag in ("td", "th"):
            self._inline.clear()
        elif tag == "tr" and table is not None:
            table.begin_row()

    def _leave(self, node: "LexborNode") -> None:
        tag = node.tag or ""
        if tag not in _BLOCKS or _is_hidden(node):
            return
        if self._in_data and tag not in ("table", "caption"):
            self._leave_in_table(tag, node)
            return
        self._flush()
        if tag in ("ul", "ol"):
            self._lists.pop()
        elif tag == "table":
            table = self._tables.pop()
            for line, is_row in table.lines() if table else ():
                self._put(line, prefix="- " if is_row else "")
        elif tag == "li" or _HEADING.fullmatch(tag):
            self._prefix = ""

    def _leave_in_table(self, tag: str, node: "LexborNode") -> None:
        table = self._tables[-1]
        if table is None:
            return
        if tag in ("td", "th"):
            table.cell(node, _collapsed("".join(self._inline)))
            self._inline.clear()
        elif tag == "tr":
            table.end_row()
        else:
            self._inline.append(" ")

    @property
    def _in_data(self) -> bool:
        return bool(self._tables) and self._tables[-1] is not None

    def _bullet(self) -> str:
        depth = len(self._lists)
        indent = "  " * min(max(depth - 1, 0), _MAX_INDENT)
        if not self._lists or self._lists[-1] is None:
            return f"{indent}- "
        number = self._lists[-1] + 1
        self._lists[-1] = number
        return f"{indent}{number}. "

    def _code(self, text: str) -> None:
        self._flush()
        if text.strip():
            fence = "~~~" if "```" in text else "```"
            self._append(f"{fence}\n{text.strip(chr(10))}\n{fence}", is_item=False)

    def _flush(self) -> None:
        text = "".join(self._inline)
        self._inline.clear()
        self._put(text, prefix=self._prefix)

    def _put(self, text: str, *, prefix: str = "") -> None:
        collapsed = _collapsed(text)
        if collapsed:
            self._append(prefix + collapsed, is_item=bool(prefix) and "#" not in prefix)
            self._prefix = ""

    def _append(self, block: str, *, is_item: bool) -> None:
        if self._parts:
            self._parts.append("\n" if is_item and self._last_was_item else "\n\n")
        self._parts.append(block)
        self._last_was_item = is_item


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _is_name(cell: "LexborNode", text: str) -> bool:
    """Whether a cell is one of names, by its tag or as all of it is bold; an empty one may be."""
    if cell.tag == "th" or not text:
        return True
    bold = cell.css_first("b, strong")
    return bold is not None and _collapsed(bold.text()) == text


def _is_hidden(node: "LexborNode") -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    style = attributes.get("style")
    return "hidden" in attributes or bool(style and _HIDING.search(style))
