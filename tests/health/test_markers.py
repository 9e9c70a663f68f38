from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from supervisor.core.fleet import new_fleet
from supervisor.core.log_events import LogEvent
from supervisor.core.plan import make_plan
from supervisor.core.program import Program, Settings, Table
from supervisor.core.record import replace
from supervisor.core.snapshot import Snapshot, project
from supervisor.errors import StartError
from supervisor.health.marker_folder import MarkerFolder
from supervisor.health.markers import Markers

from ..process.nursery import NOBODY, closing_new, elsewhere, open_descriptors

PLAN = make_plan(Table(Settings(), (Program("web", ("true",)),)))
NOTHING = replace(project(PLAN, new_fleet(PLAN)), healthy_programs={}, ready=False, healthy=False)


def seen(
    healthy_programs: Mapping[str, float | None] | None = None, ready: bool = False, healthy: bool = False
) -> Snapshot:
    return replace(NOTHING, healthy_programs=healthy_programs or {}, ready=ready, healthy=healthy)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def taken(run_dir: Path) -> Markers:
    """Take run_dir for a supinit of its own."""
    folder = MarkerFolder(str(run_dir))
    folder.open()
    return Markers(folder)


@pytest.fixture(autouse=True)
def no_directory_stays_open(tmp_path: Path) -> Iterator[None]:
    with closing_new(str(tmp_path)):
        yield


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run" / "supinit"


@pytest.fixture
def markers(run_dir: Path) -> Markers:
    return taken(run_dir)


# ---- a run_dir to begin with


def test_run_dir_is_made_if_it_is_missing(markers: Markers, run_dir: Path) -> None:
    assert run_dir.is_dir()
    assert files(run_dir) == set()


def test_what_an_earlier_life_has_left_is_removed_and_nothing_else(run_dir: Path) -> None:
    (run_dir / "health").mkdir(parents=True)
    for name in ("ready", "healthy", ".ready", ".healthy", "health/web", "health/.web", "nginx.pid"):
        (run_dir / name).write_text("old\n")
    taken(run_dir)
    assert files(run_dir) == {"nginx.pid"}


def test_a_second_supinit_in_the_same_run_dir_is_refused(markers: Markers, run_dir: Path) -> None:
    markers.apply(seen({"web": None}, ready=True, healthy=True))
    before = files(run_dir)
    with pytest.raises(StartError) as caught:
        taken(run_dir)
    assert str(caught.value) == (
        f"cannot use run_dir {run_dir}: another supinit is using it; "
        "give each its own with supervisor.run_dir or $SUPINIT_RUN_DIR"
    )
    assert files(run_dir) == before == {"health/web", "ready", "healthy"}


def test_run_dir_is_free_again_when_its_supinit_has_died(run_dir: Path) -> None:
    """Even if it was killed: the kernel drops the lock with the process."""

    def take() -> None:
        taken(run_dir).apply(seen(ready=True))

    elsewhere(take)
    assert files(run_dir) == {"ready"}
    taken(run_dir)
    assert files(run_dir) == set()


def test_no_child_inherits_its_directories(run_dir: Path) -> None:
    before = open_descriptors()
    taken(run_dir)
    assert [os.get_inheritable(descriptor) for descriptor in open_descriptors() - before] == [False, False]


def way_out(run_dir: Path, reason: str, user: int | None = None) -> str:
    return (
        f"cannot write run_dir {run_dir}: {reason}; mount a tmpfs there, or name a directory "
        f"that uid {os.geteuid() if user is None else user} can write with supervisor.run_dir or $SUPINIT_RUN_DIR"
    )


@pytest.mark.parametrize(
    ("in_the_way", "reason"),
    [
        ("run", "Not a directory"),
        ("run/supinit", "Not a directory"),
        ("run/supinit/health", "File exists"),
    ],
)
def test_a_file_in_the_way_is_reported_with_the_way_out(
    run_dir: Path, tmp_path: Path, in_the_way: str, reason: str
) -> None:
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).write_text("a file")
    with pytest.raises(StartError) as caught:
        taken(run_dir)
    assert str(caught.value) == way_out(run_dir, reason)
    assert (tmp_path / in_the_way).read_text() == "a file"


def test_a_folder_where_a_marker_belongs_is_reported(run_dir: Path) -> None:
    (run_dir / "healthy").mkdir(parents=True)
    with pytest.raises(StartError) as caught:
        taken(run_dir)
    assert str(caught.value) == way_out(run_dir, "Is a directory")


