"""Reports laid out: tables with medians, spreads and ratios for people, and everything as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from textwrap import wrap

from benchmarks.report import AnyColumn, Doubt, Goal, Ratio, Report, Row, Table

GAP = "-"
WIDTH = 118
"""Of what is said about the tables; these are as wide as they have to be."""


def text_of(report: Report) -> str:
    """Lay a report out for a terminal."""
    blocks = ["\n".join(("", table.title, *_aligned(_cells(table)))) for table in report.tables]
    if report.goals:
        blocks.append(
            "\n".join(("", f"goals: {report.subject}", *_aligned([_goal_cells(goal) for goal in report.goals])))
        )
    return "\n".join((*blocks, "", *wrap(" ".join(report.remarks), WIDTH)))


def json_of(report: Report) -> dict[str, object]:
    """Return a report as what JSON can say, with the value of each run."""
    tables = [{"title": table.title, "rows": [asdict(row) for row in table.rows]} for table in report.tables]
    goals = [asdict(goal) | {"met": goal.is_met} for goal in report.goals]
    return {"subject": report.subject, "tables": tables, "goals": goals, "remarks": report.remarks}


def _cells(table: Table) -> list[list[str]]:
    lines = [["", *(column.heading for column in table.columns)]]
    for row in table.rows:
        if row.figures:
            lines.append([row.name, *(_cell(table, row, column) for column in table.columns)])
        else:
            lines.append([row.name, *(GAP for _ in table.columns)])
            lines[-1][-1] += f"  {row.remark}"
    return lines


def _cell(table: Table, row: Row, column: AnyColumn) -> str:
    if isinstance(column, Ratio):
        value = table.ratio(row.name, column.key, column.base)
        return GAP if value is None else f"{value:.2f}"
    values = row.figures.get(column.key, ())
    if not values:
        return GAP
    if isinstance(column, Doubt):
        return "no" if any(values) else "yes"
    if column.is_worst:
        return f"{max(values):.{column.digits}f}"
    least, middle, most = (f"{value:.{column.digits}f}" for value in (min(values), median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({least}-{most})"


def _goal_cells(goal: Goal) -> list[str]:
    verdict = {True: "met", False: "MISSED", None: "not measured"}[goal.is_met]
    measured = GAP if goal.measured is None else f"{goal.measured:.2f}".removesuffix(".00") + f" {goal.unit}"
    return [goal.text, measured, f"{'at least' if goal.is_least else 'at most'} {goal.limit:g} {goal.unit}", verdict]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Align the cells of all lines: the first to the left, the others to the right, a remark sticking out."""
    widths = [max(len(cell.partition("  ")[0]) for cell in column) for column in zip(*lines, strict=True)]
    return [_line(line, widths) for line in lines]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    parts = [first[0].ljust(first[1])]
    for cell, width in others:
        value, gap, remark = cell.partition("  ")
        parts.append(value.rjust(width) + gap + remark)
    return "  ".join(parts).rstrip()
