"""Log destinations that stall or fail: nobody reads, the reader is gone, the disk is full, the file was moved."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import tty
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from integration.asking import ask_status, share, told
from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import CHILDREN, Container, child
from integration.flooding import dropped, flood_lines, size_of
from integration.processes import zombies_under
from integration.tap import Tap
from integration.waiting import sleep_until

CRASHING, LINES = 200, 20
"""Programs, and lines of each of their runs."""
FLOODS, FLOOD = 3, 400_000
"""Programs, and lines of each of them: about 40 MB."""
STALL = 10.0
BREATH = 0.02
"""Seconds between two looks, so that looking does not keep the init busy."""
SOON, LATE, ABSURD = 0.05, 0.5, 2.0
"""Seconds until the dead are reaped: at the median, for 95 % of them, and for all, on a busy machine."""
FLUSH_LIMIT, TOLERANCE = 2.0, 1.5
"""Seconds that the last lines may take, and that a busy machine may add."""
ANSWER = "import signal, time\n" + (
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
    "while signal.sigwait([signal.SIGUSR1]):\n"
    "    with open({path!r}, 'a') as file: file.write(f'{{time.monotonic()}}\\n')"
)
"""A program that writes down when signals come."""
MEMORY = 64 << 20
"""Memory that the init may use: 16 MB for a stalled destination, 64 KB for each tail, and its own."""


def crashing(record: Path, log: dict[str, Any], lines: int = LINES, longest: str = "4s") -> dict[str, Any]:
    """Return programs that crash again and again, at different times."""
    command = ["bash", str(CHILDREN / "crash.bash"), str(record), str(lines)]
    crash = {"command": command, "start_retries": None, "log": log}
    delays = [{"initial": f"{100 + number}ms", "max": longest} for number in range(CRASHING)]
    return {f"crash{number}": crash | {"restart_delay": delay} for number, delay in enumerate(delays)}


def runs_in(record: Path) -> dict[tuple[str, int], float]:
    """Return when each run of a program that crashes was over, by program and pid."""
    words = [line.split() for line in record.read_text().splitlines()]
    return {(name, int(pid)): float(at) for name, pid, at in words if at != "lines"}


class Scene:
    """200 programs that crash, three that flood, one with a health check and one that receives signals."""

    def __init__(self, run: Run, tap: Tap, folder: Path, when_full: str) -> None:
        self.record, self.answers, self.pulse = folder / "record", folder / "answers", folder / "pulse"
        for path in (self.record, self.answers, self.pulse):
            path.touch()
        log = {"mode": "raw", "when_full": when_full}
        table = crashing(self.record, log)
        for number in range(FLOODS):
            table[f"flood{number}"] = {"command": child("flood.py", self.record, FLOOD), "log": log}
        table["answers"] = {
            "command": [sys.executable, "-I", "-c", ANSWER.format(path=str(self.answers))],
            "signals": {"SIGUSR1": "SIGUSR1"},
        }
        test = ["CMD-SHELL", f"echo beat >>{self.pulse}"]
        table["healthy"] = {"command": ["sleep", "1000"], "healthcheck": {"test": test, "interval": "200ms"}}
        self.statuses: list[float] = []
        self.signals: list[float] = []
        self.memory = 0
        self.factor = 1.0
        self.container = run(table, settings={"log": {"format": "json"}}, stdout=tap.outlet)
        self.container.await_socket()

    def watch(self, seconds: float) -> None:
        """Send requests and signals and measure, again and again, while nobody reads."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self.statuses.append(ask_status(self.container))
            before = self.answers.stat().st_size
            sent_at = self.container.signal(signal.SIGUSR1)
            sleep_until(lambda size=before: self.answers.stat().st_size > size, 5, "the signal is there")  # type: ignore[misc]
            self.signals.append(float(self.answers.read_text().split()[-1]) - sent_at)
            self.memory = max(self.memory, memory_of(self.container.init))
            time.sleep(BREATH)
        self.factor = slowness(began)

    def events(self, event: str) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in list(self.container.err.lines)]
        return [record for record in records if record.get("event") == event]

    def runs(self) -> dict[tuple[str, int], float]:
        return runs_in(self.record)

    def reaped_after(self) -> list[float]:
        """Return how long each was dead, between its own last look at the clock and supinit's word of it.

        Without the first run of each: those are all started before anything else is done.
        """
        runs, reaped, seen = self.runs(), [], set()
        for record in self.events("program.exited"):
            name = record["name"]
            if name in seen and (name, record["pid"]) in runs:
                reaped.append(datetime.fromisoformat(record["time"]).timestamp() - runs[name, record["pid"]])
            seen.add(name)
        return reaped

    def finish(self) -> None:
        """Let the floods end, and stop everything in order."""
        sleep_until(lambda: self.record.read_text().count("lines") == FLOODS, 60, "the floods are over")
        self.container.signal(signal.SIGTERM)
        assert self.container.end(60) == 0

    def assert_that_all_went_on(self, measured: Measured, about: str) -> None:
        reaped = self.reaped_after()
        measured(
            f"nobody reads for {STALL:g} s, {about}: {len(reaped)} deaths taken in after {told(reaped)}, "
            f"at most {max(reaped) * 1e3:.0f} ms; status {told(self.statuses)}, signals {told(self.signals)}, "
            f"{self.memory >> 20} MB"
        )
        assert len(reaped) >= 3 * CRASHING
        assert share(reaped, 0.5) < SOON * self.factor
        assert share(reaped, 0.95) < LATE * self.factor
        assert max(reaped) < ABSURD * self.factor
        assert share(self.statuses, 0.5) < SOON * self.factor
        assert share(self.signals, 0.5) < SOON * self.factor
        assert self.pulse.read_text().count("beat") >= STALL / 2
        assert self.memory < MEMORY


