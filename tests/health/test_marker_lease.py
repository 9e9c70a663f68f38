"""marker_lease: the age of `healthy` and `ready` shows that supinit is alive."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.container import Fleet
from supervisor.core.log_events import LogEvent
from supervisor.core.plan import make_plan
from supervisor.core.program import Settings, Table
from supervisor.core.snapshot import Snapshot, Views
from supervisor.health.marker_folder import MarkerFolder
from supervisor.health.markers import Markers

EMPTY = make_plan(Table(Settings(), ()))


@pytest.fixture
def markers(tmp_path: Path) -> Iterator[Markers]:
    folder = MarkerFolder(str(tmp_path))
    folder.open()
    yield Markers(folder)
    folder.close()


def snapshot(*healthy_programs: str, ready: bool = False, healthy: bool = False, at: float | None = None) -> Snapshot:
    healthy_at = dict.fromkeys(healthy_programs, at)
    return Snapshot(Fleet({}), healthy_at, ready, healthy, False, EMPTY, Views(EMPTY, {}, None))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def age(path: Path) -> float:
    """Seconds; a file system may note times a little behind the clock."""
    return time.time() - path.stat().st_mtime


def make_old(folder: Path) -> None:
    for name in files(folder):
        os.utime(folder / name, (1, 1))


def test_what_stands_is_young_again(markers: Markers, tmp_path: Path) -> None:
    markers.apply(snapshot("web", ready=True, healthy=True))
    make_old(tmp_path)
    assert markers.renew() == []
    assert [age(tmp_path / name) < 60 for name in ("healthy", "ready", "health/web")] == [True, True, False]


def test_the_age_of_a_programs_marker_stays_that_of_its_last_passing_check(markers: Markers, tmp_path: Path) -> None:
    passed_at = time.monotonic() - 1000
    markers.apply(snapshot("web", healthy=True, at=passed_at))
    markers.renew()
    assert 990 < age(tmp_path / "health/web") < 1060


@pytest.mark.parametrize(
    ("ready", "healthy", "names"),
    [(False, False, []), (True, False, ["ready"]), (False, True, ["healthy"]), (True, True, ["healthy", "ready"])],
    ids=["neither", "ready", "healthy", "both"],
)
def test_nothing_is_made_that_does_not_stand(
    markers: Markers, tmp_path: Path, ready: bool, healthy: bool, names: list[str]
) -> None:
    markers.apply(snapshot(ready=ready, healthy=healthy))
    assert markers.renew() == []
    assert files(tmp_path) == names


def test_what_was_taken_away_when_it_no_longer_held_stays_away(markers: Markers, tmp_path: Path) -> None:
    markers.apply(snapshot("web", ready=True, healthy=True))
    markers.apply(snapshot())
    assert markers.renew() == []
    assert files(tmp_path) == []


def test_what_somebody_else_has_removed_is_made_again(markers: Markers, tmp_path: Path) -> None:
    markers.apply(snapshot(ready=True))
    (tmp_path / "ready").unlink()
    assert markers.renew() == []
    assert (tmp_path / "ready").read_text() == "ok\n"
    assert files(tmp_path) == ["ready"]


def test_the_next_snapshot_changes_nothing_that_was_renewed(markers: Markers, tmp_path: Path) -> None:
    markers.apply(snapshot(ready=True))
    make_old(tmp_path)
    markers.renew()
    before = (tmp_path / "ready").stat()
    assert markers.apply(snapshot(ready=True)) == []
    assert (tmp_path / "ready").stat().st_mtime_ns == before.st_mtime_ns


def test_what_cannot_be_renewed_is_said_and_tried_again(markers: Markers, tmp_path: Path) -> None:
    markers.apply(snapshot(ready=True))
    os.rename(tmp_path, f"{tmp_path}.away")
    values = {"marker": "ready", "reason": f"cannot write {tmp_path}/ready: No such file or directory"}
    assert markers.renew() == [LogEvent("error", "marker.failed", values)]
    assert markers.apply(snapshot(ready=True)) == []
    assert markers.renew() == []
    os.rename(f"{tmp_path}.away", tmp_path)
    make_old(tmp_path)
    assert markers.renew() == [LogEvent("info", "marker.recovered", {"marker": "ready"})]
    assert age(tmp_path / "ready") < 60
