"""Tables that lines are drawn around: which lines make one, and what its cells are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Lines nearer than this, in points, are one, and meet.
NEAR = 3.0
MAX_RULES = 600
_LEAST_RULE = 5.0

Edge = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line drawn along one axis: where it is on the other one, and from where to where."""

    at: float
    start: float
    end: float

    def covers(self, place: float) -> bool:
        return self.start - NEAR <= place <= self.end + NEAR


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its box (left, bottom, right, top), and the columns and rows that it spans."""

    box: tuple[float, float, float, float]
    across: int
    down: int


@dataclass(frozen=True, slots=True)
class RuledTable:
    """Lines that meet: `across` from the top down, `upright` from left to right."""

    across: tuple[Rule, ...]
    upright: tuple[Rule, ...]

    @property
    def columns(self) -> list[float]:
        """Where they begin, and the last one ends: many tables are open at their sides."""
        return _places(self.upright, self.across)

    @property
    def levels(self) -> list[float]:
        """Where rows end, from the bottom up, and the first one begins."""
        return _places(self.across, self.upright)

    @property
    def box(self) -> tuple[float, float, float, float]:
        rows, columns = self.levels, self.columns
        return columns[0], rows[0], columns[-1], rows[-1]

    @property
    def cell_count(self) -> int:
        """How many cells it has where none spans."""
        return (len(self.levels) - 1) * (len(self.columns) - 1)

    def rows(self) -> Iterator[list[Cell]]:
        """The cells of each row, from the top; those that a cell above spans are left out."""
        tops, columns = self.levels[::-1], self.columns
        taken: set[tuple[int, int]] = set()
        for row in range(len(tops) - 1):
            cells: list[Cell] = []
            for column in range(len(columns) - 1):
                if (row, column) in taken:
                    continue
                across, down = self._span(tops, columns, row, column)
                places = ((row + y, column + x) for y in range(down) for x in range(across))
                taken.update(places)
                box = (columns[column], tops[row + down], columns[column + across], tops[row])
                cells.append(Cell(box, across, down))
            yield cells

    def _span(
        self, tops: Sequence[float], columns: Sequence[float], row: int, column: int
    ) -> tuple[int, int]:
        """How far a cell reaches until a line is in the way."""
        middle = (tops[row] + tops[row + 1]) / 2
        right = column + 1
        while right < len(columns) - 1 and not _is_drawn(self.upright, columns[right], middle):
            right += 1
        centre = (columns[column] + columns[column + 1]) / 2
        bottom = row + 1
        while bottom < len(tops) - 1 and not _is_drawn(self.across, tops[bottom], centre):
            bottom += 1
        return right - column, bottom - row


def ruled_tables(edges: Iterable[Edge]) -> list[RuledTable]:
    """The tables of a page that has these edges (x, y, x, y), from the top down.

    Whatever has fewer than two columns and two rows is a box and no table.
    """
    across, upright = _rules(edges)
    if len(across) + len(upright) > MAX_RULES:
        return []
    tables = [table for table in _meeting(across, upright) if _is_table(table)]
    return sorted(tables, key=lambda table: -table.box[3])


def _is_table(table: RuledTable) -> bool:
    is_crossed = len(table.across) > 1 and len(table.upright) > 0
    return is_crossed and len(table.levels) > 2 and len(table.columns) > 2


def _rules(edges: Iterable[Edge]) -> tuple[list[Rule], list[Rule]]:
    across: list[Rule] = []
    upright: list[Rule] = []
    for x, y, to_x, to_y in edges:
        if abs(y - to_y) < 1 and abs(x - to_x) >= _LEAST_RULE:
            across.append(Rule(y, min(x, to_x), max(x, to_x)))
        elif abs(x - to_x) < 1 and abs(y - to_y) >= _LEAST_RULE:
            upright.append(Rule(x, min(y, to_y), max(y, to_y)))
    return _whole(across), _whole(upright)


def _whole(rules: list[Rule]) -> list[Rule]:
    """Rules on one line that touch, as one."""
    lines: list[list[Rule]] = []
    for rule in sorted(rules, key=lambda one: one.at):
        if lines and rule.at - lines[-1][-1].at < NEAR:
            lines[-1].append(rule)
        else:
            lines.append([rule])
    return [one for line in lines for one in _merged(line)]


def _merged(line: list[Rule]) -> Iterator[Rule]:
    at = line[0].at
    start = end = None
    for rule in sorted(line, key=lambda one: one.start):
        if start is not None and end is not None and rule.start <= end + NEAR:
            end = max(end, rule.end)
            continue
        if start is not None and end is not None:
            yield Rule(at, start, end)
        start, end = rule.start, rule.end
    if start is not None and end is not None:
        yield Rule(at, start, end)


def _meeting(across: list[Rule], upright: list[Rule]) -> Iterator[RuledTable]:
    """Rules that cross or touch, directly or by way of others."""
    left = set(range(len(upright)))
    unseen = set(range(len(across)))
    while unseen:
        rows, columns, to_do = set[int](), set[int](), {unseen.pop()}
        while to_do:
            rows |= to_do
            found = {n for n in left if any(_meet(across[row], upright[n]) for row in to_do)}
            left -= found
            columns |= found
            to_do = {n for n in unseen if any(_meet(across[n], upright[c]) for c in found)}
            unseen -= to_do
        yield RuledTable(tuple(across[n] for n in rows), tuple(upright[n] for n in columns))


def _meet(across: Rule, upright: Rule) -> bool:
    return across.covers(upright.at) and upright.covers(across.at)


def _is_drawn(rules: Iterable[Rule], at: float, place: float) -> bool:
    return any(abs(rule.at - at) < NEAR and rule.start <= place <= rule.end for rule in rules)


def _places(rules: Iterable[Rule], crossing: Sequence[Rule]) -> list[float]:
    """Where rules are, and where the longest of those that cross them end."""
    starts, ends = (one.start for one in crossing), (one.end for one in crossing)
    places = sorted({*(rule.at for rule in rules), min(starts, default=0), max(ends, default=0)})
    return places[:1] + [after for before, after in pairwise(places) if after - before >= NEAR]
