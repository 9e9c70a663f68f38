from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.core.program import LogMode, LogSettings, Program, Readiness, WhenFull
from supervisor.core.record import replace
from supervisor.logs import pump
from supervisor.logs.filters import JOIN_PATIENCE
from supervisor.logs.losses import PAUSE
from supervisor.logs.pipe import CHUNK, Outlet
from supervisor.logs.pump import FULL_PIPE, LONGEST_PAUSE, ROUND, SHORTEST_PAUSE, SLICE, Pump
from supervisor.logs.sink import BACKLOG, Sink

from ..process.nursery import LIMIT, Nursery, elsewhere, is_gone, open_descriptors, sleep_until
from .plumbing import Drain

COUNT = "import sys\nfor n in range(int(sys.argv[1])): print('%s %d' % (sys.argv[2], n))"


def web(mode: LogMode = LogMode.PREFIX, name: str = "web", scale: int = 1) -> Program:
    return Program(name, ("true",), scale=scale, log=LogSettings(mode=mode))


class Waterworks:
    """A pump between processes and two drains."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery = nursery
        self.out, self.err = Drain(), Drain()
        self.pump = Pump(self.out.sink(), self.err.sink())
        self.heard = b""

    def start(self, *command: str, program: Program | None = None, number: int = 1) -> int:
        program = program or web()
        outlet = self.pump.open(program, (program.name, number))
        pid = self.nursery.start(*command, stdout=outlet.stdout, stderr=outlet.stderr)
        for descriptor in outlet.ours:
            os.close(descriptor)
        return pid

    def count(self, lines: int, name: str = "web") -> int:
        return self.start(sys.executable, "-I", "-S", "-c", COUNT, str(lines), name, program=web(name=name))

    def pump_until(self, condition: Callable[[], object]) -> None:
        """Do as the loop does, and listen at both drains, until the condition holds."""

        def turn() -> bool:
            if select.select([self.pump], [], [], 0)[0]:
                self.pump.turn()
            self.listen()
            return bool(condition())

        sleep_until(turn)

    def listen(self) -> None:
        for drain in (self.out, self.err):
            while data := drain.read():
                self.heard += data
                self.pump.settle(time.monotonic())
                for descriptor in list(self.pump._destinations._awaited):
                    self.pump._serve_destination(descriptor)

    def pump_all(self) -> bytes:
        """Pump until every pipe has ended, and return everything that was heard."""
        self.pump_until(lambda: not self.is_open)
        self.listen()
        return self.heard

    @property
    def is_open(self) -> bool:
        return bool(self.pump._pipes)

    def close(self) -> None:
        self.pump.flush(0.0)
        os.close(self.pump.null)
        self.pump._epoll.close()
        self.out.close()
        self.err.close()


@pytest.fixture
def works(nursery: Nursery) -> Iterator[Waterworks]:
    before = open_descriptors()
    works = Waterworks(nursery)
    yield works
    works.close()
    assert open_descriptors() == before


def counted(lines: int, name: str = "web") -> bytes:
    return b"".join(b"%s | %s %d\n" % (name.encode(), name.encode(), number) for number in range(lines))


# ---- modes


def test_stdout_goes_to_stdout_and_stderr_to_stderr(works: Waterworks) -> None:
    works.nursery.end(works.start("sh", "-c", "echo out; echo err >&2; printf last"))
    works.pump.drain(("web", 1))
    assert (works.out.read(), works.err.read()) == (b"web | out\nweb | last\n", b"web | err\n")


def test_an_instance_of_many_carries_its_number(works: Waterworks) -> None:
    works.start("echo", "hello", program=web(scale=2), number=2)
    assert works.pump_all() == b"web:2 | hello\n"


def test_a_program_that_inherits_gets_the_containers_own_descriptors(works: Waterworks) -> None:
    assert works.pump.open(web(LogMode.INHERIT), ("web", 1)) == Outlet(1, 2)


def test_with_redirect_stderr_a_program_that_inherits_writes_all_of_it_to_stdout(works: Waterworks) -> None:
    program = replace(web(), log=LogSettings(mode=LogMode.INHERIT, redirect_stderr=True))
    assert works.pump.open(program, ("web", 1)) == Outlet(1, 1)


@pytest.mark.parametrize("mode", [LogMode.PREFIX, LogMode.NONE, LogMode.JSON])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_a_log_file_that_is_the_containers_own_output_gets_each_line_once(
    nursery: Nursery, tmp_path: Path, mode: LogMode, kind: str
) -> None:
    """Whatever the output is, it is written to by one writer, and it is never rotated."""
    output, link = tmp_path / "output", tmp_path / "log"
    reader, end = os.pipe2(os.O_CLOEXEC)
    if kind == "file":
        os.close(end)
        end = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    link.symlink_to(f"/proc/self/fd/{end}")
    sink = Sink(end)
    pump = Pump(sink, sink)
    log = LogSettings(mode, str(link), max_size=10)
    outlet = pump.open(replace(web(), log=log), ("web", 1))
    os.write(outlet.stdout, b"one\ntwo\n")
    for descriptor in outlet.ours:
        os.close(descriptor)
    pump.flush(LIMIT)
    seen = os.read(reader, 1000) if kind == "pipe" else output.read_bytes()
    for descriptor in {reader, end, sink.descriptor, pump.null}:
        os.close(descriptor)
    if mode is LogMode.JSON:
        assert [json.loads(line)["message"] for line in seen.splitlines()] == ["one", "two"]
    else:
        assert seen == (b"web | one\nweb | two\n" if mode is LogMode.PREFIX else b"one\ntwo\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == (["log", "output"] if kind == "file" else ["log"])


def test_redirect_stderr_keeps_the_order_of_both_streams_in_stdout_and_in_the_file(
    works: Waterworks, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    script = "i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    program = replace(web(LogMode.RAW), log=LogSettings(LogMode.RAW, str(file), redirect_stderr=True))
    works.start("sh", "-c", script, program=program)
    works.pump_all()
    works.pump.flush(5.0)
    expected = "".join(f"out {number}\nerr {number}\n" for number in range(200))
    assert works.out.read_all().decode() + works.heard.decode() == expected
    assert file.read_text() == expected
    assert works.err.read() == b""


def test_a_program_without_a_log_gets_dev_null(works: Waterworks) -> None:
    outlet = works.pump.open(web(LogMode.NONE), ("web", 1))
    assert outlet == Outlet(works.pump.null, works.pump.null)
    assert os.readlink(f"/proc/self/fd/{outlet.stdout}") == "/dev/null"


# ---- fairness, congestion, loss


def test_lines_of_many_programs_never_mix_and_keep_their_order(works: Waterworks) -> None:
    names = [f"p{number}" for number in range(5)]
    for name in names:
        works.count(3000, name)
    heard = works.pump_all().splitlines(keepends=True)
    for name in names:
        assert b"".join(line for line in heard if line.startswith(name.encode())) == counted(3000, name)
    assert len(heard) == 5 * 3000


def test_a_flood_starves_nobody(works: Waterworks) -> None:
    """The quiet program is heard after a bounded number of turns, however much the others write."""
    floods = [works.start("yes", program=web(LogMode.RAW, f"flood{number}")) for number in range(ROUND + 3)]
    quiet = web(name="quiet")
    outlet = works.pump.open(quiet, ("quiet", 1))
    os.write(outlet.stdout, b"hello\n")
    turns = 0
    while b"quiet | hello\n" not in works.heard and turns < 200:
        works.pump.turn()
        works.listen()
        turns += 1
    for descriptor in outlet.ours:
        os.close(descriptor)
    assert b"quiet | hello\n" in works.heard
    assert turns < 10
    for pid in floods:
        assert not is_gone(pid)


def test_a_turn_ends_however_much_there_is(works: Waterworks) -> None:
    """A program that drops lines is always read; a turn ends after its time all the same, and asks for the next one."""
    program = replace(web(LogMode.RAW, "flood"), log=LogSettings(mode=LogMode.RAW, when_full=WhenFull.DROP))
    works.start("yes", program=program)
    sleep_until(lambda: works.pump._epoll.poll(0))
    begin = time.monotonic()
    pauses = [works.pump.turn() for _ in range(20)]
    assert time.monotonic() - begin < 20 * (SLICE + 0.1)
    assert 0.0 in pauses


def test_a_stalled_reader_stops_the_programs_and_loses_and_doubles_nothing(works: Waterworks) -> None:
    lines = 120_000
    pid = works.count(lines)
    sink = works.pump.sinks[0]

    def is_stalled() -> bool:
        works.pump.turn()
        return sink.is_congested

    sleep_until(is_stalled)
    for _ in range(100):
        works.pump.turn()
    assert BACKLOG <= sink.waiting < BACKLOG + 2 * ROUND * CHUNK
    assert not is_gone(pid)
    sleep_until(lambda: works.pump.turn() >= 0 and not select.select([works.pump], [], [], 0)[0])
    assert works.pump_all() == counted(lines)
    assert works.nursery.end(pid) == 0


def test_only_the_pipes_of_the_congested_sink_are_paused(works: Waterworks) -> None:
    works.start("sh", "-c", "exec yes >&2", program=web(LogMode.RAW, "flood"))

    def is_stalled() -> bool:
        works.pump.turn()
        return works.pump.sinks[1].is_congested

    sleep_until(is_stalled)
    works.start("echo", "hello", program=web(name="quiet"))
    heard = b""

    def is_heard() -> bool:
        nonlocal heard
        works.pump.turn()
        heard += works.out.read()
        return heard == b"quiet | hello\n"

    sleep_until(is_heard)
    assert works.pump.sinks[1].waiting < BACKLOG + 2 * CHUNK


def test_what_a_program_wrote_before_its_end_is_not_lost_to_congestion(works: Waterworks) -> None:
    flood = works.start("yes", program=web(LogMode.RAW, "flood"))

    def is_stalled() -> bool:
        works.pump.turn()
        return works.pump.sinks[0].is_congested

    sleep_until(is_stalled)
    works.start("sh", "-c", "echo its last words", program=web(name="late"))
    works.pump.drain(("late", 1))
    os.kill(flood, 9)
    assert b"late | its last words\n" in works.pump_all()


# ---- the end of a program


def test_what_is_in_the_pipes_when_a_program_ends_is_drained(works: Waterworks) -> None:
    pid = works.count(2000)
    works.nursery.end(pid)
    works.pump.drain(("web", 1))
    assert not works.is_open
    assert works.pump_all() == counted(2000)


def test_a_last_line_without_a_newline_is_written_at_the_end(works: Waterworks) -> None:
    pid = works.start("printf", "one\\ntwo")
    works.nursery.end(pid)
    works.pump.drain(("web", 1))
    assert works.pump_all() == b"web | one\nweb | two\n"


@pytest.mark.parametrize("behaviour", ["sleep 1000", "yes"])
def test_a_process_that_holds_the_pipes_open_does_not_hold_the_end_up(
    works: Waterworks, adopting: None, behaviour: str
) -> None:
    pid = works.start("sh", "-c", f"echo started; setsid {behaviour} & exit 0")
    works.nursery.end(pid)
    begin = time.monotonic()
    works.pump.drain(("web", 1))
    assert time.monotonic() - begin < LIMIT / 3
    assert works.is_open
    works.listen()
    assert works.heard.startswith(b"web | started\n")
    assert works.pump.sinks[0].waiting <= FULL_PIPE * 8


def test_draining_one_instance_leaves_the_others(works: Waterworks) -> None:
    ended = works.start("echo", "ended", program=web(scale=2), number=1)
    other = works.start("echo", "other", program=web(scale=2), number=2)
    works.nursery.end(ended)
    works.nursery.end(other)
    works.pump.drain(("web", 1))
    assert works.out.read() == b"web:1 | ended\n"
    assert works.pump_all() == b"web:2 | other\n"


def test_draining_what_was_never_opened_does_nothing(works: Waterworks) -> None:
    works.pump.drain(("nobody", 1))
    assert works.pump_all() == b""


def test_the_last_flush_writes_what_is_left_within_its_limit(works: Waterworks) -> None:
    works.nursery.end(works.start("printf", "a\\nb"))
    works.pump.flush(LIMIT)
    assert works.out.read() == b"web | a\nweb | b\n"


def test_the_last_flush_gives_up_on_a_reader_that_stalls(works: Waterworks) -> None:
    works.start("yes", program=web(LogMode.RAW))

    def is_stalled() -> bool:
        works.pump.turn()
        return works.pump.sinks[0].is_congested

    sleep_until(is_stalled)
    begin = time.monotonic()
    works.pump.flush(0.3)
    assert 0.3 <= time.monotonic() - begin < LIMIT / 3
    assert not works.is_open


def test_the_pipes_of_a_program_that_could_not_be_started_are_closed(works: Waterworks) -> None:
    outlet = works.pump.open(web(), ("web", 1))
    for descriptor in outlet.ours:
        os.close(descriptor)
    works.pump_until(lambda: not works.is_open)


@pytest.mark.parametrize("spare", [0, 1, 2, 3])
def test_where_no_descriptors_are_left_none_is_lost(works: Waterworks, spare: int) -> None:
    """Two pipes take four descriptors."""

    def act() -> bool:
        before = open_descriptors()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(before)
        gaps = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest + 1 - len(before))]
        for descriptor in [gap for gap in gaps if gap > highest]:
            os.close(descriptor)
        before = open_descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before) + 1 + spare, hard))
        with pytest.raises(OSError, match="Too many open files"):
            works.pump.open(web(), ("web", 1))
        works.pump.turn()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return open_descriptors() == before and not works.is_open

    assert elsewhere(act)


def test_instances_come_and_go_without_leaving_descriptors(works: Waterworks) -> None:
    works.nursery.end(works.start("true"))
    works.pump_all()
    before = open_descriptors()
    for number in range(20):
        works.nursery.end(works.start("echo", str(number)))
        works.pump.drain(("web", 1))
    assert open_descriptors() == before
    assert works.pump_all() == b"".join(b"web | %d\n" % number for number in range(20))


def test_a_line_with_the_longest_length_passes_a_small_pipe(works: Waterworks) -> None:
    program = replace(web(), log=LogSettings(max_line=1000))
    works.start(sys.executable, "-I", "-S", "-c", "print('x' * 2500)", program=program)
    assert works.pump_all() == b"web | %s [cut]\nweb | %s [cut]\nweb | %s\n" % (b"x" * 1000, b"x" * 1000, b"x" * 500)


# ---- what is done to lines on their way


def logging(**fields: object) -> Program:
    return Program("web", ("true",), log=LogSettings(**fields))  # type: ignore[arg-type]  # whatever a test sets


def reports(works: Waterworks) -> list[tuple[str, str, dict[str, object]]]:
    """Return a list that fills with what the pump has to tell."""
    told: list[tuple[str, str, dict[str, object]]] = []
    works.pump.report = lambda level, event, **values: told.append((level, event, values))
    return told


def test_a_file_gets_the_lines_as_they_are_besides(works: Waterworks, tmp_path: Path) -> None:
    path = tmp_path / "log"
    works.start("sh", "-c", "echo out; echo err >&2", program=logging(file=str(path)))
    works.pump_all()
    works.pump.flush(LIMIT)
    assert sorted(path.read_text().splitlines()) == ["err", "out"]
    assert sorted(works.heard.splitlines()) == [b"web | err", b"web | out"]


def test_with_mode_none_the_file_is_instead_and_json_is_json_there_too(works: Waterworks, tmp_path: Path) -> None:
    none, as_json = tmp_path / "none", tmp_path / "json"
    works.start("echo", "hello", program=logging(mode=LogMode.NONE, file=str(none)))
    works.start("echo", "hello", program=logging(mode=LogMode.JSON, file=str(as_json)))
    works.pump_all()
    works.pump.flush(LIMIT)
    assert none.read_text() == "hello\n"
    assert json.loads(as_json.read_text())["message"] == "hello"
    assert works.heard == as_json.read_bytes()


def test_programs_and_instances_that_name_one_file_share_it(works: Waterworks, tmp_path: Path) -> None:
    path = tmp_path / "log"
    programs = [replace(web(name=name), log=LogSettings(LogMode.NONE, str(path))) for name in ("a", "b", "c")]
    for program in programs:
        works.start("sh", "-c", "for i in 1 2 3 4 5; do echo $0 $i; done", program.name, program=program)
    works.pump_all()
    works.pump.flush(LIMIT)
    assert sorted(path.read_text().splitlines()) == [f"{name} {number}" for name in "abc" for number in range(1, 6)]


def test_a_program_that_drops_is_never_held_up_and_what_is_lost_is_counted(works: Waterworks) -> None:
    told = reports(works)
    lines = 120_000
    program = replace(web(), log=LogSettings(when_full=WhenFull.DROP))
    pid = works.start(sys.executable, "-I", "-S", "-c", COUNT, str(lines), "web", program=program)

    def has_ended() -> bool:
        works.pump.turn()
        return is_gone(pid)

    sleep_until(has_ended)
    works.pump.drain(("web", 1))
    assert BACKLOG <= works.pump.sinks[0].waiting < BACKLOG + 2 * CHUNK
    assert told == []
    heard = works.pump_all().splitlines()
    works.pump.settle(time.monotonic() + PAUSE)
    ((level, event, values),) = told
    assert (level, event, values["to"]) == ("warning", "log.dropped", "stdout")
    assert len(heard) + int(str(values["lines"])) == lines
    assert values["bytes"] == works.pump.outputs["web", 1].dropped
    expected = counted(lines).replace(b"web | ", b"")
    assert works.pump.outputs["web", 1].read == [len(expected), 0]
    assert len(expected) == works.pump.outputs["web", 1].dropped + sum(len(line) - len("web | ") + 1 for line in heard)
    assert b"\n".join(heard) + b"\n" in counted(lines), "what is dropped is the end of it, in one piece"


def test_a_program_over_its_rate_is_held_up_and_loses_nothing(works: Waterworks) -> None:
    lines = 20_000
    total = len(counted(lines).replace(b"web | ", b""))
    rate = total // 3
    program = logging(rate_limit=rate)
    begin = time.monotonic()
    works.start(sys.executable, "-I", "-S", "-c", COUNT, str(lines), "web", program=program)

    def is_over() -> bool:
        deadline = works.pump.deadline
        if deadline is not None and deadline <= time.monotonic():
            works.pump.settle(time.monotonic())
        return not works.is_open

    works.pump_until(is_over)
    assert works.heard == counted(lines)
    assert time.monotonic() - begin > (total - rate - CHUNK) / rate - 0.1


def test_a_program_over_its_rate_that_drops_is_never_held_up_and_what_is_lost_is_counted(works: Waterworks) -> None:
    told = reports(works)
    lines = 20_000
    program = logging(rate_limit=64 * 1024, when_full=WhenFull.DROP)
    works.start(sys.executable, "-I", "-S", "-c", COUNT, str(lines), "web", program=program)
    heard = works.pump_all().splitlines()
    works.pump.settle(time.monotonic() + PAUSE)
    assert {values["to"] for _, _, values in told} == {"rate_limit"}
    assert len(heard) + sum(int(str(values["lines"])) for _, _, values in told) == lines
    assert len(heard) < lines


def test_lines_that_belong_together_are_let_go_when_nothing_follows(works: Waterworks) -> None:
    program = logging(mode=LogMode.JSON, multiline=r"^\S")
    outlet = works.pump.open(program, ("web", 1))
    os.write(outlet.stdout, b"begin\n  more\n")
    works.pump.turn()
    assert works.out.read() == b""
    deadline = works.pump.deadline
    assert deadline is not None and 0 < deadline - time.monotonic() <= JOIN_PATIENCE
    works.pump.settle(deadline)
    assert json.loads(works.out.read())["message"] == "begin\n  more"
    assert works.pump.deadline is None
    for descriptor in outlet.ours:
        os.close(descriptor)


def test_lines_that_are_held_when_a_program_ends_are_not_lost(works: Waterworks) -> None:
    works.nursery.end(works.start("printf", "begin\\n  more", program=logging(mode=LogMode.JSON, multiline=r"^\S")))
    works.pump.drain(("web", 1))
    assert json.loads(works.out.read())["message"] == "begin\n  more"


def test_secrets_are_neither_written_nor_kept_nor_told(works: Waterworks) -> None:
    reported: list[str] = []
    program = replace(logging(redact=("secret",)), ready=Readiness(fail_log="no"))
    outlet = works.pump.open(program, ("web", 1), lambda is_good, line: reported.append(line))
    os.write(outlet.stdout, b"no secret\n")
    works.pump.turn()
    assert works.out.read() == b"web | no [redacted]\n"
    assert works.pump.last_lines(("web", 1)) == "no [redacted]"
    assert reported == ["no [redacted]"]
    for descriptor in outlet.ours:
        os.close(descriptor)


# ---- stalls and pauses


def test_a_program_that_ends_while_its_place_stalls_leaves_no_descriptors(works: Waterworks) -> None:
    """A crash loop during a stall must not use them up; what it has written is kept, to a limit."""
    flood = works.start("yes", program=web(LogMode.RAW, "flood"))

    def is_stalled() -> bool:
        works.pump.turn()
        return works.pump.sinks[0].is_congested

    sleep_until(is_stalled)
    before = open_descriptors()
    for number in range(50):
        works.nursery.end(works.start("echo", f"run {number}"))
        works.pump.drain(("web", 1))
    assert open_descriptors() == before
    os.kill(flood, 9)
    lines = [line for line in works.pump_all().splitlines() if line.startswith(b"web | ")]
    assert lines == [b"web | run %d" % number for number in range(50)]


def test_the_pipes_are_left_alone_the_longer_the_less_comes(works: Waterworks) -> None:
    outlet = works.pump.open(web(), ("web", 1))

    def pause_after(data: bytes) -> float:
        os.write(outlet.stdout, data)
        return works.pump.turn()

    pauses = [pause_after(b"line\n") for _ in range(10)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    much = [pause_after(b"line\n" * 6000) for _ in range(10)]
    assert min(much) < LONGEST_PAUSE
    for descriptor in outlet.ours:
        os.close(descriptor)


def test_a_busy_program_does_not_wait_while_its_pipe_is_left_alone(works: Waterworks) -> None:
    outlet = works.pump.open(web(), ("web", 1))
    os.write(outlet.stdout, b"x" * 65_536)
    works.pump.turn()
    bytes_per_second = 400_000_000
    assert fcntl.fcntl(outlet.stdout, fcntl.F_GETPIPE_SZ) >= bytes_per_second * SHORTEST_PAUSE
    for descriptor in outlet.ours:
        os.close(descriptor)


def test_a_place_that_cannot_be_written_is_told_of_once_and_again_when_it_can(
    works: Waterworks, tmp_path: Path
) -> None:
    told = reports(works)
    path = tmp_path / "log"
    path.mkdir()
    outlet = works.pump.open(logging(mode=LogMode.NONE, file=str(path)), ("web", 1))

    def write(line: bytes, event: str) -> None:
        os.write(outlet.stdout, line)

        def is_told() -> bool:
            works.pump.turn()
            return any(name == event for _, name, _ in told)

        sleep_until(is_told)

    write(b"lost\n", "log.write_failed")
    os.write(outlet.stdout, b"lost as well\n")
    works.pump.turn()
    path.rmdir()
    sleep_until(lambda: works.pump.turn() and not works.pump._destinations._files[str(path)].waiting)
    write(b"written\n", "log.write_recovered")
    works.pump.settle(time.monotonic() + PAUSE)
    assert [event for _, event, _ in told if event != "log.dropped"] == ["log.write_failed", "log.write_recovered"]
    assert told[0] == ("error", "log.write_failed", {"to": str(path), "reason": "Is a directory"})
    lost = sum(int(str(values["lines"])) for _, event, values in told if event == "log.dropped")
    works.pump.flush(LIMIT)
    assert lost + len(path.read_text().splitlines()) == 3
    for descriptor in outlet.ours:
        os.close(descriptor)


# ---- another log section for a program that runs


def test_lines_go_by_the_new_settings_from_then_on_and_none_is_torn(works: Waterworks, tmp_path: Path) -> None:
    outlet = works.pump.open(logging(), ("web", 1))
    os.write(outlet.stdout, b"one\nbe")
    works.pump.turn()
    works.pump.redefine(logging(mode=LogMode.JSON, redact=("secret",)))
    os.write(outlet.stdout, b"gun secret\n")
    works.pump.turn()
    first, second = works.out.read().splitlines()
    assert first == b"web | one"
    assert json.loads(second)["message"] == "begun [redacted]"
    for descriptor in outlet.ours:
        os.close(descriptor)


def test_a_pipe_that_was_held_up_is_read_again_where_that_has_ended(works: Waterworks, tmp_path: Path) -> None:
    flood = works.start("yes", program=logging(mode=LogMode.RAW))

    def is_stalled() -> bool:
        works.pump.turn()
        return bool(works.pump._paused)

    sleep_until(is_stalled)
    works.pump.redefine(logging(mode=LogMode.NONE, file=str(tmp_path / "log")))
    sleep_until(lambda: works.pump.turn() >= 0 and (tmp_path / "log").exists())
    os.kill(flood, 9)
    works.pump_all()
    works.pump.flush(LIMIT)


def test_a_rate_may_be_lifted(works: Waterworks) -> None:
    outlet = works.pump.open(logging(rate_limit=4096), ("web", 1))
    os.write(outlet.stdout, b"x" * 8191 + b"\n" + b"y" * 100 + b"\n")
    for _ in range(10):
        works.pump.turn()
    assert works.pump._resting
    works.pump.redefine(logging())
    sleep_until(lambda: works.pump.turn() >= 0 and b"yyy" in works.out.read())
    assert not works.pump._resting
    for descriptor in outlet.ours:
        os.close(descriptor)


def test_an_instance_is_clogged_while_no_more_of_what_it_has_left_can_be_kept(
    works: Waterworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "OVERFLOW", BACKLOG)
    flood = works.start("yes", program=web(LogMode.RAW, "flood"))

    def is_stalled() -> bool:
        works.pump.turn()
        return works.pump.sinks[0].is_congested

    sleep_until(is_stalled)
    works.nursery.end(works.start("echo", "its last words"))
    works.pump.drain(("web", 1))
    assert works.pump.is_clogged(("web", 1))
    assert not works.pump.is_clogged(("other", 1))
    os.kill(flood, 9)
    assert b"web | its last words\n" in works.pump_all()
    assert not works.pump.is_clogged(("web", 1))
