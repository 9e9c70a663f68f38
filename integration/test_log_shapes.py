"""What happens to lines: redaction, multi-line messages, compression, colour, and two outputs in one file."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import signal
import time
import tty
from pathlib import Path
from typing import Any

import pytest

from integration.busyness import slowness
from integration.conftest import Run
from integration.container import Container, child
from integration.flooding import flood_lines
from integration.tap import Tap
from integration.waiting import sleep_until

PASSWORD = r"password=\S+"
MAX_LINE = 4096
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "app.py", line 7, in <module>',
    "    raise ValueError(1)",
    "ValueError: 1",
]


def pieces(*texts: str, **log: Any) -> dict[str, Any]:
    return {"command": child("pieces.py", *texts), "log": log}


@pytest.mark.parametrize("mode", ["raw", "prefix", "json"])
def test_a_secret_is_blacked_out_also_when_it_comes_in_two_writes(run: Run, tmp_path: Path, mode: str) -> None:
    file = tmp_path / "log"
    program = pieces("user=joe password=hun", "ter2 admin\n", "more\n", mode=mode, file=str(file), redact=[PASSWORD])
    container = run({"a": program})
    container.expect("more")
    lines = [json.loads(line)["message"] for line in container.out.lines] if mode == "json" else container.out.lines
    assert [line.removeprefix("a | ") for line in lines] == ["user=joe [redacted] admin", "more"]
    sleep_until(lambda: "more" in file.read_text(), 5, "the file has it, too")
    assert "hun" not in file.read_text() and "ter2" not in file.read_text()


def test_a_secret_is_not_seen_in_what_supinit_keeps_of_the_output(run: Run, tmp_path: Path) -> None:
    container = run({"a": pieces("password=hun", "ter2 \n", "more\n", mode="raw", redact=[PASSWORD])})
    container.expect("more")
    shown = container.supctl("logs", "a")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == ["[redacted] ", "more"]


@pytest.mark.parametrize("before", range(MAX_LINE - 20, MAX_LINE + 1, 4))
def test_a_secret_is_not_seen_where_a_line_that_is_too_long_is_cut(run: Run, before: int) -> None:
    line = f"{'x' * before} password=hunter2 {'y' * MAX_LINE}\n"
    container = run({"a": pieces(line, "more\n", mode="raw", redact=[PASSWORD], max_line=MAX_LINE)})
    container.expect("more")
    cut = [line for line in container.out.lines if line != "more"]
    whole = "".join(line.removesuffix(" [cut]") for line in cut)
    assert whole == f"{'x' * before} [redacted] {'y' * MAX_LINE}"
    assert len(cut) >= 2 and all(len(line) <= MAX_LINE + len(" [cut]") for line in cut)


def test_a_secret_that_is_longer_than_a_line_may_be_is_not_seen_in_part(run: Run) -> None:
    """For example, a token of some hundred bytes when max_line is small."""
    secret = "0123456789" * 15
    container = run(
        {"a": pieces(f"the password={secret} is long\n", "more\n", mode="raw", redact=[PASSWORD], max_line=64)}
    )
    container.expect("more")
    whole = "".join(line.removesuffix(" [cut]") for line in container.out.lines if line != "more")
    assert whole == "the [redacted] is long"


def test_a_traceback_is_one_message_however_it_is_written(run: Run) -> None:
    """It is written without a line after it, and none of its lines is taken for the next message."""
    text = "".join(f"{line}\n" for line in TRACEBACK)
    first = ["12:00 up\n12:01 bad\n" + text[:50], text[50:90], text[90:]]
    container = run({"a": pieces(*first, "12:02 on\n", "12:03 bad again\n" + text, mode="json", multiline=r"^\d\d:")})
    sleep_until(lambda: len(container.out.lines) == 4, 10, "the last one has come, too")
    traceback = "\n".join(TRACEBACK)
    messages = [json.loads(line)["message"] for line in container.out.lines]
    assert messages == ["12:00 up", f"12:01 bad\n{traceback}", "12:02 on", f"12:03 bad again\n{traceback}"]


def test_packed_log_files_hold_every_line_once_and_in_order(run: Run, tmp_path: Path) -> None:
    count, size = 100_000, 1 << 20
    log, record = tmp_path / "logs" / "log", tmp_path / "record"
    record.touch()
    settings = {"mode": "none", "file": str(log), "max_size": size, "keep": 100, "compress": "gzip"}
    container = run({"flood": {"command": child("flood.py", record, count), "log": settings}})
    sleep_until(lambda: "lines" in record.read_text(), 30, "all is written")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    packed = sorted(log.parent.glob("log.*.gz"), key=lambda path: -int(path.name.split(".")[1]))
    assert sorted(log.parent.iterdir()) == sorted([*packed, log])
    texts = [gzip.decompress(file.read_bytes()) for file in packed] + [log.read_bytes()]
    assert len(packed) >= 5
    assert all(text.endswith(b"\n") and len(text) <= size for text in texts)
    assert b"".join(texts).decode().splitlines() == flood_lines(count)


class Terminal:
    """A terminal that is a container's output."""

    def __init__(self) -> None:
        self._master, self.outlet = pty.openpty()
        tty.setraw(self.outlet)

    def read_until(self, part: bytes) -> bytes:
        data = b""
        while part not in data:
            data += os.read(self._master, 1 << 16)
        return data

    def close(self) -> None:
        os.close(self._master)