def test_a_run_dir_that_may_not_be_written_is_reported_with_the_way_out(run_dir: Path) -> None:
    (run_dir / "health").mkdir(parents=True)
    user = os.geteuid() or NOBODY
    for folder in run_dir.parents[: len(run_dir.parents) - 2]:
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755)
    run_dir.chmod(0o555)

    def prepare() -> str:
        with pytest.raises(StartError) as caught:
            taken(run_dir)
        return str(caught.value)

    try:
        assert elsewhere(prepare, user) == way_out(run_dir, "Permission denied", user)
    finally:
        run_dir.chmod(0o755)


def test_a_run_dir_that_cannot_be_used_keeps_no_lock(run_dir: Path) -> None:
    (run_dir / "healthy").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(StartError, match="Is a directory"):
            taken(run_dir)
    (run_dir / "healthy").rmdir()
    taken(run_dir)


# ---- the markers follow the snapshot


def test_there_is_a_file_for_each_thing_that_holds(markers: Markers, run_dir: Path) -> None:
    for snapshot, expected in (
        (seen(), set()),
        (seen({"web": None}), {"health/web"}),
        (seen({"web": None, "cron": None}, ready=True), {"health/web", "health/cron", "ready"}),
        (seen({"cron": None}, ready=True, healthy=True), {"health/cron", "ready", "healthy"}),
        (seen(ready=True), {"ready"}),
        (seen(), set()),
    ):
        assert markers.apply(snapshot) == []
        assert files(run_dir) == expected


def test_what_must_go_goes_before_anything_new_comes(markers: Markers, run_dir: Path) -> None:
    """Seen from outside by a thread that looks at both: `healthy` never stands beside what replaced it."""
    both = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            names = os.listdir(run_dir / "health")
            if "a" in names and "b" in names:
                both.append(names)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(300):
        markers.apply(seen({"a": None}))
        markers.apply(seen({"b": None}))
    stop.set()
    watcher.join()
    assert both == []


def test_a_reader_sees_the_whole_file_or_none(markers: Markers, run_dir: Path) -> None:
    contents: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                contents.add((run_dir / "healthy").read_text())
            except FileNotFoundError:
                pass

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(500):
        markers.apply(seen(healthy=True))
        markers.apply(seen())
    stop.set()
    reader.join()
    assert contents <= {"ok\n"}


def test_the_modification_time_is_the_last_passing_check_from_the_first_moment(markers: Markers, run_dir: Path) -> None:
    now, wall = time.monotonic(), time.time()
    markers.apply(seen({"web": now - 100.0}))
    assert abs((run_dir / "health/web").stat().st_mtime - (wall - 100.0)) < 5.0
    markers.apply(seen({"web": now - 50.0}))
    assert abs((run_dir / "health/web").stat().st_mtime - (wall - 50.0)) < 5.0


