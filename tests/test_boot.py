"""supinit from its start to its end, in an interpreter of its own that has imported nothing yet."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

import supervisor
from supervisor.config.compiler import write_compiled

from .process.conftest import nursery as nursery
from .process.nursery import Nursery, is_gone, sleep_until

ROOT = str(Path(supervisor.__file__).parent.parent)
PACKAGES = [path for path in sys.path if path.endswith("site-packages")]

HEAVY = (
    "argparse", "array", "asyncio", "cronsim", "dataclasses", "datetime", "h11", "hashlib", "inspect", "json",
    "logging", "pathlib", "prometheus_client", "psutil", "random", "re", "socket", "ssl", "subprocess",
    "typing", "zoneinfo",
)  # fmt: skip
"""What may not be loaded before the first program runs."""

LATE = (
    "control", "core.idle_watch", "core.web_page", "process.before_start", "process.connections",
    "config.schedule", "core.schedule", "core.scheduling", "cron", "wall_clock",
    "core.file_changes", "file_watches", "files",
    "config.restart_limits", "core.restart_due", "core.restart_limits", "core.postponing", "measuring",
    "config.stores", "core.lease_reports", "core.leasing", "core.once", "leases", "store",
    "config.accounts", "config.lint", "core.interpolation", "core.notice", "core.replacement", "core.update",
    "core.why", "emergency", "health.manager_socket", "loop", "pauses", "process.fifo", "process.once",
    "config.socket_lint", "config.sockets", "core.sockets", "process.socket_failures", "process.socket_queues",
    "process.sockets", "logs.files", "logs.rate", "trusted_path",
    "process.successors", "process.trees", "reports", "running_container", "signalling", "tasks", "umask",
)  # fmt: skip
"""supinit's own modules that may not be loaded before the first program runs, unless the table uses them."""

RUN = """
import sys
sys.path[:0] = {paths!r}
from supervisor.boot import Options, run
from supervisor.errors import SupinitError
from supervisor.opening import open_table
try:
    code = run(Options({config!r}), open_table({config!r}))
except SupinitError as error:
    sys.stderr.write(f"{{error}}\\n")
    code = 78
sys.stdout.flush()
import os
os._exit(code)
"""

WATCH = """
import os, sys
for name in ("posix_spawn", "fork"):
    def watched(*args, call=getattr(os, name), **fields):
        if not os.path.exists({seen!r}):
            modules = sorted(sys.modules)
            with open({seen!r}, "w") as file:
                file.write("\\n".join(modules))
        return call(*args, **fields)
    setattr(os, name, watched)
"""