def greet(run: Run, environment: dict[str, str], **outputs: int) -> Container:
    shell = {"command": ["/bin/sh", "-c", "echo hello; echo hello >&2; exec sleep 1000"]}
    plain = {"NO_COLOR": "", "TERM": "xterm"}  # an empty one does not count (no-color.org)
    return run({"a": shell}, environment=plain | environment, **outputs)


def test_a_terminal_gets_prefixes_in_colour_and_a_pipe_does_not(run: Run) -> None:
    terminal = Terminal()
    try:
        container = greet(run, {}, stdout=terminal.outlet)
        assert re.fullmatch(rb"\x1b\[\d+ma \|\x1b\[0m hello\n", terminal.read_until(b"hello\n"))
        container.expect("hello")
        assert "a | hello" in container.err.lines
    finally:
        terminal.close()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_a_terminal_gets_no_colour_where_none_is_wanted(run: Run, environment: dict[str, str]) -> None:
    terminal = Terminal()
    try:
        greet(run, environment, stdout=terminal.outlet)
        assert terminal.read_until(b"hello\n") == b"a | hello\n"
    finally:
        terminal.close()


def test_redirect_stderr_keeps_the_order_of_both_streams(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log"
    script = "for i in $(seq 200); do echo out $i; echo err $i >&2; done".replace("$", "$$")
    log = {"redirect_stderr": True, "file": str(file)}
    container = run({"both": {"command": ["bash", "-c", script], "type": "oneshot", "log": log}})
    assert container.end() == 0
    expected = [f"{stream} {number}" for number in range(1, 201) for stream in ("out", "err")]
    assert [line.removeprefix("both | ") for line in container.out.lines] == expected
    assert file.read_text().splitlines() == expected
    assert not any("both |" in line for line in container.err.lines)


def test_a_prompt_is_seen_before_its_line_has_ended(run: Run, tap: Tap) -> None:
    tap.open()
    script = 'printf "Enter pass phrase: "; exec sleep 600'
    container = run({"app": {"command": ["sh", "-c", script]}}, stdout=tap.outlet)
    begin = time.monotonic()
    sleep_until(lambda: tap.data == b"app | Enter pass phrase: ", 5, "the prompt is seen")
    assert time.monotonic() - begin < 2 * slowness(begin)
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert tap.finish() == b"app | Enter pass phrase: \n"


@pytest.mark.parametrize("is_file", [False, True], ids=["pipe", "file"])
@pytest.mark.parametrize("target", ["/dev/stdout", "/proc/1/fd/1"])
def test_a_log_file_that_links_to_the_containers_stdout_is_never_rotated(
    run: Run, tmp_path: Path, target: str, is_file: bool
) -> None:
    """As /var/log/nginx/access.log does in the image of nginx."""
    link, output = tmp_path / "logs" / "access.log", tmp_path / "output"
    link.parent.mkdir()
    link.symlink_to(target)
    outputs = {"stdout": os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)} if is_file else {}
    log = {"mode": "none", "file": str(link), "max_size": 99}
    container = run({"app": {"command": ["seq", "2000"], "type": "oneshot", "log": log}}, **outputs)
    assert container.end() == 0
    seen = output.read_text().splitlines() if is_file else container.out.lines
    assert seen == [str(number) for number in range(1, 2001)]
    assert [(each.name, os.readlink(each)) for each in link.parent.iterdir()] == [("access.log", target)]
    assert not list(tmp_path.glob("output.*"))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("user", [None, "65533:65533"], ids=["root", "user"])
