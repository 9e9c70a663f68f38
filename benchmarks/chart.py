"""The charts of the documentation, drawn from the JSON of a run: `python -m benchmarks.chart RUN.json FOLDER`.

Bars on a logarithmic scale for supinit beside its peers, curves for growth: plain SVG, readable on light and dark.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

Run = Mapping[str, Any]
"""What `--json` has written."""

OURS, THEIRS, TEXT, FAINT = "#2f81f7", "#8b949e", "#768390", "#76839055"
STYLE = f"text{{font:12px sans-serif;fill:{TEXT}}}.title{{font-weight:bold}}"
WIDTH, BAR, LABEL, LINE = 860, 18, 120, 14


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of one table, and what it says."""

    title: str
    subject: str
    table: str
    key: str
    rows: Sequence[str]
    unit: str = "ms"


YOUNG = "a child is killed 0.1 s after its start"
SUPERVISORS = ("supinit, compiled", "supinit", "s6", "runit", "honcho", "circus", "pm2", "supervisord")
PANELS = (
    Panel("From exec to the first of 20 programs", "lifecycle", "20 programs", "first", SUPERVISORS),
    Panel("From exec to the last of 100 programs", "lifecycle", "100 programs", "last", SUPERVISORS),
    Panel("From SIGTERM to the end, 100 programs", "lifecycle", "100 programs", "stop", SUPERVISORS),
    Panel(
        "From SIGKILL of a program to its replacement",
        "restart",
        "a child is killed 0.1 s after its start",
        "gap",
        SUPERVISORS,
    ),
    Panel("Memory with 100 programs (PSS)", "lifecycle", "100 programs", "pss", SUPERVISORS, "KiB"),
    Panel("Status of 10 programs", "control", "10 programs", "time", ("supctl status", "supervisorctl status")),
)
CURVES = (
    ("last", "until the last program runs", "ms"),
    ("stop", "stop", "ms"),
    ("cpu", "CPU until at rest", "ms"),
    ("rss", "RSS", "MB"),
)


def main(run: Path, folder: Path) -> None:
    found = json.loads(run.read_text())
    (folder / "peers.svg").write_text(draw_peers(found))
    (folder / "growth.svg").write_text(draw_growth(found))


def draw_peers(run: Run) -> str:
    """Draw one panel after the other, two in a row; what was not measured is left out."""
    parts: list[str] = []
    half, top = WIDTH / 2, 0.0
    for index in range(0, len(PANELS), 2):
        heights = []
        for column, panel in enumerate(PANELS[index : index + 2]):
            values = _medians(run, panel)
            heights.append(30 + (BAR + 6) * len(values))
            parts.append(f'<g transform="translate({column * half:g},{top:g})">{"".join(_bars(panel, values))}</g>')
        top += max(heights) + 16
    parts.append(f'<text x="0" y="{top + 8:g}">Medians; the bars are logarithmic.</text>')
    return _svg(top + 16, parts)


def _bars(panel: Panel, values: Mapping[str, float]) -> Iterator[str]:
    """Draw bars whose length is the logarithm of their value, from a tenth of the smallest."""
    yield f'<text class="title" x="0" y="16">{escape(panel.title)}</text>'
    room = WIDTH / 2 - LABEL - 90
    least, most = min(values.values()) / 3, max(values.values())
    for number, (name, value) in enumerate(values.items()):
        y = 26 + number * (BAR + 6)
        length = room * math.log(value / least) / math.log(most / least)
        fill = OURS if name.startswith(("supinit", "supctl")) else THEIRS
        yield f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{fill}"/>'
        yield f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{_amount(value, panel.unit)}</text>'


def draw_growth(run: Run) -> str:
    """Draw one diagram for each cost, programs and cost on logarithmic scales: a straight line is linear or better."""
    tables = {table["title"]: table["rows"] for table in _subject(run, "growth")["tables"]}
    parts = []
    for number, (key, title, unit) in enumerate(CURVES):
        curves = {name: _points(rows, key, 1 / 1024 if unit == "MB" else 1) for name, rows in tables.items()}
        x, y = number % 2 * WIDTH / 2, number // 2 * 250
        parts.append(f'<g transform="translate({x:g},{y})">{"".join(_diagram(f"{title} ({unit})", curves))}</g>')
    return _svg(500, parts)


def _diagram(title: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> Iterator[str]:
    left, top, width, height = 50, 30, WIDTH / 2 - 170, 180
    xs = [x for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points]
    bottom, most = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))

    def place(x: float, y: float) -> tuple[float, float]:
        right = math.log(x / min(xs)) / math.log(max(xs) / min(xs))
        up = math.log(y / bottom) / math.log(most / bottom)
        return left + width * right, top + height * (1 - up)

    yield f'<text class="title" x="0" y="16">{escape(title)}</text>'
    for decade in range(round(math.log10(bottom)), round(math.log10(most)) + 1):
        _, y = place(xs[0], 10.0**decade)
        yield f'<path d="M{left} {y:.1f}h{width:g}" stroke="{FAINT}"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>'
    for x in sorted(set(xs)):
        yield f'<text x="{place(x, bottom)[0]:.1f}" y="{top + height + 16}" text-anchor="middle">{x:g}</text>'
    for name, points in curves.items():
        fill = OURS if name == "supinit" else THEIRS
        dash = ' stroke-dasharray="4 3"' if name == "loop in C" else ""
        path = "L".join("{:.1f} {:.1f}".format(*place(*point)) for point in points)
        yield f'<path d="M{path}" fill="none" stroke="{fill}" stroke-width="2"{dash}/>'
    ends = {name: place(*points[-1])[1] for name, points in curves.items()}
    free: float = top - LINE
    for name in sorted(ends, key=lambda name: ends[name]):
        free = max(free + LINE, ends[name])  # no label on top of another
        yield f'<text x="{left + width + 6:g}" y="{free + 4:.1f}">{escape(name)}</text>'


def _points(rows: Sequence[Mapping[str, Any]], key: str, factor: float) -> list[tuple[float, float]]:
    return [(float(row["name"]), median(row["figures"][key]) * factor) for row in rows if row["figures"].get(key)]


def _medians(run: Run, panel: Panel) -> dict[str, float]:
    tables = {table["title"]: table["rows"] for table in _subject(run, panel.subject)["tables"]}
    rows = {row["name"]: row["figures"].get(panel.key) for row in tables[panel.table]}
    if panel.key == "stop":  # who does not tell its children to end is not quick, but rude
        rows = {
            row["name"]: rows[row["name"]] for row in tables[panel.table] if not any(row["figures"].get("untold", ()))
        }
    return {name: median(rows[name]) for name in panel.rows if rows.get(name)}


def _subject(run: Run, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(report for report in run["reports"] if report["subject"] == name)
    return found


def _amount(value: float, unit: str) -> str:
    if unit == "KiB":
        return f"{value / 1024:.1f} MB"
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}">'
    return f"{head}<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
