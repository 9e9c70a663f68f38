from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.core.output import Output
from supervisor.logs.sink import BACKLOG, Sink

from ..process.nursery import NOBODY, elsewhere
from .plumbing import Drain

SOURCE = Output(("web", 1))
LINES = [b"line %06d %s\n" % (number, b"x" * (number % 300)) for number in range(20_000)]


@pytest.fixture(params=["pipe", "socket", "terminal"])
def drain(request: pytest.FixtureRequest) -> Iterator[Drain]:
    drain = Drain(request.param)
    yield drain
    drain.close()


@pytest.fixture
def pipe() -> Iterator[Drain]:
    drain = Drain("pipe")
    yield drain
    drain.close()


def is_blocking(descriptor: int) -> bool:
    return not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NONBLOCK


def lost(sink: Sink) -> list[tuple[int, int]]:
    """Return the lines and bytes that are told of as lost, which is done once."""
    told: list[tuple[int, int]] = []
    sink.losses.report(0.0, lambda *_, **values: told.append((values["lines"], values["bytes"])))
    return told


# ---- a reader that does not read


def test_what_is_written_arrives(drain: Drain) -> None:
    sink = drain.sink()
    sink.write((b"hello\n",), SOURCE, 6)
    assert drain.read(1.0) == b"hello\n"
    assert (sink.waiting, lost(sink), sink.is_congested, sink.failure) == (0, [], False, None)


def test_a_stalled_reader_holds_nobody_up_and_gets_everything_in_order_later(drain: Drain) -> None:
    sink = drain.sink()
    begin = time.monotonic()
    for line in LINES:
        sink.write((line,))
    assert time.monotonic() - begin < 10.0
    assert sink.waiting > 0
    assert drain.read_all() == b"".join(LINES)
    assert sink.flush()
    assert (sink.waiting, lost(sink)) == (0, [])


def test_the_descriptor_itself_is_never_switched_to_non_blocking(drain: Drain) -> None:
    """Its description is shared with the process that started supinit, and with children that inherit it."""
    sink = drain.sink()
    assert is_blocking(drain.end)
    for line in LINES[:5000]:
        sink.write((line,))
    assert is_blocking(drain.end)
    drain.read_all()
    assert is_blocking(drain.end)


def test_a_stalled_sink_is_congested_from_its_backlog_on_until_half_of_that_is_written(pipe: Drain) -> None:
    sink = pipe.sink()
    sink.write((b"x" * (4096 + BACKLOG - 1),))
    assert (sink.waiting, sink.is_congested) == (BACKLOG - 1, False)
    sink.write((b"x",))
    assert (sink.waiting, sink.is_congested) == (BACKLOG, True)
    assert len(pipe.read()) == 4096
    assert not sink.flush()
    assert (sink.waiting, sink.is_congested) == (BACKLOG - 4096, True)
    while sink.waiting > BACKLOG // 2:
        assert sink.is_congested
        pipe.read()
        sink.flush()
    assert not sink.is_congested


def test_bytes_that_a_reader_could_take_do_not_overtake_those_that_wait(pipe: Drain) -> None:
    sink = pipe.sink()
    sink.write((b"a" * 3000, b"a" * 2000))
    assert pipe.read() == b"a" * 4096
    sink.write((b"b",))
    assert pipe.read_all() == b"a" * 904 + b"b"


# ---- a reader that has gone


def test_what_was_meant_for_a_reader_that_has_gone_is_dropped_and_counted(pipe: Drain) -> None:
    before = SOURCE.dropped
    sink = pipe.sink()
    sink.write((b"a\n",), SOURCE, 2)
    sink.write((b"x" * 5999, b"\n"), SOURCE, 6000)
    pipe.hang_up()
    assert sink.flush()
    assert (sink.waiting, lost(sink), sink.failure) == (0, [(1, 4096)], "Broken pipe")
    sink.write((b"y\nz\n",), SOURCE, 4)
    assert (sink.waiting, lost(sink)) == (0, [(2, 4)])
    assert SOURCE.dropped == before + 4100, "what the pipe took is not lost"


def test_lines_of_supinits_own_that_are_lost_are_nobodys_loss(pipe: Drain) -> None:
    sink = pipe.sink()
    pipe.hang_up()
    sink.write((b"hello\n",))
    assert lost(sink) == []


def test_a_place_that_takes_something_again_has_not_failed_any_more(tmp_path: Path) -> None:
    """A FIFO that somebody opens again."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    end = os.open(path, os.O_WRONLY)
    sink = Sink(end)
    os.close(reader)
    sink.write((b"lost\n",), SOURCE, 5)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink.write((b"heard\n",), SOURCE, 6)
    assert (sink.failure, os.read(reader, 100), lost(sink)) == (None, b"heard\n", [(1, 5)])
    for descriptor in (reader, end, sink.descriptor):
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["socket", "terminal"])
def test_any_other_reader_may_be_gone_as_well(kind: str) -> None:
    drain = Drain(kind)
    sink = drain.sink()
    drain.hang_up()
    sink.write((b"hello\n",), SOURCE, 6)
    assert (sink.waiting, lost(sink), sink.failure is None) == (0, [(1, 6)], False)
    drain.close()


def test_a_pipe_that_nobody_reads_when_supinit_starts_is_no_error(pipe: Drain) -> None:
    pipe.hang_up()
    sink = pipe.sink()
    sink.write((b"hello\n",), SOURCE, 6)
    assert (sink.waiting, lost(sink)) == (0, [(1, 6)])


def test_a_line_of_which_the_end_is_lost_is_ended_before_the_next(pipe: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that becomes full in the middle of it."""
    room = 5

    def write(descriptor: int, buffers: list[bytes]) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(descriptor, [b"".join(buffers)[:room]])
        room -= written
        return written

    real = os.writev
    sink = pipe.sink()
    monkeypatch.setattr(os, "writev", write)
    source = Output(("web", 1))
    sink.write((b"one two\n",), source, 8)
    sink.write((b"lost\n",), source, 5)
    assert (source.dropped, sink.failure) == (3 + 5, "No space left on device")
    room = 100
    sink.write((b"three\n",), source, 6)
    sink.write((b"four\n",), source, 5)
    assert pipe.read() == b"one t [cut]\nthree\nfour\n"