class Boot:
    """A table, and supinit that runs it."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.folder = folder
        self.run_dir = folder / "run"

    def write(self, programs: dict[str, object], settings: dict[str, object] | None = None) -> str:
        """Write the table and return its path. JSON is YAML; a dollar in a program is doubled: no interpolation."""
        text = json.dumps(programs).replace("$", "$$")
        section = json.dumps({"run_dir": str(self.run_dir)} | (settings or {}))
        config = self.folder / "supinit.yaml"
        config.write_text(f'{{"supervisor": {section}, "programs": {text}}}')
        return str(config)

    def start(self, programs: dict[str, object], settings: dict[str, object] | None = None, before: str = "") -> int:
        """Start supinit."""
        script = before + RUN.format(paths=[ROOT, *PACKAGES], config=self.write(programs, settings))
        return self.nursery.start(sys.executable, "-I", "-S", "-c", script, working_dir="/")

    def run(
        self, programs: dict[str, object], settings: dict[str, object] | None = None, before: str = ""
    ) -> tuple[int, list[str]]:
        """Run it to its end; return its exit code and all lines."""
        pid = self.start(programs, settings, before)
        lines = self.nursery.ear.rest().splitlines()
        return self.nursery.end(pid), lines

    def line(self, fragment: str) -> str:
        """Return the next line that has the fragment in it."""
        while fragment not in (line := self.nursery.ear.line()):
            pass
        return line


@pytest.fixture
def boot(nursery: Nursery, tmp_path: Path) -> Boot:
    return Boot(nursery, tmp_path)


def once(*command: str, **fields: object) -> dict[str, object]:
    return {"command": list(command), "restart": "no", **fields}


ALLOWED = {"json": {"json", "re"}, "interpolated": {"supervisor.core.interpolation"}}
"""What a table uses of these."""


@pytest.mark.parametrize(
    ("program", "settings"),
    [
        ({}, {}),
        ({"nice": 0}, {}),
        ({"stop": [{"signal": "QUIT", "wait": "1s"}]}, {"revision": "${GIT_HASH:-none}"}),
        ({"healthcheck": {"http": {"url": "http://127.0.0.1:1/"}, "interval": "1h"}, "shutdown_on": "exit"}, {}),
        ({"stdin": "inherit"}, {}),
        ({"log": {"mode": "json"}}, {"log": {"format": "json"}}),
    ],
    ids=["plain", "fork", "interpolated", "health check", "main program", "json"],
)
def test_before_the_first_program_runs_only_what_it_needs_is_loaded(
    boot: Boot, program: dict[str, object], settings: dict[str, object], request: pytest.FixtureRequest
) -> None:
    """A program that logs JSON needs the json module itself, which needs re, and nothing else."""
    seen = boot.folder / "modules"
    pid = boot.start({"web": once("true", **program)}, settings, WATCH.format(seen=str(seen)))
    boot.nursery.ear.rest()
    boot.nursery.end(pid)
    allowed = ALLOWED.get(request.node.callspec.id, set())
    modules = seen.read_text().split("\n")
    loaded = {name.partition(".")[0] for name in modules}
    late = {f"supervisor.{name}" for name in LATE}
    assert "supervisor" in loaded
    assert sorted(loaded & set(HEAVY) - allowed) == []
    assert sorted(late & set(modules) - allowed) == []


IDLE = """
import os, sys
before = set(sys.modules)
def watched(code, end=os._exit):
    with open({seen!r}, "w") as file:
        file.write("\\n".join(sys.modules.keys() - before))
    end(code)
