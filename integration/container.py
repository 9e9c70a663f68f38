"""One supinit under test: as PID 1 of its own PID namespace, or as an ordinary process of this machine.

Every table is written as JSON, which YAML reads, with a run_dir of its own.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from integration.processes import alive_in_namespace, children_of, namespace_of
from integration.waiting import NeverCame, sleep_until
from supervisor.client.wire import JSON, connect, exchange

BIN = Path(sys.executable).parent
SUPINIT, SUPCTL = str(BIN / "supinit"), str(BIN / "supctl")
CHILDREN = Path(__file__).parent / "children"
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
COMPILES = "COMPILE" in os.environ
"""Whether every table is compiled before it is run, as images do it: `COMPILE=1 pytest integration`."""
Table = Mapping[str, Any]


def child(name: str, *arguments: object) -> list[str]:
    """Return the command of one of the small programs in children/."""
    path = str(CHILDREN / name)
    start = ["/bin/sh", path] if name.endswith(".sh") else [sys.executable, "-I", "-u", path]
    return start + [str(argument) for argument in arguments]


class Stream:
    """The lines of one output, each with the time at which it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.lines: list[str] = []
        self.times: list[float] = []
        self._file = file
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._file:
            for line in self._file:
                self.times.append(time.monotonic())
                self.lines.append(line.decode(errors="replace").removesuffix("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def has(self, part: str) -> bool:
        return any(part in line for line in list(self.lines))

    def position(self, part: str) -> int:
        """Return the index of the first line with `part`; AssertionError if there is none."""
        for number, line in enumerate(self.lines):
            if part in line:
                return number
        raise AssertionError(f"no line with {part!r} in:\n{self.text}")

    def time_of(self, part: str) -> float:
        return self.times[self.position(part)]

    def finish(self, limit: float) -> None:
        """Wait for the end of the output: no process can write to it any more."""
        self._thread.join(limit)
        assert not self._thread.is_alive(), "somebody still holds the container's output"


class Container:
    """A running supinit. `init` is its pid as this machine sees it. `within`: a command that becomes its arguments.

    `inside`: the same, run in the namespace. `stdin`, `stdout` and `stderr` are descriptors, which are closed here,
    where the test reads and writes itself.
    """

    def __init__(
        self,
        table: Path,
        run_dir: Path,
        arguments: Sequence[str],
        env: Mapping[str, str],
        pid1: bool,
        within: Sequence[str] = (),
        inside: Sequence[str] = (),
        is_compiled: bool = COMPILES,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self.run_dir = run_dir
        self.socket = run_dir / "control.sock"
        self._is_open = False
        if is_compiled:
            subprocess.run([SUPINIT, "--compile", "-c", str(table)], env=dict(env), capture_output=True, check=False)
        command = [*within, *(UNSHARE if pid1 else ()), *inside, SUPINIT, "-c", str(table), *arguments]
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(env),
            start_new_session=True,
            cwd=run_dir.parent,
        )
        for descriptor in {stdin, stdout, stderr} - {subprocess.PIPE, subprocess.DEVNULL}:
            os.close(descriptor)
        self.out = Stream(self._process.stdout or io.BytesIO())
        self.err = Stream(self._process.stderr or io.BytesIO())
        self.init = self._find_pid1() if pid1 else self._process.pid
        self.namespace = namespace_of(self.init)

    def _find_pid1(self) -> int:
        def found() -> bool:
            return bool(children_of(self._process.pid)) or self._process.poll() is not None

        sleep_until(found, 10, "unshare has a child")
        return next(iter(children_of(self._process.pid)), self._process.pid)

    # ---- from outside

    def signal(self, number: int) -> float:
        """Signal the init and return the time."""
        now = time.monotonic()
        os.kill(self.init, number)
        return now

    def expect(self, part: str, limit: float = 15.0) -> None:
        """Wait for a line on stdout or stderr."""

        def is_there() -> bool:
            assert self._process.poll() is None or self.out.has(part) or self.err.has(part) or not self._settle(), (
                f"supinit has ended ({self._process.returncode}) without {part!r}:\n{self.output}"
            )
            return self.out.has(part) or self.err.has(part)

        sleep_until(is_there, limit, f"a line with {part!r}")

    def _settle(self) -> bool:
        self.out.finish(5)
        self.err.finish(5)
        return True

    def end(self, limit: float = 20.0) -> int:
        """Wait for the container's end and return its exit code."""
        try:
            sleep_until(lambda: self.has_ended, limit)
        except NeverCame:
            raise AssertionError(f"supinit has not ended within {limit:g} s:\n{self.output}") from None
        self._settle()
        return self._process.wait()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        """Return the end of both outputs."""
        out, err = ("\n".join(stream.lines[-40:]) for stream in (self.out, self.err))
        return f"--- stdout\n{out}\n--- stderr\n{err}"

    def left_in_namespace(self) -> list[int]:
        return alive_in_namespace(self.namespace) if self.namespace else []

    # ---- the control socket

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request to the control socket, once it exists; return the status and the JSON, or the text."""
        self.await_socket()
        return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        text = "" if body is None else json.dumps(body)
        response = exchange(connect(str(self.socket), 30), method, path, JSON, text)
        is_json = response.headers["content-type"] == JSON
        return response.status, json.loads(response.body) if is_json else response.body.decode()

    def is_reachable(self) -> bool:
        try:
            return self._ask("GET", "/livez")[0] == 200
        except OSError:
            assert not self.has_ended, f"supinit has ended ({self._process.returncode}):\n{self.output}"
            return False

    def await_socket(self, limit: float = 15.0) -> None:
        sleep_until(self.is_reachable, limit, "the control socket answers")

    def programs(self) -> dict[str, dict[str, Any]]:
        """Return the status entries by NAME, or NAME:NUMBER for instances after the first."""
        _, status = self.request("GET", "/v1/status")
        return {p["name"] + (f":{p['instance']}" if p["instance"] > 1 else ""): p for p in status["programs"]}

    def await_state(self, name: str, *states: str, limit: float = 15.0) -> None:
        sleep_until(lambda: self.programs()[name]["state"] in states, limit, f"{name} is {' or '.join(states)}")

    def await_health(self, name: str, health: str, limit: float = 15.0) -> None:
        sleep_until(lambda: self.programs()[name]["health"] == health, limit, f"{name} is {health}")

    def await_ready(self, limit: float = 15.0) -> None:
        sleep_until(self.marker("ready").exists, limit, "the container is ready")

    def marker(self, name: str) -> Path:
        return self.run_dir / name

    def supctl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run supctl, the first time once the control socket is open: the container may be ready before that."""
        if not self._is_open:
            with suppress(NeverCame):  # supctl will say why
                sleep_until(lambda: self._listens() or self.has_ended, 15)
            self._is_open = True
        return subprocess.run(
            [SUPCTL, "-s", str(self.socket), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    def _listens(self) -> bool:
        try:
            connect(str(self.socket), 1).close()
        except OSError:
            return False
        return True

    # ---- at the end of a test

    def destroy(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process.poll() is None:
            if self.init != self._process.pid:
                _kill(self.init)
            else:
                self._end_subreaper()
            _kill(self._process.pid)
        self._process.wait(20)
        self.out.finish(10)
        self.err.finish(10)

    def _end_subreaper(self) -> None:
        """A supinit that is not PID 1 leaves its programs behind when it is killed, so it is asked twice first."""
        _kill(self.init, signal.SIGCONT)
        for _ in range(2):
            _kill(self.init, signal.SIGTERM)
            try:
                self._process.wait(1.2)
                return
            except subprocess.TimeoutExpired:
                pass
        self._process.wait(5)


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
