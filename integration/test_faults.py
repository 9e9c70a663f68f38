"""What fails around supinit: processes, run_dir, disks, memory, executables. Each by a real limit.

In each case the operator is told why in one sentence, the other programs run on, and all is well again once the fault
is gone. Descriptors: test_descriptors.py. Readers that stall and full disks of log files: test_log_stalls.py. The OOM
killer: test_oom.py. A pause of supinit: test_pause.py. run_dir removed or replaced: test_run_dir.py.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import supervisor
from integration.conftest import Run
from integration.container import Container
from integration.processes import zombies_under
from integration.waiting import sleep_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can set such limits")

SLEEP = ["sleep", "1000"]
PLAIN: dict[str, Any] = {"command": SLEEP, "min_uptime": "0s", "shutdown_on": "never"}
EAGER: dict[str, Any] = PLAIN | {"restart_delay": {"initial": "50ms", "max": "200ms"}, "start_retries": None}
USER = 54321
AS_USER = (
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
)  # fmt: skip
"""Another user, whose processes can be limited, and who can read this environment wherever it is."""
HOG = """
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        time.sleep(0.05)
"""
"""A program that takes every process that it can get."""
AT_THE_LIMIT = "no process can be created: the limit of processes, of the user or of the container, is reached"
NO_THREAD = AT_THE_LIMIT.replace("process can", "thread can")


def is_well(container: Container, pids: dict[str, int]) -> None:
    """Assert that the other programs have never been touched and that the container still answers."""
    programs = container.programs()
    assert {name: programs[name]["pid"] for name in pids} == pids
    assert container.request("GET", "/livez")[0] == 200


def end_well(container: Container) -> None:
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.left_in_namespace() == []
    assert "Traceback" not in container.err.text


def await_reason(container: Container, name: str, part: str) -> None:
    sleep_until(lambda: part in str(container.programs()[name]["reason"]), 15, f"{name}: {part}")


# ---- processes


@pytest.fixture
def pids_cgroup() -> Iterator[Path]:
    for root in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        path = Path(root) / f"supinit-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / "pids.max").exists():
            break
        path.rmdir()
    else:
        pytest.skip("no pids cgroup can be made here")
    yield path
    sleep_until(lambda: not (path / "cgroup.procs").read_text(), 10, "the cgroup is empty")
    path.rmdir()


def test_at_the_users_limit_of_processes_a_start_waits_and_succeeds_later(run: Run, tmp_path: Path) -> None:
    refuse_and_recover(run(hogged(tmp_path), inside=("prlimit", "--nproc=40", *AS_USER)), tmp_path)


def test_at_the_containers_limit_of_processes_a_start_waits_and_succeeds_later(
    pids_cgroup: Path, run: Run, tmp_path: Path
) -> None:
    (pids_cgroup / "pids.max").write_text("40")
    join = ("sh", "-c", f'echo $$ > {pids_cgroup}/cgroup.procs && exec "$@"', "join")
    refuse_and_recover(run(hogged(tmp_path), within=join), tmp_path)


def hogged(folder: Path) -> dict[str, Any]:
    (folder / "watched").write_text("1")
    watch = {"path": f"{folder}/watched", "action": "restart", "debounce": "10ms"}
    return {
        "plain": PLAIN,
        "hog": PLAIN | {"command": ["/usr/bin/python3", "-I", "-c", HOG], "autostart": False},
        "late": EAGER | {"autostart": False},
        "watching": PLAIN | {"watch": [watch]},
    }


def refuse_and_recover(container: Container, folder: Path) -> None:
    container.await_ready()
    container.await_socket()
    pids = {"plain": container.programs()["plain"]["pid"]}
    assert container.supctl("start", "hog").returncode == 0
    sleep_until(lambda: (container.programs()["hog"]["processes"] or 0) > 20, 15, "it has what it can get")
    container.request("POST", "/v1/programs/late/start", {"wait": False})
    await_reason(container, "late", AT_THE_LIMIT)
    code, refused = container.request("POST", "/v1/update", {})
    assert (code, refused["problems"]) == (422, [f"cannot read the table: {NO_THREAD}"])
    (folder / "watched").write_text("2")
    container.expect(f'program=watching reason="cannot watch {folder}/watched: {NO_THREAD}"')
    assert "supinit_internal_errors_total{" not in container.request("GET", "/metrics")[1]
    is_well(container, pids)
    assert container.supctl("stop", "hog").returncode == 0
    container.await_state("late", "RUNNING")
    assert container.request("POST", "/v1/update", {})[0] == 200
    (folder / "watched").write_text("3")
    container.expect("program.watch_restored program=watching")
    is_well(container, pids)
    end_well(container)


def test_ten_thousand_sigchld_in_a_second_delay_nothing(run: Run) -> None:
    container = run({"plain": PLAIN, "crashing": EAGER | {"command": ["sh", "-c", "sleep 0.05; exit 3"]}})
    container.await_ready()
    container.await_socket()
    pids = {"plain": container.programs()["plain"]["pid"]}
    before = container.programs()["crashing"]["restarts"]
    for _ in range(10_000):
        os.kill(container.init, signal.SIGCHLD)
    is_well(container, pids)
    sleep_until(lambda: container.programs()["crashing"]["restarts"] > before + 2, 15, "it is restarted on and on")
    sleep_until(lambda: not zombies_under(container.init), 5, "no zombie is left")
    end_well(container)


# ---- run_dir


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_run_dir_costs_the_markers_and_nothing_else(run: Run, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "container-0", "size=64k") as run_dir:
        ballast = run_dir / "ballast"
        lose_and_recover_markers(run, run_dir, lambda: fill(ballast), ballast.unlink, "No space left on device")


def test_a_run_dir_that_becomes_read_only_costs_the_markers_and_nothing_else(run: Run, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "container-0", "size=1m") as run_dir:

        def remount(option: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{option}", str(run_dir)], check=True)

        lose_and_recover_markers(run, run_dir, lambda: remount("ro"), lambda: remount("rw"), "Read-only file system")


def lose_and_recover_markers(
    run: Run, run_dir: Path, break_it: Callable[[], None], repair: Callable[[], None], error: str
) -> None:
    """A program that starts while run_dir cannot be written runs without its marker, and gets it afterwards."""
    container = run({"plain": PLAIN, "late": PLAIN | {"autostart": False}})
    container.await_ready()
    container.await_socket()
    pids = {"plain": container.programs()["plain"]["pid"]}
    break_it()
    container.request("POST", "/v1/programs/late/start", {"wait": False})
    container.await_state("late", "RUNNING")
    container.expect(f"cannot write {run_dir}/health/late: {error}")
    is_well(container, pids)
    repair()
    container.request("POST", "/v1/programs/late/restart", {"wait": False})
    container.expect("marker.recovered")
    sleep_until((run_dir / "health" / "late").exists, 10, "its marker is there")
    end_well(container)


def test_a_run_dir_that_is_full_at_the_start_is_an_error_with_a_way_out(run: Run, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "container-0", "size=64k") as run_dir:
        fill(run_dir / "ballast")
        container = run({"plain": PLAIN})
        assert container.end() == 78
        (line,) = container.err.lines
        assert line == (
            f"supinit: cannot write run_dir {run_dir}: No space left on device; mount a tmpfs there, or name a "
            "directory that uid 0 can write with supervisor.run_dir or $SUPINIT_RUN_DIR"
        )


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


# ---- a full disk


def test_a_record_of_once_on_a_full_disk_is_said_and_the_oneshot_runs_again(run: Run, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "deploys", "size=64k") as shared:
        (shared / "lock-room").touch()
        migrate = {
            "command": ["sh", "-c", f"echo ran; dd if=/dev/zero of={shared}/ballast bs=4k 2>/dev/null; true"],
            "type": "oneshot",
            "once": {"key": "1", "dir": str(shared)},
        }
        container = run({"plain": PLAIN, "migrate": migrate})
        container.await_state("migrate", "EXITED")
        container.expect(f"cannot record in {shared} that it is done: No space left on device; it will be run again")
        pids = {"plain": container.programs()["plain"]["pid"]}
        (shared / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(shared)], check=True)
        container.request("POST", "/v1/programs/migrate/start", {"wait": False})
        sleep_until(lambda: sum("ran" in line for line in container.out.lines) == 2, 15, "it has run again")
        is_well(container, pids)
        end_well(container)


# ---- output and memory


def test_without_stdout_and_stderr_everything_runs(run: Run) -> None:
    closing = ("sh", "-c", 'exec "$@" >&- 2>&-', "closing")
    container = run(
        {"plain": PLAIN, "talking": PLAIN | {"command": ["sh", "-c", "echo out; exec sleep 1000"]}}, inside=closing
    )
    container.await_ready()
    container.await_socket()
    assert "out" in container.supctl("logs").stdout
    end_well(container)


def test_supinit_survives_a_shortage_of_memory(run: Run) -> None:
    container = run({"plain": PLAIN, "crashing": EAGER | {"command": ["sh", "-c", "sleep 0.05; exit 3"]}})
    container.await_ready()
    container.supctl("status")
    container.supctl("tree")
    pids = {"plain": container.programs()["plain"]["pid"]}
    size = int(Path(f"/proc/{container.init}/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + (64 << 10)  # not even a new arena
    subprocess.run(["prlimit", f"--pid={container.init}", f"--as={limit}:unlimited"], check=True)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for path in ("/v1/status", "/v1/tree", "/metrics", "/v1/logs", "/v1/events"):
            ask_whatever_comes(container, path)
    subprocess.run(["prlimit", f"--pid={container.init}", "--as=unlimited:unlimited"], check=True)
    before = container.programs()["crashing"]["restarts"]
    sleep_until(lambda: container.programs()["crashing"]["restarts"] > before + 2, 20, "it is restarted again")
    is_well(container, pids)
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.left_in_namespace() == []


def ask_whatever_comes(container: Container, path: str) -> None:
    try:
        container._ask("GET", path)
    except (OSError, ValueError):
        pass  # no memory for the answer


# ---- executables


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    path = tmp_path / "tool"
    shutil.copy(shutil.which("sleep") or "", path)
    return path


def test_an_executable_that_is_being_written_is_started_when_that_is_over(run: Run, tool: Path) -> None:
    writer = [sys.executable, "-I", "-c", f"f = open({str(tool)!r}, 'ab'); print('open', flush=True); input()"]
    with subprocess.Popen(writer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None and process.stdout.readline() == "open\n"
        container = run({"plain": PLAIN, "tool": PLAIN | {"command": [str(tool), "1000"]}}, "--log-level", "debug")
        await_reason(container, "tool", f"{tool} is open for writing: Text file busy")
        pids = {"plain": container.programs()["plain"]["pid"]}
        process.stdin.close()
    container.await_state("tool", "RUNNING")
    is_well(container, pids)
    end_well(container)


def test_an_executable_that_disappears_is_fatal_and_can_be_started_when_it_is_back(run: Run, tool: Path) -> None:
    container = run({"plain": PLAIN, "tool": EAGER | {"command": [str(tool), "1000"]}})
    container.await_ready()
    container.await_socket()
    programs = container.programs()
    pids = {"plain": programs["plain"]["pid"]}
    tool.rename(tool.with_suffix(".away"))
    container.supctl("signal", "KILL", "tool")
    container.await_state("tool", "FATAL")
    await_reason(container, "tool", f"cannot be started: {tool}: No such file or directory")
    is_well(container, pids)
    tool.with_suffix(".away").rename(tool)
    assert container.supctl("start", "tool").returncode == 0
    is_well(container, pids)
    end_well(container)


def test_a_supinit_that_is_deleted_while_it_runs_still_stops_everything_in_order(run: Run, tmp_path: Path) -> None:
    """Such as by pip in the container. A request that needs a part that was never loaded cannot be answered."""
    package = tmp_path / "package"
    shutil.copytree(Path(supervisor.__file__).parent, package / "supervisor", ignore=shutil.ignore_patterns("*.pyc"))
    web = PLAIN | {"depends_on": ["db"]}
    container = run({"db": PLAIN, "web": web}, environment={"PYTHONPATH": str(package)})
    container.await_ready()
    container.await_socket()
    shutil.rmtree(package)
    assert container.request("GET", "/v1/tree")[0] == 500
    assert container.request("GET", "/livez")[0] == 200
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    lines = [line.split()[2:4] for line in container.err.lines if "program.stop_begun" in line or "exited" in line]
    assert lines == [
        ["program.stop_begun", "program=web"], ["program.exited", "program=web"],
        ["program.stop_begun", "program=db"], ["program.exited", "program=db"],
    ]  # fmt: skip