os._exit = watched
"""
NEVER = (
    "argparse", "ast", "concurrent.futures", "contextlib", "dataclasses", "datetime", "dis", "h11", "inspect", "json",
    "linecache", "logging", "pathlib", "psutil", "re", "ssl", "subprocess", "traceback", "typing", "yaml",
)  # fmt: skip
"""What may not be loaded in a whole life that has a compiled table, no request and no error: each stays in memory."""


def test_a_container_that_nobody_asks_anything_loads_no_more_than_it_needs(boot: Boot) -> None:
    seen = boot.folder / "modules"
    programs: dict[str, object] = {"web": {"command": ["sh", "-c", "echo up; exec sleep 1000"], "min_uptime": "0s"}}
    write_compiled(boot.write(programs), {})
    pid = boot.start(programs, before=IDLE.format(seen=str(seen)))
    sleep_until((boot.run_dir / "control.sock").exists)
    os.kill(pid, signal.SIGTERM)
    assert "container.ended code=0" in boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0
    modules = set(seen.read_text().split("\n"))
    assert {"asyncio", "supervisor.control.http.server"} <= modules
    assert sorted(modules & set(NEVER)) == []


def test_a_compiled_table_is_started_without_yaml_and_without_the_rules(boot: Boot) -> None:
    seen = boot.folder / "modules"
    write_compiled(boot.write({"web": once("true")}), {})
    pid = boot.start({"web": once("true")}, before=WATCH.format(seen=str(seen)))
    assert "compiled_table_ignored" not in boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0
    modules = [name for name in seen.read_text().split("\n") if name.startswith(("yaml", "supervisor.config"))]
    assert modules == ["supervisor.config", "supervisor.config.compiled", "supervisor.config.plan_pickle"]


def test_a_compiled_table_that_is_out_of_date_is_ignored_with_a_word(boot: Boot) -> None:
    file = write_compiled(boot.write({"web": once("echo", "before")}), {})
    code, lines = boot.run({"web": once("echo", "after")})
    assert code == 0
    assert "web | after" in lines
    reason = f"{file.removesuffix('.compiled')} has changed"
    assert f'supinit | container.compiled_table_ignored file={file} reason="{reason}"' in lines


def test_an_update_reads_the_table_itself(boot: Boot) -> None:
    programs: dict[str, object] = {"web": {"command": ["sh", "-c", "echo up; exec sleep 1000"]}}
    table = boot.write(programs)
    write_compiled(table, {})
    pid = boot.start(programs)
    boot.line("web | up")
    Path(table).write_text(Path(table).read_text().replace("echo up", "echo updated"))
    write_compiled(table, {})
    Path(table).write_text(Path(table).read_text().replace("echo updated", "echo again"))
    os.kill(pid, signal.SIGHUP)
    boot.line("web | again")
    os.kill(pid, signal.SIGTERM)
    boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0


def test_supinit_ends_when_its_programs_have_ended_well(boot: Boot) -> None:
    code, lines = boot.run({"hello": once("echo", "hello")})
    assert code == 0
    assert "hello | hello" in lines


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_the_code_of_the_program_that_brought_it_down_is_supinits(boot: Boot, script: str, code: int) -> None:
    assert boot.run({"web": once("sh", "-c", script), "other": {"command": "sleep 1000"}})[0] == code


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGRTMIN + 3], ids=str
)
def test_every_stopsignal_stops_it_in_order_with_0(boot: Boot, number: int) -> None:
    pid = boot.start({"web": {"command": ["sh", "-c", "echo up $$; exec sleep 1000"]}})
    web = int(boot.line("web | up").split()[-1])
    os.kill(pid, number)
    assert "container.ended code=0" in boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0
    assert is_gone(web)


def test_a_signal_in_the_first_moment_is_not_lost(boot: Boot) -> None:
    """It comes from the first program, which is there before the loop is."""
    script = "kill -TERM $PPID; exec sleep 1000"
    code, lines = boot.run({"web": {"command": ["sh", "-c", script]}})
    assert code == 0
    assert any("signal=SIGTERM" in line for line in lines)


def test_the_markers_come_and_go(boot: Boot) -> None:
    pid = boot.start({"web": {"command": "sleep 1000", "min_uptime": "0s"}})
    for name in ("ready", "healthy", "health/web"):
        sleep_until((boot.run_dir / name).exists)
    os.kill(pid, signal.SIGTERM)
    boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0
    assert [path.name for path in boot.run_dir.rglob("*") if path.is_file()] == []


def test_a_second_supinit_in_the_same_run_dir_starts_nothing_and_harms_nothing(boot: Boot) -> None:
    first = boot.start({"web": {"command": ["sh", "-c", "echo up; exec sleep 1000"], "min_uptime": "0s"}})
    boot.line("web | up")
    sleep_until((boot.run_dir / "healthy").exists)
    second = boot.start({"other": once("echo", "started")})
    assert boot.nursery.end(second) == 78
    assert (boot.run_dir / "healthy").exists()
    os.kill(first, signal.SIGTERM)
    said = boot.nursery.ear.rest()
    assert "another supinit is using it" in said
    assert "other | " not in said
    assert boot.nursery.end(first) == 0


def test_an_unusable_run_dir_starts_nothing(boot: Boot) -> None:
    boot.run_dir.write_text("a file in the way")
    code, lines = boot.run({"web": once("echo", "started")})
    assert code == 78
    assert lines == [
        f"cannot write run_dir {boot.run_dir}: Not a directory; mount a tmpfs there, or name a directory "
        f"that uid {os.geteuid()} can write with supervisor.run_dir or $SUPINIT_RUN_DIR"
    ]


def test_a_socket_path_that_is_too_long_starts_nothing(boot: Boot) -> None:
    code, lines = boot.run({"web": once("echo", "started")}, {"socket": f"/tmp/{'x' * 200}"})
    assert code == 78
    assert len(lines) == 1
    assert lines[0].startswith("cannot use socket /tmp/xxx")


def closed(*descriptors: int) -> str:
    return "import os\n" + "".join(f"os.close({descriptor})\n" for descriptor in descriptors)


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_supinit_may_be_started_with_its_descriptors_closed(boot: Boot, descriptors: tuple[int, ...]) -> None:
    """A program has all three even then, and they are its own."""
    look = f"(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2) > {boot.folder}/seen; true"
    code, _ = boot.run({"web": once("sh", "-c", look)}, before=closed(*descriptors))
    assert code == 0
    stdin, stdout, stderr = (boot.folder / "seen").read_text().split()
    assert stdin == "/dev/null"
    assert stdout.startswith("pipe:")
    assert stderr.startswith("pipe:")
    assert stdout != stderr


def test_supinit_may_be_started_with_signals_blocked_and_ignored(boot: Boot) -> None:
    before = (
        "import signal\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})\n"
    )
    pid = boot.start({"web": {"command": ["sh", "-c", "echo up; exec sleep 1000"]}}, before=before)
    boot.line("web | up")
    os.kill(pid, signal.SIGTERM)
    boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0


def test_orphans_of_a_supinit_that_is_not_pid_1_are_adopted_and_gone_at_the_end(boot: Boot) -> None:
    escape = (
        "env -i PATH=/usr/bin:/bin setsid sh -c 'echo escaped $$ $PPID; exec sleep 1000' & echo up; exec sleep 1000"
    )
    pid = boot.start({"web": {"command": ["sh", "-c", escape]}})
    daemon = int(boot.line("escaped").split()[-2])
    os.kill(pid, signal.SIGTERM)
    boot.nursery.ear.rest()
    assert boot.nursery.end(pid) == 0
    assert is_gone(daemon)


BREAK = f"""
import sys
sys.path[:0] = {[ROOT, *PACKAGES]!r}
from supervisor.engine import Engine
def fail(*_):
    raise LookupError("a bug")