def test_short_lines_that_wait_are_kept_together(pipe: Drain) -> None:
    sink = pipe.sink()
    sink.write((b"x" * 5000,))
    for number in range(2000):
        sink.write((b"%d" % number, b"\n"), SOURCE, 5)
    assert len(sink._queue) < 10
    assert pipe.read_all() == b"x" * 5000 + b"".join(b"%d\n" % number for number in range(2000))


# ---- other descriptors


def test_a_file_is_appended_to_where_its_description_stands(tmp_path: Path) -> None:
    """Opening it anew would begin at its start and write over what a child that shares it has written."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    end = os.open(path, os.O_WRONLY)
    os.lseek(end, 0, os.SEEK_END)
    sink = Sink(end)
    sink.write((b"ours\n",))
    os.write(end, b"a child's\n")
    sink.write((b"ours again\n",))
    os.close(end)
    assert path.read_bytes() == b"before\nours\na child's\nours again\n"
    assert (sink.waiting, lost(sink)) == (0, [])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_disk_that_is_full_loses_and_counts() -> None:
    end = os.open("/dev/full", os.O_WRONLY)
    sink = Sink(end)
    sink.write((b"hello\n",), SOURCE, 6)
    os.close(end)
    assert (sink.waiting, lost(sink)) == (0, [(1, 6)])


def test_a_descriptor_that_is_closed_swallows_everything() -> None:
    end = os.open("/dev/null", os.O_WRONLY)
    os.close(end)
    sink = Sink(end)
    sink.write((b"hello\n",), SOURCE, 6)
    os.close(sink.descriptor)
    assert (sink.waiting, lost(sink)) == (0, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's pipe")
def test_another_users_pipe_which_cannot_be_opened_anew_is_not_waited_for_either(pipe: Drain) -> None:
    def act() -> tuple[bool, int, int, bytes, bool]:
        with pytest.raises(OSError, match=str(errno.EACCES)):
            os.open(f"/proc/self/fd/{pipe.end}", os.O_WRONLY)
        sink = pipe.sink()
        for line in LINES[:2000]:
            sink.write((line,))
        kept = sink.waiting
        return kept > 0, len(lost(sink)), sink.descriptor - pipe.end, pipe.read_all(), is_blocking(pipe.end)

    assert elsewhere(act, NOBODY) == (True, 0, 0, b"".join(LINES[:2000]), True)


def test_a_sink_on_a_socket_needs_no_socket_module() -> None:
    """It is made before the first child runs."""
    drain = Drain("socket")

    def act() -> bool:
        del sys.modules["socket"]
        drain.sink().write((b"hello\n",))
        return "socket" in sys.modules

    assert not elsewhere(act)
    assert drain.read(1.0) == b"hello\n"
    drain.close()


# ---- the container's own two


@pytest.mark.parametrize(("stderr", "is_one"), [(subprocess.STDOUT, True), (subprocess.PIPE, False)])
def test_stdout_and_stderr_share_a_sink_where_they_are_the_same_file(stderr: int, is_one: bool) -> None:
    """Or the rest of a line that one could not write at once would come after a line of the other."""
    code = "from supervisor.logs.sink import container_sinks; print(len(set(container_sinks())) == 1)"
    done = subprocess.run((sys.executable, "-c", code), stdout=subprocess.PIPE, stderr=stderr, check=True, timeout=60)
    assert done.stdout == f"{is_one}\n".encode()


# ---- a terminal that a main program draws on


def test_lines_begin_and_end_at_the_left_edge_of_a_shared_terminal() -> None:
    drain = Drain("terminal")
    sink = drain.sink()
    sink.write((b"before\n",))
    sink.share(True)
    sink.write((b"web | a\n", b"web | b\n"), SOURCE, 4)
    sink.write((memoryview(b"supinit | c\n"),))
    sink.share(False)
    sink.write((b"after\n",))
    assert drain.read_all() == b"before\n\rweb | a\r\nweb | b\r\n\rsupinit | c\r\nafter\n"
    drain.close()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_terminal_is_written_to_as_it_is(kind: str) -> None:
    drain = Drain(kind)
    sink = drain.sink()
    sink.share(True)
    sink.write((b"web | a\n",), SOURCE, 2)
    assert drain.read_all() == b"web | a\n"
    drain.close()


def test_a_stalled_terminal_that_is_shared_gets_every_line_whole_later() -> None:
    drain = Drain("terminal")
    sink = drain.sink()
    sink.share(True)
    for line in LINES[:2000]:
        sink.write((line,), SOURCE, len(line))
    assert sink.waiting > 0
    assert drain.read_all() == b"".join(b"\r" + line.replace(b"\n", b"\r\n") for line in LINES[:2000])
    drain.close()