def memory_of(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def lines_by_source(data: bytes) -> dict[str, list[str]]:
    """Return the lines by who wrote them: "crash7 1234", the program and the run, or "flood1"."""
    found = defaultdict(list)
    for line in data.decode().splitlines():
        words = line.split(" ", 2)
        found[" ".join(words[:2]) if line.startswith("crash") else words[0]].append(line)
    return found


def crash_lines(name: str, pid: int, count: int = LINES) -> list[str]:
    return [f"{name} {pid} {number} of a run that crashes" for number in range(count)]


def test_while_nobody_reads_for_10_seconds_everything_goes_on_and_nothing_is_lost(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    scene = Scene(run, tap, tmp_path, "block")
    scene.watch(STALL)
    tap.open()
    scene.finish()
    scene.assert_that_all_went_on(measured, "block")
    found = lines_by_source(tap.finish())
    for name, pid in scene.runs():
        assert found.pop(f"{name} {pid}") == crash_lines(name, pid)
    for number in range(FLOODS):
        assert found.pop(f"flood{number}") == flood_lines(FLOOD, f"flood{number}")
    assert found == {}
    assert scene.events("log.dropped") == []


def test_while_nobody_reads_for_10_seconds_everything_goes_on_and_what_is_dropped_is_counted(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    scene = Scene(run, tap, tmp_path, "drop")
    scene.watch(STALL)
    tap.open()
    scene.finish()
    scene.assert_that_all_went_on(measured, "drop")
    written: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    accounted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, pid in scene.runs():
        count(written[name], crash_lines(name, pid))
    for number in range(FLOODS):
        count(written[f"flood{number}"], flood_lines(FLOOD, f"flood{number}"))
    found = lines_by_source(tap.finish())
    for source, lines in found.items():
        assert is_in_order(lines, source)
        count(accounted[source.split()[0]], lines)
    dropped = scene.events("log.dropped")
    for event in dropped:
        assert event["to"] == "stdout"
        accounted[event["name"]][0] += event["lines"]
        accounted[event["name"]][1] += event["bytes"]
    measured(f"dropped {sum(e['lines'] for e in dropped)} lines of {sum(lines for lines, _ in written.values())}")
    assert accounted == written
    assert sum(event["lines"] for event in dropped) > FLOOD


def count(sums: list[int], lines: Sequence[str]) -> None:
    sums[0] += len(lines)
    sums[1] += size_of(lines)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Give supinit a limit of 1024 descriptors, the usual one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_runs_that_leave_much_unread_take_neither_descriptors_nor_memory_without_end(
    few_descriptors: None, run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    """Each run fills its pipe, which nobody reads."""
    record, lines = tmp_path / "record", 1200
    record.touch()
    container = run(crashing(record, {"mode": "raw"}, lines, "1s"), stdout=tap.outlet)
    container.await_socket()
    began, most, memory = time.monotonic(), 0, 0
    while time.monotonic() - began < STALL:
        most = max(most, len(os.listdir(f"/proc/{container.init}/fd")))
        memory = max(memory, memory_of(container.init))
        time.sleep(BREATH)
    owed = sum(len("\n".join(crash_lines(name, pid, lines))) + 1 for name, pid in runs_in(record))
    tap.open()  # the end waits for a slow reader for 2 s only, so what was held back comes first
    sleep_until(lambda: sum(map(len, list(tap.pieces))) >= owed, 60, "what was held back is read")
    container.signal(signal.SIGTERM)
    assert container.end(60) == 0
    runs = runs_in(record)
    measured(f"{len(runs)} runs left {lines} lines each unread: {most} descriptors, {memory >> 20} MB")
    assert not container.err.has("cannot be started")
    assert memory < MEMORY
    found = lines_by_source(tap.finish())
    for name, pid in runs:
        assert found.pop(f"{name} {pid}") == crash_lines(name, pid, lines)
    assert found == {}


def test_while_nobody_reads_stderr_everything_goes_on_and_supinits_lines_come_late(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    record = tmp_path / "record"
    record.touch()
    container = run(crashing(record, {"mode": "raw"}), stderr=tap.outlet)
    container.await_socket()
    began, statuses = time.monotonic(), []
    seen: dict[int, float] = {}
    oldest = 0.0
    while (now := time.monotonic()) - began < STALL / 2:
        seen = {pid: seen.get(pid, now) for pid in zombies_under(container.init)}
        oldest = max([oldest, *(now - since for since in seen.values())])
        statuses.append(ask_status(container))
        time.sleep(BREATH)
    factor = slowness(began)
    measured(f"nobody reads stderr: status {told(statuses)}, no dead child seen for {oldest:.2f} s")
    tap.open()
    container.signal(signal.SIGTERM)
    assert container.end(60) == 0
    assert share(statuses, 0.5) < SOON * factor
    assert oldest < ABSURD * factor
    exited = re.findall(r"program\.exited program=(\S+) pid=(\d+) code=7", tap.finish().decode())
    assert {(name, int(pid)) for name, pid in exited} == set(runs_in(record))


def is_in_order(lines: Sequence[str], source: str) -> bool:
    numbers = [int(line.removeprefix(source).split(" ", 2)[1]) for line in lines]
    return all(before < after for before, after in pairwise(numbers))


def test_a_shutdown_while_nobody_reads_ends_within_its_time_and_no_line_is_torn_in_two(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    """What nobody reads is kept as far as the pipe holds it; only its end may be cut off."""
    (tmp_path / "record").touch()
    log = {"mode": "raw"}
    table = {
        f"flood{number}": {"command": child("flood.py", tmp_path / "record", FLOOD), "log": log}
        for number in range(FLOODS)
    }
    container = run(table, stdout=tap.outlet)
    container.await_socket()
    sleep_until(lambda: is_stalled(container, table), 15, "no flood gets any further")
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    took = time.monotonic() - asked_at
    measured(f"shutdown while nobody reads: {took:.2f} s, of which the last lines are waited for {FLUSH_LIMIT:g} s")
    assert took < FLUSH_LIMIT + TOLERANCE * slowness(asked_at)
    lines = tap.finish().decode().split("\n")
    assert len(lines) > 100
    for name in table:
        own = [line for line in lines[:-1] if line.startswith(name)]
        assert own == flood_lines(FLOOD, name)[: len(own)]
    assert lines[-1] == "" or any(line.startswith(lines[-1]) for name in table for line in flood_lines(FLOOD, name))


def is_stalled(container: Container, names: Iterable[str]) -> bool:
    """Whether all of these programs are blocked in a write: supinit does not read from them any more."""
    before = bytes_read(container)
    time.sleep(0.2)  # longer than any pause of the pump
    return before == bytes_read(container) and all(before[name] > 0 for name in names)


def bytes_read(container: Container) -> dict[str, float]:
    """Return how many bytes of each program's stdout supinit has read."""
    text = container.request("GET", "/metrics")[1]
    pattern = r'^supinit_program_log_bytes_total\{(?=.*stream="stdout").*program="([^"]+)".*\} (\S+)$'
    return {name: float(value) for name, value in re.findall(pattern, text, re.MULTILINE)}


def test_the_containers_own_descriptor_never_becomes_non_blocking(run: Run, tap: Tap) -> None:
    """A program with mode inherit shares the open file description, and would get EAGAIN."""
    copy = os.dup(tap.outlet)
    try:
        shell = {"command": ["/bin/sh", "-c", "echo out; exec sleep 1000"]}
        container = run({"a": shell, "b": shell | {"log": {"mode": "inherit"}}}, stdout=tap.outlet)
        container.await_ready()
        assert not fcntl.fcntl(copy, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        os.close(copy)


def test_when_the_reader_goes_away_it_is_said_once_and_the_programs_run_on(run: Run, tap: Tap, tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.touch()
    flood = {"command": child("flood.py", record, FLOOD), "log": {"mode": "raw"}}
    talker = {"command": child("talk.py", tmp_path / "talk", 10), "log": {"mode": "raw"}}
    container = run({"flood": flood, "talker": talker}, stdout=tap.outlet)
    container.await_socket()
    sleep_until(lambda: is_stalled(container, ["flood"]), 15, "the flood is held up")
    tap.close()
    sleep_until(lambda: "lines" in record.read_text(), 15, "the flood was let through")
    for turn in range(3):
        talk(container, tmp_path / "talk", turn + 1)
    assert container.programs()["flood"]["restarts"] == 0
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    failed = [line for line in container.err.lines if "log.write_failed" in line]
    assert len(failed) == 1 and "to=stdout" in failed[0]
    assert dropped(container, "flood", "stdout")[0] > FLOOD // 2


def talk(container: Container, record: Path, turns: int) -> None:
    """Make a talker write its next lines, and wait until supinit has read that many turns."""
    container.request("POST", "/v1/programs/talker/signal", {"signal": "SIGUSR1"})
    sleep_until(lambda: record.exists() and len(record.read_text().split()) >= turns, 10, "it has written")
    written = int(record.read_text().split()[-1])
    sleep_until(lambda: bytes_read(container)["talker"] >= written, 10, "supinit has read it")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def talked(turns: int, lines: int) -> list[str]:
    return [f"talker {number} of many lines {'.' * 60}" for number in range(turns * lines)]


@pytest.mark.parametrize("is_stdout", [False, True], ids=["log_file", "stdout"])
def test_a_full_disk_is_said_once_what_is_lost_is_counted_and_it_goes_on_when_there_is_room(
    run: Run, tmp_path: Path, small_disk: Path, is_stdout: bool
) -> None:
    ballast, log, record = small_disk / "ballast", small_disk / "log", tmp_path / "talk"
    ballast.write_bytes(bytes(800 << 10))
    lines = 1000
    talker = {"command": child("talk.py", record, lines)}
    if is_stdout:
        outlet = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        container = run({"talker": talker | {"log": {"mode": "raw"}}}, stdout=outlet)
    else:
        container = run({"talker": talker | {"log": {"mode": "none", "file": str(log), "max_size": "10mb"}}})
    container.await_socket()
    for turn in range(1, 8):
        talk(container, record, turn)
    container.expect("log.write_failed")
    ballast.unlink()
    for turn in range(8, 11):
        talk(container, record, turn)
    container.expect("log.write_recovered")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    failed = [line for line in container.err.lines if "log.write_failed" in line]
    assert len(failed) == 1 and "No space left on device" in failed[0]
    to = "stdout" if is_stdout else str(log)
    assert f"to={to} " in failed[0]
    text = log.read_text()
    found, written = text.splitlines(), talked(10, lines)
    # what is begun of a line is there already, and a file that others write to as well is never made shorter
    begun = [line for line in found if line.endswith(" [cut]")]
    assert len(begun) == (1 if is_stdout else 0)
    found = [line for line in found if line not in begun]
    kept = sum(len(line.removesuffix(" [cut]")) for line in begun)
    missing = set(written) - set(found)
    assert text.endswith("\n")
    assert [line for line in found if line not in set(written)] == []
    assert found == [line for line in written if line not in missing]
    assert found[-3 * lines :] == written[-3 * lines :]
    assert missing and dropped(container, "talker", to) == (len(missing), size_of(list(missing)) - kept)


@pytest.mark.parametrize("has_successor", [False, True], ids=["alone", "with_a_new_file_in_its_place"])
def test_a_log_file_that_is_renamed_is_made_anew_and_no_line_is_lost(
    run: Run, tmp_path: Path, has_successor: bool
) -> None:
    log, record = tmp_path / "log", tmp_path / "record"
    record.touch()
    settings = {"mode": "none", "file": str(log), "max_size": "1g"}
    container = run({"flood": {"command": child("flood.py", record, FLOOD), "log": settings}})
    files: list[Path] = []

    def is_renamed_and_over() -> bool:
        if log.exists():
            files.append(log.rename(tmp_path / f"log-{len(files)}"))
            if has_successor:
                log.touch()
        return "lines" in record.read_text()

    sleep_until(is_renamed_and_over, 30, "the flood is over")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    files += [log] if log.exists() else []
    assert sum(file.stat().st_size > 0 for file in files) >= 3
    texts = [file.read_text() for file in files]
    assert all(text.endswith("\n") for text in texts if text)
    assert "".join(texts).splitlines() == flood_lines(FLOOD)


def test_a_log_file_that_is_removed_is_made_anew_with_the_next_lines(run: Run, tmp_path: Path) -> None:
    log, record, lines = tmp_path / "logs" / "log", tmp_path / "talk", 100
    container = run({"talker": {"command": child("talk.py", record, lines), "log": {"mode": "none", "file": str(log)}}})
    container.await_socket()
    texts = []
    for turn in range(1, 4):
        talk(container, record, turn)
        wanted = "".join(f"{line}\n" for line in talked(turn, lines)[-lines:])
        sleep_until(lambda text=wanted: log.exists() and log.read_text() == text, 5, "the lines are there")  # type: ignore[misc]
        texts.append(log.read_text())
        log.unlink()
        log.parent.rmdir()
    assert "".join(texts).splitlines() == talked(3, lines)
    assert not container.err.has("log.dropped") and not container.err.has("log.write_failed")


@pytest.mark.parametrize("kind", ["terminal", "non_blocking_terminal", "socket", "non_blocking_socket"])
def test_a_terminal_or_a_socket_that_is_read_late_gets_every_line(run: Run, kind: str) -> None:
    count = 20_000
    reader, outlet = terminal() if kind.endswith("terminal") else (end.detach() for end in socket.socketpair())
    os.set_blocking(outlet, not kind.startswith("non_blocking"))
    flood = {"command": child("flood.py", "/dev/null", count), "log": {"mode": "raw"}}
    container = run({"flood": flood}, stdout=outlet)
    try:
        container.await_socket()
        sleep_until(lambda: is_stalled(container, ["flood"]), 15, "the flood is held up")
        assert ask_status(container) < 1.0
        data = b""
        while data.count(b"\n") < count:
            data += os.read(reader, 1 << 16)
        assert data.decode().splitlines() == flood_lines(count)
    finally:
        os.close(reader)


def terminal() -> tuple[int, int]:
    """Return the two ends of a terminal that does not change its output."""
    reader, outlet = pty.openpty()
    tty.setraw(outlet)
    return reader, outlet


def test_a_log_file_that_takes_nothing_holds_only_its_own_program_up(run: Run, tmp_path: Path) -> None:
    """A FIFO without a reader behaves like a disk that hangs: even open() does not return."""
    fifo, record = tmp_path / "fifo", tmp_path / "record"
    os.mkfifo(fifo)
    record.touch()
    flood = child("flood.py", record, FLOOD)
    table = {
        "stuck": {"command": flood, "log": {"mode": "none", "file": str(fifo)}},
        "other": {"command": flood, "log": {"mode": "none", "file": str(tmp_path / "log")}},
    }
    container = run(table)
    container.await_socket()
    sleep_until(lambda: is_stalled(container, ["stuck"]), 15, "the one program is held up")
    assert record.read_text() == f"other {FLOOD} lines\n"
    assert ask_status(container) < 1.0
    asked_at = container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - asked_at < FLUSH_LIMIT + TOLERANCE * slowness(asked_at)


EVIL_PATTERN = r"[\w.+-]+@[\w.]+"
"""Takes time that grows with the square of a line of letters: 9 s for 60 KB."""


@pytest.mark.parametrize(
    "settings",
    [
        {"log": {"redact": [EVIL_PATTERN]}},
        {"log": {"multiline": EVIL_PATTERN}},
        {"ready": {"log": EVIL_PATTERN}},
        {"ready": {"log": "up", "fail_log": EVIL_PATTERN}},
        {"log": {"redact": [r"(a+)+b"]}},
    ],
    ids=["redact", "multiline", "ready", "fail_log", "exponential"],
)
def test_no_regular_expression_holds_pid_1_up(run: Run, settings: dict[str, Any]) -> None:
    """The limits allow for a busy machine; without a bound, one line takes longer."""
    script = "import os, time\nwhile True:\n    os.write(1, b'a' * 60_000 + b'\\n')\n    time.sleep(0.05)\n"
    program = {"command": [sys.executable, "-I", "-S", "-c", script], **settings}
    container = run({"app": program, "beside": {"command": ["sleep", "1000"]}})
    container.await_socket()
    sleep_until(lambda: len(container.out.lines) >= 3, 20, "some of the lines have passed")
    times, since = [], time.monotonic()
    for _ in range(30):
        begin = time.monotonic()
        assert container.request("GET", "/livez")[0] == 200
        times.append(time.monotonic() - begin)
    assert max(times) < 3 * ABSURD * slowness(since)
    assert container.err.has("log.pattern_too_slow program=app lines=")
    container.signal(signal.SIGTERM)
    assert container.end(15) == 0


def test_the_last_line_is_the_containers_end_where_a_log_file_is_on_a_full_disk(run: Run) -> None:
    app = {"command": ["seq", "100"], "type": "oneshot", "log": {"file": "/dev/full"}}
    container = run({"app": app})
    assert container.end() == 0
    assert container.err.has('log.write_failed to=/dev/full reason="No space left on device"')
    assert container.err.has("log.dropped program=app instance=1 to=/dev/full lines=100 bytes=292")
    assert "container.ended" in container.err.lines[-1]


def test_what_a_probe_or_a_line_says_does_not_reach_the_terminal_as_it_is(run: Run) -> None:
    trick = r"printf '\033]0;owned\007\033[2J\r%s\n' "
    check = {"test": ["CMD-SHELL", trick + "unwell; exit 1"], "interval": "100ms", "retries": 1, "on_unhealthy": "none"}
    app = {"command": ["/bin/sh", "-c", trick + "broken; exec sleep 1000"], "ready": {"fail_log": "broken"}}
    programs = {
        "app": {**app, "log": {"mode": "none"}, "shutdown_on": "never"},
        "web": {"command": ["sleep", "1000"], "healthcheck": check},
    }
    container = run(programs)
    container.expect("broken")
    container.expect("unwell")
    assert all(line.isprintable() for line in container.err.lines)
    assert container.err.has(r"\x1b]0;owned\x07\x1b[2J\r")
