"""Tables that fit a width: the least important columns are dropped first, the last one takes the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.resources.parameters import UNLIMITED
from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = dict[str, str]

GAP = "  "
LAST_WIDTH = 24
"""Characters that the last column needs before others are dropped for it."""


class Columns(Record):
    """`dropped`: the columns that a narrow terminal loses, first to last. The last heading may be empty."""

    headings: tuple[str, ...]
    dropped: tuple[str, ...]
    numbers: frozenset[str]

    def lay_out(self, rows: Sequence[Row], width: int) -> list[str]:
        """Return the headings and the rows as lines, none of them longer than `width`."""
        headings = self._fitting(rows, width)
        widths = [_width(rows, heading) for heading in headings]
        cells = [headings, *([row[heading] for heading in headings] for row in rows)]
        return [self._line(headings, line, widths, width) for line in cells]

    def _fitting(self, rows: Sequence[Row], width: int) -> list[str]:
        """Choose the columns for a width; an empty one without a heading is left out."""
        last = self.headings[-1]
        headings = [heading for heading in self.headings if heading or any(row[heading] for row in rows)]
        for dropped in self.dropped:
            needed = sum(min(_width(rows, h), LAST_WIDTH if h == last else UNLIMITED) + len(GAP) for h in headings)
            if needed - len(GAP) <= width:
                break
            headings.remove(dropped)
        return headings

    def _line(self, headings: Sequence[str], cells: Sequence[str], widths: Sequence[int], width: int) -> str:
        line = GAP.join(
            cell.rjust(size) if heading in self.numbers else cell if heading == self.headings[-1] else cell.ljust(size)
            for heading, cell, size in zip(headings, cells, widths, strict=True)
        ).rstrip()
        return line if len(line) <= width else line[: width - 1] + "…"


def _width(rows: Sequence[Row], heading: str) -> int:
    return max(len(heading), max((len(row[heading]) for row in rows), default=0))