Engine.receive = Engine.ask = fail
"""
"""Every signal is an internal error, and so is what is done about one."""


def polite(folder: Path, name: str, *needs: str) -> dict[str, object]:
    command = f"trap 'echo {name} >>stops; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    return {
        "command": ["sh", "-c", command], "depends_on": list(needs), "stop_grace_period": "20s",
        "working_dir": str(folder),
    }  # fmt: skip


def stubborn(grace: str) -> dict[str, object]:
    return {"command": ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done"], "stop_grace_period": grace}


def test_an_error_while_an_error_is_handled_stops_every_program_in_order_with_70(boot: Boot, tmp_path: Path) -> None:
    """The stop needs neither the core nor the loop; a program that does not obey is killed at its time."""
    programs: dict[str, object] = {
        "db": polite(tmp_path, "db"), "web": polite(tmp_path, "web", "db"), "app": polite(tmp_path, "app", "web"),
        "odd": stubborn("500ms"),
    }  # fmt: skip
    pid = boot.start(programs, before=BREAK)
    for _ in programs:
        boot.line("| up")
    os.kill(pid, signal.SIGUSR1)
    lines = boot.nursery.ear.rest().splitlines()
    assert boot.nursery.end(pid) == 70
    assert (tmp_path / "stops").read_text().split() == ["app", "web", "db"]
    assert sum("container.aborted" in line for line in lines) == 1


def test_a_shutdown_signal_meanwhile_kills_what_is_left(boot: Boot) -> None:
    pid = boot.start({"web": stubborn("1h")}, before=BREAK)
    boot.line("| up")
    os.kill(pid, signal.SIGUSR1)

    def has_ended() -> bool:
        os.kill(pid, signal.SIGTERM)
        return is_gone(pid)

    sleep_until(has_ended)
    assert boot.nursery.end(pid) == 70
