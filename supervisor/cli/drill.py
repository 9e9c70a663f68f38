"""`supinit --drill`: start the table, wait until everything is ready and healthy, stop it, and report what went wrong.

supinit runs as a child, as it would in production. The drill is a child subreaper, so it sees every process that
outlives supinit, and leaves none behind. It reads supinit's log as JSON. What programs write goes to stderr.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from supervisor.cli.drill_report import Drill, failures_of, report
from supervisor.client import Client, ClientError
from supervisor.config.load import load
from supervisor.core.plan import critical_path, make_plan
from supervisor.core.quantities import parse_duration
from supervisor.errors import StartError, UsageError
from supervisor.process.procfs import descendants, read_processes
from supervisor.process.subreaper import become_subreaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from supervisor.cli.drill_report import Event
    from supervisor.client.answers import Entry
    from supervisor.core.plan import Plan

TIMEOUT = "60s"
"""How long everything may take to become ready and healthy."""
LOOK_EVERY = 0.1
STOP_MARGIN = 10.0
"""Seconds beyond the plan's worst case after which a shutdown is over for the drill."""
MAX_COMMAND = 80
"""Characters of a command in the report."""


def drill(path: str, timeout: str, command: tuple[str, ...]) -> int:
    """Run the drill of a table, print the report, and return 0 if nothing went wrong, else 1.

    Raises ConfigError where the table is invalid, UsageError for a timeout that is not a duration.
    """
    limit = parse_duration(timeout)
    if not limit:
        raise UsageError(f"--timeout is a duration such as 60s or 2m, not {timeout}")
    plan = make_plan(load(path, os.environ, command=command))
    if not become_subreaper():
        raise StartError("cannot become a child subreaper: what outlives supinit would not be seen")
    run_dir = Path(plan.settings.run_dir)
    before = {run_dir, *run_dir.rglob("*")} if run_dir.exists() else set()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        result = _Container(plan, path, command).run(limit)
    except KeyboardInterrupt:
        sys.stdout.write("the drill was interrupted\n")
        return 1
    _clean_up(run_dir, before)
    sys.stderr.flush()
    sys.stdout.writelines(f"{line}\n" for line in report(result))
    return 1 if failures_of(result) else 0