def test_a_snapshot_that_says_the_same_touches_nothing(markers: Markers, run_dir: Path) -> None:
    passed_at = time.monotonic()
    snapshot = seen({"web": passed_at}, ready=True, healthy=True)
    markers.apply(snapshot)
    paths = [run_dir / name for name in files(run_dir)]
    before = [(path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in paths]
    markers.apply(seen({"web": passed_at}, ready=True, healthy=True))
    assert [(path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in paths] == before


def test_a_marker_that_somebody_removed_comes_back_with_the_next_pass(markers: Markers, run_dir: Path) -> None:
    markers.apply(seen({"web": 1.0}))
    (run_dir / "health/web").unlink()
    assert markers.apply(seen({"web": 2.0})) == []
    assert files(run_dir) == {"health/web"}


def test_a_marker_that_somebody_removed_is_no_error_when_it_must_go(markers: Markers, run_dir: Path) -> None:
    markers.apply(seen({"web": None}))
    (run_dir / "health/web").unlink()
    assert markers.apply(seen()) == []


def failed(marker: str, reason: str) -> LogEvent:
    return LogEvent("error", "marker.failed", {"marker": marker, "reason": reason})


def recovered(marker: str, **values: object) -> LogEvent:
    return LogEvent("info", "marker.recovered", {"marker": marker, **values})


def test_what_fails_in_every_turn_is_reported_once_and_when_it_is_over(markers: Markers, run_dir: Path) -> None:
    (run_dir / ".healthy").mkdir()
    events = [event for _ in range(200) for event in markers.apply(seen(healthy=True))]
    assert events == [failed("healthy", f"cannot write {run_dir}/healthy: Is a directory")]
    (run_dir / ".healthy").rmdir()
    assert markers.apply(seen(healthy=True)) == [recovered("healthy", failures=199)]


def test_a_marker_that_could_not_be_made_and_is_no_longer_wanted_is_no_trouble(markers: Markers, run_dir: Path) -> None:
    (run_dir / ".healthy").mkdir()
    markers.apply(seen(healthy=True))
    assert markers.apply(seen()) == [recovered("healthy")]
    assert markers.apply(seen()) == []


def test_a_marker_that_cannot_be_made_is_named_and_tried_again(markers: Markers, run_dir: Path) -> None:
    (run_dir / ".healthy").mkdir()
    wanted = seen({"web": None}, ready=True, healthy=True)
    assert markers.apply(wanted) == [failed("healthy", f"cannot write {run_dir}/healthy: Is a directory")]
    assert files(run_dir) == {"health/web", "ready"}
    (run_dir / ".healthy").rmdir()
    assert markers.apply(wanted) == [recovered("healthy")]
    assert files(run_dir) == {"health/web", "ready", "healthy"}


def test_a_marker_that_fails_again_soon_after_it_worked_is_tried_again(markers: Markers, run_dir: Path) -> None:
    (run_dir / ".healthy").mkdir()
    markers.apply(seen(healthy=True))
    (run_dir / ".healthy").rmdir()
    markers.apply(seen(healthy=True))
    wanted = seen({"web": 1.0}, healthy=True)
    markers.apply(seen())
    (run_dir / ".healthy").mkdir()
    assert markers.apply(wanted) == []  # reported less than a minute ago
    (run_dir / ".healthy").rmdir()
    markers.apply(wanted)
    assert files(run_dir) == {"health/web", "healthy"}


def test_a_marker_that_cannot_be_removed_is_named_and_tried_again(markers: Markers, run_dir: Path) -> None:
    markers.apply(seen(healthy=True))
    (run_dir / "healthy").unlink()
    (run_dir / "healthy").mkdir()
    assert markers.apply(seen()) == [failed("healthy", f"cannot write {run_dir}/healthy: Is a directory")]
    (run_dir / "healthy").rmdir()
    (run_dir / "healthy").write_text("again")
    assert markers.apply(seen(ready=True)) == [recovered("healthy")]
    assert files(run_dir) == {"ready"}


def test_a_socket_in_run_dir_is_none_of_its_business(markers: Markers, run_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run_dir / "control.sock"))
        markers.apply(seen(ready=True))
        markers.apply(seen())
    assert files(run_dir) == {"control.sock"}


# ---- where another user may write


def test_a_health_directory_that_is_a_link_is_refused_and_nothing_behind_it_is_touched(
    run_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x\n")
    run_dir.mkdir(parents=True)
    (run_dir / "health").symlink_to(tmp_path / "etc")
    with pytest.raises(StartError) as caught:
        taken(run_dir)
    assert str(caught.value) == way_out(run_dir, "Not a directory")
    assert (tmp_path / "etc" / "passwd").read_text() == "root:x\n"


def test_a_link_in_place_of_a_marker_is_replaced_and_not_followed(
    markers: Markers, run_dir: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("whole\n")
    os.utime(precious, (1, 1))
    for name in (".ready", "ready", "health/.web", "health/web"):
        (run_dir / name).symlink_to(precious)
    markers.apply(seen({"web": 1.0}, ready=True))
    markers.apply(seen({"web": 2.0}, ready=True))
    assert (precious.read_text(), precious.stat().st_mtime) == ("whole\n", 1)
    assert [(run_dir / name).is_symlink() for name in ("ready", "health/web")] == [False, False]


def test_a_health_directory_that_was_replaced_by_a_link_gets_no_marker(
    markers: Markers, run_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (run_dir / "health").rmdir()
    (run_dir / "health").symlink_to(tmp_path / "etc")
    (trouble,) = markers.apply(seen({"web": None}))
    assert trouble.values == {
        "marker": "health/web", "reason": f"cannot write {run_dir}/health/web: No such file or directory",
    }  # fmt: skip
    assert os.listdir(tmp_path / "etc") == []
    (run_dir / "health").unlink()
    assert markers.repair()
    assert markers.apply(seen({"web": None}))[0].event == "marker.recovered"
    assert files(run_dir) == {"health/web"}


@pytest.mark.parametrize(("mode", "expected"), [(0o777, 0o755), (0o2775, 0o2755), (0o1777, 0o1777), (0o700, 0o700)])
def test_nobody_else_can_replace_what_is_in_run_dir(run_dir: Path, mode: int, expected: int) -> None:
    run_dir.mkdir(parents=True)
    run_dir.chmod(mode)
    taken(run_dir)
    assert run_dir.stat().st_mode & 0o7777 == expected
