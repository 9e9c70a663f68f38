from __future__ import annotations

import xml.etree.ElementTree as xml

from benchmarks.chart import PANELS, draw_growth, draw_peers


def table(title: str, **rows: dict[str, list[float]]) -> dict[str, object]:
    return {"title": title, "rows": [{"name": name, "figures": figures} for name, figures in rows.items()]}


def run_of(*tables: tuple[str, dict[str, object]]) -> dict[str, object]:
    subjects = dict.fromkeys(subject for subject, _ in tables)
    return {
        "reports": [
            {"subject": subject, "tables": [found for name, found in tables if name == subject]} for subject in subjects
        ]
    }


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_each_panel_shows_who_was_measured_and_leaves_out_who_was_not() -> None:
    keys = ("first", "last", "stop", "pss", "gap", "time")
    figures = {key: [1.0, 2.0, 3.0] for key in keys}
    names = {"supinit": figures, "s6": {}, "supctl status": figures, "supervisorctl status": figures}
    panels = {(panel.subject, panel.table) for panel in PANELS}
    shown = texts(draw_peers(run_of(*((subject, table(title, **names)) for subject, title in sorted(panels)))))
    assert [panel.title for panel in PANELS] == [text for text in shown if text in {panel.title for panel in PANELS}]
    assert shown.count("supinit") == len(PANELS) - 1
    assert "2.0 ms" in shown
    assert "s6" not in shown


def test_who_does_not_tell_its_children_to_end_is_not_shown_as_quick() -> None:
    figures = {key: [1.0] for key in ("first", "last", "stop", "pss", "gap", "time")}
    names = {"supinit": {**figures, "untold": [0.0]}, "runit": {**figures, "untold": [3.0]}, "supctl status": figures}
    panels = {(panel.subject, panel.table) for panel in PANELS}
    shown = texts(draw_peers(run_of(*((subject, table(title, **names)) for subject, title in sorted(panels)))))
    assert shown.count("runit") == sum(panel.key != "stop" and "runit" in panel.rows for panel in PANELS)


def test_growth_has_a_curve_for_each_contender_and_each_cost() -> None:
    figures = {key: [5.0] for key in ("last", "stop", "cpu", "rss")}
    rows = {"1": figures, "100": {key: [50.0] for key in figures}}
    svg = draw_growth(run_of(("growth", table("supinit", **rows)), ("growth", table("loop in C", **rows))))
    shown = texts(svg)
    assert (shown.count("supinit"), shown.count("loop in C")) == (4, 4)
    assert shown.count("100") >= 4