def test_a_program_that_becomes_another_user_opens_its_output_by_path(run: Run, stream: str, user: str | None) -> None:
    """As rsyslogd, nginx and cron do. A pipe has the mode 0600 when it is made, and open(2) looks at it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] if user is None else []
    script = f"echo by path > /dev/{stream}"
    program: dict[str, Any] = {"command": [*become, "sh", "-c", script], "type": "oneshot"}
    container = run({"app": program if user is None else program | {"user": user}})
    assert container.end() == 0
    assert "app | by path" in (container.out if stream == "stdout" else container.err).lines


def test_another_user_cannot_read_what_a_program_writes(run: Run) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    container = run({"app": {"command": [*become, "sh", "-c", "head -c1 < /dev/stdout"], "type": "oneshot"}})
    assert container.end() != 0
    assert container.err.has("Permission denied")


WRITERS, LINES = 5, 4000


def assert_that_no_line_is_torn(lines: list[str]) -> None:
    """Of children/writer.py on both of its streams, and of supinit itself."""
    for number in range(WRITERS):
        name = f"w{number}"
        own = [line for line in lines if line.startswith(f"{name} ")]
        errors = [line for line in own if line.startswith(f"{name} error ")]
        assert errors == [f"{name} error {count}." for count in range(0, LINES, 10)]
        texts = [line for line in own if not line.startswith(f"{name} error ")]
        assert texts == [*(f"{name} {count} {'x' * (count % 90)}." for count in range(LINES)), f"{name} last."]
    others = [line for line in lines if not re.match(r"w\d ", line)]
    assert all(re.match(r"supinit \| (warning: |error: )?\w+\.\w+( |$)", line) for line in others)
    assert sum("program.exited" in line for line in others) == WRITERS


def table_of_writers() -> dict[str, Any]:
    return {
        f"w{number}": {"command": child("writer.py", f"w{number}", LINES), "restart": "no", "log": {"mode": "raw"}}
        for number in range(WRITERS)
    }


def test_stdout_and_stderr_may_be_the_same_pipe(run: Run, tap: Tap) -> None:
    tap.open()
    container = run(table_of_writers(), stdout=tap.outlet, stderr=tap.outlet)
    assert container.end(60) == 0
    assert_that_no_line_is_torn(tap.finish().decode().splitlines())


@pytest.mark.parametrize("is_opened_twice", [False, True], ids=["one_description", "opened_twice"])
def test_stdout_and_stderr_may_be_the_same_file(run: Run, tmp_path: Path, is_opened_twice: bool) -> None:
    file = tmp_path / "output"
    stdout = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    stderr = os.open(file, os.O_WRONLY | os.O_CLOEXEC) if is_opened_twice else stdout
    container = run(table_of_writers(), stdout=stdout, stderr=stderr)
    assert container.end(60) == 0
    assert_that_no_line_is_torn(file.read_text().splitlines())
