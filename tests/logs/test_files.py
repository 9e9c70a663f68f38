"""Log files: whole lines only, none lost, whatever happens to the file meanwhile."""

from __future__ import annotations

import gzip
import os
import resource
import select
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.output import Output
from supervisor.core.program import LogSettings
from supervisor.logs import files
from supervisor.logs.files import FileSink, RotatedFile
from supervisor.logs.sink import BACKLOG

from ..engines import open_folder as open_folder
from ..process.nursery import LIMIT, elsewhere, open_at, sleep_until

SOURCE = Output(("web", 1))


MADE: list[RotatedFile] = []


def rotated(path: Path, max_size: int = 100, keep: int = 3, compress: bool = False) -> RotatedFile:
    MADE.append(RotatedFile(str(path), LogSettings(max_size=max_size, keep=keep, compress=compress), 0o640))
    return MADE[-1]


@pytest.fixture(autouse=True)
def nothing_stays_open(tmp_path: Path) -> Iterator[None]:
    """Close the files, and see that this closes everything: a directory that stays open is a leak."""
    yield
    while MADE:
        MADE.pop().close()
    assert open_at(str(tmp_path)) == set()


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %04d\n" % number for number in range(first, last))


def everything(path: Path) -> bytes:
    """Return what all files hold, the oldest first."""
    found = [path.with_name(f"{path.name}.{number}") for number in range(20, 0, -1)]
    plain = b"".join(each.read_bytes() for each in found if each.exists())
    return plain + path.read_bytes()


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


# ---- rotation


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    assert rotated(path).write((b"a", b"b\n")) == (b"", None)
    assert path.read_bytes() == b"before\nab\n"


