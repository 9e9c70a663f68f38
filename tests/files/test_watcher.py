"""What the kernel and a look tell of watched files, with real files."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.core.container import FilesLooked
from supervisor.core.watch import Watch
from supervisor.files import survey
from supervisor.files.inotify import Inotify
from supervisor.files.survey import Survey
from supervisor.files.watcher import Watcher

from ..process.nursery import closing_new


@pytest.fixture(autouse=True)
def no_watcher_stays_open() -> Iterator[None]:
    with closing_new("anon_inode:inotify"):
        yield


class Scene:
    """One watch of a path, looked at once."""

    def __init__(self, path: Path) -> None:
        self.watcher = Watcher()
        self.key = ("web", Watch(str(path)))
        self.path = path
        self.watcher.open()
        assert self.look().changed == ()

    def look(self, since: float | None = None) -> FilesLooked:
        self.watcher.begin_look(self.key)
        return self.watcher.end_look(self.key, self.watcher.survey(str(self.path)), since)

    @property
    def was_touched(self) -> bool:
        """Whether the kernel has told of anything since the last call."""
        return self.watcher.take() == {self.key}

    def change(self) -> tuple[str, ...]:
        """Return what has changed, once the kernel has told that something has."""
        assert self.was_touched
        return self.look().changed


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _replace(path: Path, text: str) -> None:
    """Write a file as an editor or certbot does: another one is renamed over it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.rename(path)


WRITES = pytest.mark.parametrize("write", [_write, _replace], ids=["in place", "renamed over"])


@WRITES
def test_a_file_that_is_written_has_changed(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    file = tmp_path / "certs" / "tls.crt"
    _write(file, "old")
    scene = Scene(file)
    for text in ("new", "newer", "newest"):
        write(file, text)
        assert scene.change() == ("",)
        assert not scene.was_touched, "a look is no event"


@WRITES
@pytest.mark.parametrize("name", ["tls.crt", "deep/er/tls.crt"])
def test_a_file_in_a_watched_directory_has_changed(
    tmp_path: Path, name: str, write: Callable[[Path, str], None]
) -> None:
    _write(tmp_path / "certs" / name, "old")
    scene = Scene(tmp_path / "certs")
    for text in ("new", "newer"):
        write(tmp_path / "certs" / name, text)
        assert scene.change() == (name,)


def test_what_comes_and_goes_in_a_directory_has_changed(tmp_path: Path) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    scene = Scene(certs)
    _write(certs / "new" / "tls.crt", "x")
    assert scene.change() == ("new", "new/tls.crt")
    _write(certs / "new" / "tls.key", "x")
    assert scene.change() == ("new/tls.key",)
    (certs / "new" / "tls.crt").unlink()
    assert scene.change() == ("new/tls.crt",)
    shutil.rmtree(certs / "new")
    assert scene.change() == ("new", "new/tls.key")
    (certs / "link").symlink_to("/nowhere")
    assert scene.change() == ("link",)


def test_a_path_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "a" / "b" / "c")
    (tmp_path / "other").mkdir()
    assert not scene.was_touched, "another name in the directory is not the one that is awaited"
    (tmp_path / "a").mkdir()
    assert scene.change() == ()
    (tmp_path / "a" / "b").mkdir()
    assert scene.change() == ()
    _write(tmp_path / "a" / "b" / "c", "x")
    assert scene.change() == ("",)
    _write(tmp_path / "a" / "b" / "c", "y")
    assert scene.change() == ("",)


def test_a_directory_that_is_removed_and_made_again_is_watched_again(tmp_path: Path) -> None:
    certs = tmp_path / "etc" / "certs"
    _write(certs / "tls.crt", "old")
    scene = Scene(certs)
    shutil.rmtree(tmp_path / "etc")
    assert scene.change() == (), "there is nothing that could be read"
    _write(certs / "tls.crt", "new")
    assert scene.was_touched
    assert scene.look().changed == ("tls.crt",)
    _write(certs / "tls.crt", "newer")
    assert scene.change() == ("tls.crt",)


def test_a_directory_above_the_path_may_be_exchanged(tmp_path: Path) -> None:
    """A release that is moved into place, for example."""
    _write(tmp_path / "app" / "conf" / "x", "old")
    scene = Scene(tmp_path / "app" / "conf" / "x")
    _write(tmp_path / "next" / "conf" / "x", "new")
    (tmp_path / "app").rename(tmp_path / "last")
    assert scene.change() == ()
    (tmp_path / "next").rename(tmp_path / "app")
    assert scene.change() == ("",)
    _write(tmp_path / "last" / "conf" / "x", "not ours any more")
    assert not scene.was_touched