class _Container:
    """One run of supinit with a table."""

    def __init__(self, plan: Plan, path: str, command: tuple[str, ...]) -> None:
        self._plan = plan
        self._path = path
        self._client = Client(plan.settings.socket_path, patience=5.0)
        self._events: list[tuple[float, Event]] = []
        self._began = time.monotonic()
        as_this_one = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]  # the interpreter's options, the script
        supinit = [sys.executable, *as_this_one, "-c", path, "--log-format", "json", "--log-level", "info"]
        self._process = subprocess.Popen(
            [*supinit, *(("--", *command) if command else ())],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()

    def run(self, limit: float) -> Drill:
        try:
            up_after, not_up = self._await_up(limit)
            orphans = self._orphans()
            stop_took = self._stop()
        finally:
            self._process.kill()
            self._process.wait()
            left = _kill_what_is_left()
            self._reader.join(STOP_MARGIN)
        return Drill(
            table=self._path,
            events=tuple(self._events),
            programs=tuple(self._plan.programs),
            up_after=up_after,
            not_up=not_up,
            orphans=orphans,
            stop_took=stop_took,
            worst_case=critical_path(self._plan)[1],
            shutdown_timeout=self._plan.settings.shutdown_timeout,
            code=None if stop_took is None else self._process.returncode,
            left=left,
        )

    def _await_up(self, limit: float) -> tuple[float | None, tuple[str, ...]]:
        """Wait until everything is up, or cannot come up; return when that was, and what was not up."""
        entries: list[Entry] = []
        while self._process.poll() is None and time.monotonic() < self._began + limit:
            if (found := self._entries()) is not None:
                entries = found
                if all(map(_is_up, entries)):
                    return time.monotonic() - self._began, ()
                if all(_is_up(entry) or entry["state"] == "FATAL" for entry in entries):
                    break
            time.sleep(LOOK_EVERY)
        if self._process.poll() == 0:
            return time.monotonic() - self._began, ()  # every program ended well
        return None, tuple(map(_why_not_up, (entry for entry in entries if not _is_up(entry))))

    def _entries(self) -> list[Entry] | None:
        """Return the status, or None if the socket does not exist or belongs to another supinit with this run_dir."""
        try:
            status = self._client.status()
        except ClientError:
            return None
        return status["programs"] if status["pid"] == self._process.pid else None

    def _orphans(self) -> tuple[str, ...]:
        try:
            branches = self._client.tree()
        except ClientError:
            return ()
        orphans = (branch["processes"] for branch in branches if branch["kind"] == "orphans")
        return tuple(_short(shlex.join(process["command"])) for processes in orphans for process in processes)

    def _stop(self) -> float | None:
        """Send SIGTERM and return what the shutdown took, or None where supinit had to be killed."""
        began = time.monotonic()
        self._process.terminate()
        timeout = self._plan.settings.shutdown_timeout
        worst_case = critical_path(self._plan)[1]
        try:
            self._process.wait(STOP_MARGIN + (worst_case if timeout is None else min(worst_case, timeout)))
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - began

    def _read(self, log: IO[bytes]) -> None:
        """Take supinit's events out of its stderr, and pass everything on."""
        with log:
            for line in log:
                event = _event_in(line)
                if event is not None:
                    self._events.append((time.monotonic() - self._began, event))
                    line = f"supinit | {_worded(event)}\n".encode(errors="backslashreplace")
                os.write(2, line)


def _clean_up(run_dir: Path, before: set[Path]) -> None:
    """Remove what was not in run_dir before, and run_dir if it is new: an image should not keep it."""
    for path in sorted({run_dir, *run_dir.rglob("*")} - before, reverse=True):
        try:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError:
            pass  # it is gone, or belongs to another user


def _interrupt(number: int, _: object) -> None:
    """End the drill as Ctrl-C does: what it has started is killed first."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def _event_in(line: bytes) -> Event | None:
    if not line.startswith(b'{"time": "'):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if event.get("program") == "supinit" and isinstance(event.get("event"), str) else None


def _worded(event: Event) -> str:
    mark = "" if event.get("level") in ("debug", "info") else f"{event.get('level')}: "
    shown = {key: value for key, value in event.items() if key not in ("time", "program", "stream", "level", "event")}
    return mark + " ".join((str(event["event"]), *(f"{k}={v}" for k, v in shown.items() if v is not None)))


def _is_up(entry: Entry) -> bool:
    """Whether the instance is as it should be: RUNNING and healthy, completed, or not meant to run yet."""
    if entry["state"] == "RUNNING":
        return entry["health"] in ("none", "healthy")
    is_on_demand = entry["state"] == "STOPPED" and entry.get("autostart") is False
    follows_schedule = entry["state"] in ("PENDING", "STARTING") and entry.get("next_run_at") is not None
    return entry["state"] == "EXITED" or is_on_demand or follows_schedule


def _why_not_up(entry: Entry) -> str:
    why = entry["reason"] or entry["health_detail"] or ""
    if entry["waiting_for"]:
        why = f"waits for {', '.join(entry['waiting_for'])}"
    health = "" if entry["health"] == "none" else f" and {entry['health']}"
    several = f":{entry['instance']}" if entry["instance"] > 1 else ""
    return f"{entry['name']}{several} was not up: {entry['state']}{health}" + (f" ({why})" if why else "")


def _kill_what_is_left() -> tuple[str, ...]:
    """Kill every process below this one; return the commands of those that were alive."""
    found: dict[int, str] = {}
    until = time.monotonic() + STOP_MARGIN
    while time.monotonic() < until:
        _reap()
        processes = read_processes()
        alive = [pid for pid in descendants(processes, [os.getpid()]) if not processes[pid].is_zombie]
        if not alive:
            break
        for pid in alive:
            found.setdefault(pid, _command_of(pid))
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # it has ended, or belongs to another user; a later look shows which
        time.sleep(0.01)
    return tuple(found.values())


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _command_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        words = []
    return _short(shlex.join(word.decode(errors="replace") for word in words) or f"process {pid}")


def _short(command: str) -> str:
    return command if len(command) <= MAX_COMMAND else f"{command[: MAX_COMMAND - 1]}…"