def test_a_file_is_rotated_before_it_grows_too_large_and_no_line_is_split(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = rotated(path, max_size=95, keep=20)
    for first in range(0, 60, 4):
        assert file.write((numbered(first, first + 4),)) == (b"", None)
    assert everything(path) == numbered(0, 60)
    sizes = [each.stat().st_size for each in tmp_path.iterdir()]
    assert max(sizes) == 90
    assert len(sizes) == 7


def test_a_block_larger_than_a_file_is_spread_over_several(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert rotated(path, max_size=100, keep=20).write((numbered(0, 50),)) == (b"", None)
    assert everything(path) == numbered(0, 50)
    assert all(each.read_bytes().endswith(b"\n") for each in tmp_path.iterdir())


def test_only_so_many_are_kept_and_the_youngest_is_number_1(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotated(path, max_size=20, keep=2).write((numbered(0, 10),))
    assert names(path) == ["log", "log.1", "log.2"]
    assert everything(path) == numbered(4, 10)
    assert (tmp_path / "log.1").read_bytes() == numbered(6, 8)


def test_with_none_to_keep_the_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotated(path, max_size=20, keep=0).write((numbered(0, 5),))
    assert (names(path), path.read_bytes()) == (["log"], numbered(4, 5))


def test_a_line_longer_than_a_file_has_one_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotated(path, max_size=20, keep=9).write((b"a\n" + b"x" * 50 + b"\nb\n",))
    assert everything(path) == b"a\n" + b"x" * 50 + b"\nb\n"
    assert (tmp_path / "log.1").read_bytes() == b"x" * 50 + b"\n"


def test_rotated_files_are_compressed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotated(path, max_size=20, keep=2, compress=True).write((numbered(0, 10),))
    assert names(path) == ["log", "log.1.gz", "log.2.gz"]
    assert gzip.decompress((tmp_path / "log.1.gz").read_bytes()) == numbered(6, 8)
    assert gzip.decompress((tmp_path / "log.2.gz").read_bytes()) == numbered(4, 6)
    assert stat.S_IMODE((tmp_path / "log.1.gz").stat().st_mode) == 0o640


def test_what_an_earlier_setting_has_left_moves_on_as_well(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotated(path, max_size=20, keep=3).write((numbered(0, 6),))
    rotated(path, max_size=20, keep=3, compress=True).write((numbered(6, 8),))
    assert names(path) == ["log", "log.1.gz", "log.2", "log.3"]


def test_a_new_file_has_its_mode_whatever_the_umask_and_its_directory_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "log"
    umask = os.umask(0o777)
    try:
        file = RotatedFile(str(path), LogSettings(), 0o644)
        os.umask(0o077)
        file.write((b"a\n",))
        file.close()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# ---- what a path may lead to


def test_a_link_stays_and_its_target_is_rotated(tmp_path: Path) -> None:
    target, link = tmp_path / "data" / "real", tmp_path / "log"
    target.parent.mkdir()
    link.symlink_to("data/real")
    file = rotated(link, max_size=45, keep=20)
    for first in range(0, 20, 4):
        assert file.write((numbered(first, first + 4),)) == (b"", None)
    assert names(link) == ["data", "log"]
    assert link.is_symlink() and os.readlink(link) == "data/real"
    assert everything(target) == numbered(0, 20)
    assert names(target) == ["real", "real.1", "real.2", "real.3", "real.4"]


def test_a_link_to_nothing_gets_its_target_made(tmp_path: Path) -> None:
    link = tmp_path / "log"
    link.symlink_to(tmp_path / "data" / "real")
    assert rotated(link).write((b"a\n",)) == (b"", None)
    assert link.is_symlink()
    assert (tmp_path / "data" / "real").read_bytes() == b"a\n"


def test_a_link_that_leads_elsewhere_later_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "log"
    link.symlink_to("one")
    file = rotated(link)
    file.write((b"a\n",))
    link.unlink()
    link.symlink_to("two")
    file.write((b"b\n",))
    assert [(tmp_path / name).read_bytes() for name in ("one", "two")] == [b"a\n", b"b\n"]


def test_a_file_that_some_process_writes_to_is_not_rotated(tmp_path: Path) -> None:
    """It continues to write to the file under any name (/proc/PID/fd, and so /dev/stdout)."""
    path, link = tmp_path / "output", tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    try:
        link.symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
        assert rotated(link, max_size=20).write((numbered(0, 20),)) == (b"", None)
    finally:
        os.close(descriptor)
    assert path.read_bytes() == numbered(0, 20)
    assert names(path) == ["log", "output"]


def test_a_device_is_written_to_and_never_renamed(tmp_path: Path) -> None:
    link = tmp_path / "log"
    link.symlink_to("/dev/null")
    assert rotated(link, max_size=20).write((numbered(0, 20),)) == (b"", None)
    assert os.readlink(link) == "/dev/null"
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_full_device_loses_the_lines_and_says_so() -> None:
    """It cannot be truncated, as a file can."""
    lost, problem = rotated(Path("/dev/full")).write((b"a\nb\n",))
    assert (lost, problem) == (b"a\nb\n", "No space left on device")


def test_a_fifo_waits_for_its_reader_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    sink = FileSink(str(path), LogSettings(max_size=100))
    try:
        for first in range(0, 100, 10):
            sink.write((numbered(first, first + 10),), SOURCE, 100)
        sleep_until(lambda: sink.flush() or sink.failure)
        assert sink.failure == "no process has it open for reading yet"
        with open(path, "rb") as reader:
            assert reader.read(1000) == numbered(0, 100)
            sleep_until(lambda: sink.flush() and sink.failure is None)
        assert names(path) == ["fifo"]
        assert not sink.losses
    finally:
        sink.close(LIMIT)


# ---- what others do


def test_a_file_that_was_renamed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = rotated(path)
    file.write((b"a\n",))
    path.rename(tmp_path / "log.old")
    file.write((b"b\n",))
    assert ((tmp_path / "log.old").read_bytes(), path.read_bytes()) == (b"a\n", b"b\n")


def test_a_file_that_somebody_makes_and_renames_all_the_time_loses_no_line(tmp_path: Path) -> None:
    file = rotated(tmp_path / "log", max_size=10_000_000)
    script = "import os\nwhile True: os.close(os.open('log', os.O_CREAT)); os.rename('log', 'another')"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", script], cwd=tmp_path) as renaming:
        sleep_until((tmp_path / "another").exists)
        try:
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                _, problem = file.write([b"a line\n"])
                assert problem is None, problem
        finally:
            renaming.kill()
            file.close()


def test_a_file_that_is_missing_at_each_look_and_there_when_it_is_to_be_made_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst that a process that makes and renames the file can do: it always comes between two steps."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    real = os.stat

    def stat_of(name: str, **options: Any) -> os.stat_result:
        if options.get("dir_fd") is not None:
            raise FileNotFoundError(name)
        return real(name, **options)

    monkeypatch.setattr(os, "stat", stat_of)
    file = rotated(path)
    assert file.write((b"a line\n",)) == (b"", None)
    monkeypatch.undo()
    assert path.read_bytes() == b"before\na line\n"
    file.close()


def test_a_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = rotated(path)
    file.write((b"a\n",))
    path.unlink()
    file.write((b"b\n",))
    assert path.read_bytes() == b"b\n"


def test_a_file_that_was_truncated_is_gone_on_with_at_its_new_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = rotated(path, max_size=20)
    file.write((b"0123456789\n",))
    os.truncate(path, 0)
    file.write((b"0123456789\n",))
    assert (path.read_bytes(), names(path)) == (b"0123456789\n", ["log"])


def test_what_is_no_file_is_written_to_and_never_rotated(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = rotated(path, max_size=5)
    assert file.write((numbered(0, 5),)) == (b"", None)
    assert (os.read(reader, 1000), names(path)) == (numbered(0, 5), ["fifo"])
    os.close(reader)


# ---- what goes wrong


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_what_does_not_fit_on_the_disk_is_lost_and_said() -> None:
    assert rotated(Path("/dev/full")).write((b"a\n", b"b\n")) == (b"a\nb\n", "No space left on device")


def test_a_write_that_fails_halfway_leaves_whole_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a disk does that becomes full."""
    path = tmp_path / "log"
    room = 25

    def write(descriptor: int, data: memoryview) -> int:
        nonlocal room
        if room == 0:
            raise OSError(28, "No space left on device")
        written = real(descriptor, data[:room])
        room -= written
        return written

    real = os.write
    file = rotated(path, max_size=1000)
    file.write((b"before\n",))
    monkeypatch.setattr(os, "write", write)
    assert file.write((numbered(0, 4),)) == (numbered(2, 4), "No space left on device")
    assert path.read_bytes() == b"before\n" + numbered(0, 2)
    room = 1000
    assert file.write((b"after\n",)) == (b"", None)
    assert path.read_bytes() == b"before\n" + numbered(0, 2) + b"after\n"


def test_a_file_that_cannot_be_made_is_tried_again_with_each_write(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.mkdir()
    file = rotated(path)
    assert file.write((b"a\n",)) == (b"a\n", "Is a directory")
    path.rmdir()
    assert file.write((b"b\n",)) == (b"", None)
    assert path.read_bytes() == b"b\n"


def test_a_file_that_cannot_be_rotated_grows_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    now = 0.0
    monkeypatch.setattr(files, "monotonic", lambda: now)
    (tmp_path / "log.1").mkdir()
    (tmp_path / "log.1" / "in the way").touch()
    file = rotated(path, max_size=20, keep=1)
    lost, problem = file.write((numbered(0, 5),))
    assert lost == b""
    assert problem is not None and problem.startswith("cannot be rotated: ")
    assert path.read_bytes() == numbered(0, 5)
    (tmp_path / "log.1" / "in the way").unlink()
    (tmp_path / "log.1").rmdir()
    assert file.write((numbered(5, 6),)) == (b"", problem)
    now = files.ROTATE_AGAIN
    assert file.write((numbered(6, 7),)) == (b"", None)
    assert (path.read_bytes(), (tmp_path / "log.1").read_bytes()) == (numbered(6, 7), numbered(0, 6))


# ---- the thread


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[FileSink]:
    sink = FileSink(str(tmp_path / "log"), LogSettings())
    yield sink
    sink.close(LIMIT)
    assert threading.active_count() == 1


def test_a_sink_has_no_thread_before_there_is_something_to_write(sink: FileSink) -> None:
    assert threading.active_count() == 1
    assert sink.flush()


def test_what_is_given_to_a_sink_is_written_in_order(sink: FileSink) -> None:
    for number in range(1000):
        sink.write((b"line %04d" % number, b"\n"), SOURCE, 10)
    sleep_until(sink.flush)
    assert Path(sink.name).read_bytes() == numbered(0, 1000)
    assert (sink.waiting, sink.failure, bool(sink.losses)) == (0, None, False)


def test_closing_writes_what_is_kept(tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "log"), LogSettings())
    sink.write((numbered(0, 100),))
    sink.close(LIMIT)
    assert (tmp_path / "log").read_bytes() == numbered(0, 100)


def test_a_disk_that_stalls_makes_it_congested_until_half_is_written(tmp_path: Path) -> None:
    """A FIFO that is not read stands for the disk."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    sink = FileSink(str(path), LogSettings())
    block = b"x" * 65_535 + b"\n"
    while not sink.is_congested:
        sink.write((block,), SOURCE, len(block))
    assert sink.waiting >= BACKLOG
    sink.flush()
    assert sink.is_congested
    given = sink.waiting
    reader = os.open(path, os.O_RDONLY)
    heard = 0
    while sink.is_congested:
        heard += len(os.read(reader, 65_536))
        if select.select([sink.descriptor], [], [], 0)[0]:
            sink.flush()
    assert 0 < sink.waiting <= BACKLOG // 2
    while heard < given:
        heard += len(os.read(reader, 65_536))
    sleep_until(sink.flush)
    os.close(reader)
    sink.close(LIMIT)


def test_closing_gives_up_on_a_disk_that_stalls(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    sink = FileSink(str(path), LogSettings())
    sink.write((b"a\n",))
    sink.close(0.05)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # lets the thread go
    sleep_until(lambda: threading.active_count() == 1)
    os.close(reader)
    os.close(sink.descriptor)


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's limit of processes")
def test_where_no_thread_can_be_created_lines_are_lost_and_counted_until_one_can(open_folder: Path) -> None:
    open_folder.chmod(0o777)
    path = open_folder / "log"
    source = Output(("web", 1))

    def act() -> tuple[object, ...]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
        sink = FileSink(str(path), LogSettings())
        sink.write((b"a\n",), source, 2)
        assert select.select([sink.descriptor], [], [], 0)[0], "the pump is told to report it"
        is_done, failure = sink.flush(), sink.failure
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
        sink.write((b"b\n",), source, 2)
        sleep_until(lambda: sink.flush() and sink.failure is None)
        sink.close(LIMIT)
        return is_done, failure, source.dropped, path.read_bytes()

    reason = "no thread can be created: the limit of processes, of the user or of the container, is reached"
    assert elsewhere(act, user=54321) == (True, reason, 2, b"b\n")


def test_losses_are_the_programs_bytes_and_a_failure_is_over_when_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.mkdir()
    source = Output(("web", 1))
    sink = FileSink(str(path), LogSettings())
    sink.write((b'{"message": "a"}\n', b'{"message": "b"}\n'), source, 4)
    sleep_until(lambda: sink.flush() and sink.failure)
    assert (sink.failure, source.dropped) == ("Is a directory", 4)
    path.rmdir()
    sink.write((b"c\n",), source, 2)
    sleep_until(lambda: sink.flush() and sink.failure is None)
    told: list[dict[str, object]] = []
    sink.losses.report(0.0, lambda *_, **values: told.append(values))
    assert told == [{"program": "web", "instance": 1, "to": str(path), "lines": 2, "bytes": 4}]
    sink.close(LIMIT)
    assert path.read_bytes() == b"c\n"