class Mount:
    """A Secret as the kubelet mounts it: names that lead through `..data` to a directory with a time in its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        path.mkdir()

    def swap(self, **files: str) -> None:
        self.number += 1
        folder = self.path / f"..2026_11_30.{self.number}"
        for name, text in files.items():
            _write(folder / name, text)
        (self.path / "..data_tmp").symlink_to(folder.name)
        (self.path / "..data_tmp").rename(self.path / "..data")
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        if self.number > 1:
            shutil.rmtree(self.path / f"..2026_11_30.{self.number - 1}")


@pytest.mark.parametrize("name", ["", "crt"], ids=["directory", "file"])
def test_a_secret_that_kubernetes_swaps_has_changed(tmp_path: Path, name: str) -> None:
    mount = Mount(tmp_path / "secret")
    mount.swap(crt="old", key="old")
    scene = Scene(mount.path / name if name else mount.path)
    for text in ("new", "newer"):
        mount.swap(crt=text, key="old")
        assert scene.change() == ("" if name else "crt",)
        assert not scene.was_touched


def test_a_swap_with_the_same_content_changes_nothing(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "secret")
    mount.swap(crt="same", key="old")
    scene = Scene(mount.path / "crt")
    mount.swap(crt="same", key="new")
    assert scene.change() == ()


def test_links_on_the_way_and_to_files_are_followed(tmp_path: Path) -> None:
    """As certbot has them: live/tls.crt leads to archive/tls1.crt, later to archive/tls2.crt."""
    _write(tmp_path / "archive" / "tls1.crt", "old")
    live = tmp_path / "live"
    live.mkdir()
    (live / "tls.crt").symlink_to("../archive/tls1.crt")
    (tmp_path / "etc").symlink_to(live)
    scene = Scene(tmp_path / "etc")
    _write(tmp_path / "archive" / "tls1.crt", "written through")
    assert scene.change() == ("tls.crt",)
    _write(tmp_path / "archive" / "tls2.crt", "new")
    (live / "new").symlink_to("../archive/tls2.crt")
    (live / "new").rename(live / "tls.crt")
    assert scene.change() == ("tls.crt",)
    _write(tmp_path / "other" / "tls.crt", "new")
    (tmp_path / "next").symlink_to("other")
    (tmp_path / "next").rename(tmp_path / "etc")
    assert scene.change() == (), "the same content in another place"
    _write(tmp_path / "other" / "tls.crt", "newer")
    assert scene.change() == ("tls.crt",)


def test_a_file_that_a_broken_link_will_lead_to_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "site").symlink_to("../later/site")
    scene = Scene(tmp_path / "conf")
    _write(tmp_path / "later" / "site", "x")
    assert scene.was_touched
    assert scene.look().changed == ("site",)


def test_links_in_a_circle_are_a_problem_of_theirs_alone(tmp_path: Path) -> None:
    _write(tmp_path / "conf" / "site", "old")
    (tmp_path / "conf" / "loop").symlink_to("loop")
    scene = Scene(tmp_path / "conf")
    _write(tmp_path / "conf" / "site", "new")
    assert scene.was_touched
    answer = scene.look()
    assert answer.changed == ("site",)
    assert answer.problem == f"cannot watch {tmp_path}/conf: Too many levels of symbolic links"


def test_a_touch_and_a_new_mode_are_changes_and_an_equal_copy_is_none(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("same")
    os.utime(file, (1, 1))
    scene = Scene(file)
    os.utime(file)
    assert scene.change() == ("",)
    file.chmod(0o600)
    assert scene.change() == ("",)
    _replace(file, "same")
    file.chmod(0o600)
    assert scene.change() == ()


@pytest.mark.parametrize("name", ["tls.crt~", ".tls.crt.swp", "..data"])
def test_what_editors_and_kubernetes_keep_for_themselves_is_not_looked_at(tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path)
    _write(tmp_path / name, "x")
    assert scene.change() == ()


def test_a_large_file_is_compared_by_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_FILE", 10)
    file = tmp_path / "large"
    file.write_text("x" * 20)
    os.utime(file, (1, 1))
    scene = Scene(file)
    assert scene.watcher.survey(str(file)).contents[""].content is None
    file.write_text("y" * 20)
    assert scene.change() == ("",)


def test_a_fifo_in_a_watched_directory_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    scene = Scene(tmp_path)
    _write(tmp_path / "x", "x")
    assert scene.change() == ("x",)


def test_a_directory_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_ENTRIES", 5)
    for number in range(7):
        _write(tmp_path / str(number), "x")
    problem = f"cannot watch {tmp_path}: it has more than 5 files; watch those that matter"
    assert Scene(tmp_path).look().problem == problem


def test_a_look_that_has_failed_is_not_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "x", "x")
    scene = Scene(tmp_path)
    with monkeypatch.context() as context:
        context.setattr(survey, "MAX_ENTRIES", 0)
        assert scene.look().changed == ()
    assert scene.look() == FilesLooked(scene.key)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the limit of inotify watches is reached: raise fs.inotify.max_user_watches on the host (now "),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_path_that_cannot_be_watched_is_looked_at_all_the_same(tmp_path: Path, number: int, reason: str) -> None:
    def refuse(path: str, mask: int) -> int:
        raise OSError(number, os.strerror(number))

    _write(tmp_path / "x", "x")
    found = Survey(str(tmp_path), refuse).look()
    assert found.problem.startswith(reason)
    assert list(found.contents) == ["x"]


def test_without_an_inotify_instance_looks_still_find_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Inotify) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    _write(tmp_path / "x", "old")
    with monkeypatch.context() as context:
        context.setattr(Inotify, "__init__", refuse)
        scene = Scene(tmp_path)
        _write(tmp_path / "x", "new")
        answer = scene.look()
    assert answer.changed == ("x",)
    assert "the limit of inotify instances is reached: raise fs.inotify.max_user_instances" in answer.problem
    assert scene.watcher.open() is not None
    assert scene.look() == FilesLooked(scene.key)
    _write(tmp_path / "x", "newer")
    assert scene.change() == ("x",)


def test_more_events_than_the_kernel_keeps_are_a_hint_for_every_watch(tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    _write(tmp_path / "busy" / "x", "old")
    _write(tmp_path / "quiet" / "x", "old")
    scene = Scene(tmp_path / "busy")
    quiet = ("web", Watch(str(tmp_path / "quiet")))
    scene.watcher.begin_look(quiet)
    scene.watcher.end_look(quiet, scene.watcher.survey(str(tmp_path / "quiet")), None)
    for _ in range(limit // 4 + 100):
        os.rename(tmp_path / "busy" / "x", tmp_path / "busy" / "y")
        os.rename(tmp_path / "busy" / "y", tmp_path / "busy" / "x")
    assert scene.watcher.take() == {scene.key, quiet}


def test_two_watches_share_a_directory_and_each_ends_by_itself(tmp_path: Path) -> None:
    _write(tmp_path / "a", "old")
    _write(tmp_path / "b", "old")
    scene = Scene(tmp_path / "a")
    other = ("app", Watch(str(tmp_path / "b")))
    scene.watcher.begin_look(other)
    scene.watcher.end_look(other, scene.watcher.survey(str(tmp_path / "b")), None)
    _write(tmp_path / "b", "new")
    assert scene.watcher.take() == {other}
    scene.watcher.forget(other)
    _write(tmp_path / "b", "newer")
    assert scene.watcher.take() == set()
    _write(tmp_path / "a", "new")
    assert scene.watcher.take() == {scene.key}
    scene.watcher.forget(scene.key)
    _write(tmp_path / "a", "newer")
    assert scene.watcher.take() == set()


def test_what_happens_during_a_look_is_a_hint(tmp_path: Path) -> None:
    _write(tmp_path / "x", "old")
    scene = Scene(tmp_path)
    scene.watcher.begin_look(scene.key)
    found = scene.watcher.survey(str(tmp_path))
    (tmp_path / "new").mkdir()
    assert scene.was_touched
    scene.watcher.end_look(scene.key, found, None)
    assert scene.look().changed == ("new",)


def test_what_happens_during_the_first_look_is_a_hint(tmp_path: Path) -> None:
    """Nobody knows the numbers of its watches yet."""
    watcher, key = Watcher(), ("web", Watch(str(tmp_path)))
    watcher.open()
    watcher.begin_look(key)
    found = watcher.survey(str(tmp_path))
    _write(tmp_path / "new", "x")
    assert watcher.take() == {key}
    watcher.end_look(key, found, None)


def test_the_first_look_finds_what_has_changed_since_a_time(tmp_path: Path) -> None:
    _write(tmp_path / "x", "x")
    written = os.stat(tmp_path / "x").st_ctime
    scene = Scene(tmp_path)
    scene.watcher.forget(scene.key)
    assert scene.look(since=written + 1.0) == FilesLooked(scene.key)
    scene.watcher.forget(scene.key)
    answer = scene.look(since=written - 1.0)
    assert (answer.changed, answer.problem) == (("x",), "")
    assert answer.changed_at is not None
    assert abs(time.monotonic() - answer.changed_at - (time.time() - written)) < 1.0
