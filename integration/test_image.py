"""The image of Dockerfile.example, built and run by a container engine.

integration/engine.py says which engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from integration.conftest import Launch, Measured
from integration.container import CHILDREN
from integration.engine import Engine, await_health, exit_code, health, logs
from integration.servers.installed import need
from integration.waiting import sleep_until

ROOT = Path(__file__).parent.parent
IMAGE = "supinit-example-under-test"
REVISION = "0123abcd"
Start = Callable[..., str]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    engine(
        "build", "-f", str(ROOT / "Dockerfile.example"), "--build-arg", f"GIT_HASH={REVISION}", "-t", IMAGE, str(ROOT)
    )
    return IMAGE


@pytest.fixture
def start(image: str, launch: Launch) -> Start:
    """Run the image in the background and return the container's name."""
    return partial(launch, image)


@pytest.fixture
def healthy(engine: Engine, start: Start) -> str:
    name = start()
    await_health(engine, name, 0)
    return name


def test_the_build_fails_without_git_hash(engine: Engine, image: str) -> None:
    result = engine("build", "-f", str(ROOT / "Dockerfile.example"), str(ROOT), check=False)
    assert result.returncode != 0
    assert "GIT_HASH is missing" in result.stdout + result.stderr


def test_it_is_healthy_once_up_and_not_while_uwsgi_is_broken(engine: Engine, healthy: str) -> None:
    assert health(engine, healthy) == 0
    engine("exec", healthy, "sh", "-c", "kill -STOP $(pidof uwsgi)")
    await_health(engine, healthy, 1)
    engine("exec", healthy, "sh", "-c", "kill -CONT $(pidof uwsgi)")
    await_health(engine, healthy, 0)
    engine("exec", healthy, "supctl", "stop", "uwsgi")
    assert health(engine, healthy) == 1
    engine("exec", healthy, "supctl", "start", "uwsgi")
    await_health(engine, healthy, 0)


def test_supctl_answers_in_it_and_supinit_is_pid_1(engine: Engine, healthy: str) -> None:
    status = engine("exec", healthy, "supctl", "status").stdout
    assert [line.split()[:3] for line in status.splitlines()[1:]] == [
        ["nginx", "RUNNING", "healthy"],
        ["uwsgi", "RUNNING", "healthy"],
    ]
    assert REVISION in engine("exec", healthy, "supctl", "version").stdout
    assert "supinit" in engine("exec", healthy, "cat", "/proc/1/cmdline").stdout


def test_it_serves_the_application_through_nginx(engine: Engine, healthy: str) -> None:
    code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/').read().decode())"
    assert f"revision {REVISION}" in engine("exec", healthy, "python3", "-c", code).stdout


READ_ONLY = ("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp")


@pytest.mark.parametrize(
    "options",
    [READ_ONLY, ("--user", "1000"), (*READ_ONLY, "--user", "12345:0", "--cap-drop", "ALL"), ("--user", "0")],
    ids=["read-only", "another user", "read-only, an arbitrary user of group 0, no capabilities", "root"],
)
def test_it_runs_as_it_stands_with(options: tuple[str, ...], engine: Engine, start: Start) -> None:
    name = start(*options)
    await_health(engine, name, 0)
    code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/').read().decode())"
    assert f"revision {REVISION}" in engine("exec", name, "python3", "-c", code).stdout
    engine("stop", name)
    assert exit_code(engine, name) == 0
    assert "program.killed" not in logs(engine, name)


def test_below_an_init_of_the_engine(engine: Engine, start: Start) -> None:
    """As docker run --init starts it: PID 1 is another init."""
    options = ["--init"]
    if "podman" in engine("--version").stdout.lower():
        options.append(f"--init-path={need('tini-static', 'apt-get install tini')}")
    name = start(*options)
    await_health(engine, name, 0)
    assert "supinit" not in engine("exec", name, "cat", "/proc/1/cmdline").stdout.split("\0")[0]
    engine("stop", name)
    assert exit_code(engine, name) == 0
    assert "program.killed" not in logs(engine, name)


def test_in_the_pid_namespace_of_another_container(engine: Engine, start: Start) -> None:
    """As with shareProcessNamespace in Kubernetes: what belongs to the other container is left alone."""
    other = start("--entrypoint", '["sleep", "1000"]')
    name = start("--pid", f"container:{other}")
    await_health(engine, name, 0)
    assert engine("exec", name, "cat", "/proc/1/cmdline").stdout == "sleep\x001000\0"
    engine("stop", name)
    assert exit_code(engine, name) == 0
    assert "program.killed" not in logs(engine, name)
    assert engine("exec", other, "sh", "-c", "pidof sleep; pidof nginx uwsgi python3", check=False).stdout == "1\n"


def test_stopped_under_load_it_loses_no_request(engine: Engine, start: Start, measured: Measured) -> None:
    """Read-only, as a user that it does not know, without capabilities. The client is in its network namespace."""
    name = start(*READ_ONLY, "--user", "12345:0", "--cap-drop", "ALL", "-e", "DRAIN_DELAY=2s")
    await_health(engine, name, 0)
    pid = engine("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    load = [sys.executable, str(CHILDREN / "load.py"), "http://127.0.0.1:8080", "http://127.0.0.1:9464/readyz"]
    enter = [need("nsenter", "apt-get install util-linux"), "--target", pid, "--net", *load, f"revision {REVISION}\n"]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "begun\n"
        engine("stop", "--time", "20", name)
        result = json.loads(client.stdout.read())
    assert exit_code(engine, name) == 0
    assert "program.killed" not in logs(engine, name)
    measured(f"example image, stopped under load: {result}")
    assert result["lost"] == []
    assert result["slow"] > 0


def test_supinit_adds_at_most_8_mb_to_an_image_that_has_python(
    engine: Engine, healthy: str, measured: Measured
) -> None:
    sizes = engine("exec", healthy, "find", "/opt/supinit", "-type", "f", "-printf", "%s\\n").stdout.split()
    size = sum(map(int, sizes))
    measured(f"supinit in the example image, with bytecode: {size / 2**20:.2f} MB, the goal is 8 MB")
    assert size < 8 * 2**20


def test_nothing_has_to_be_compiled_at_its_start(engine: Engine, healthy: str) -> None:
    """Every module that supinit imports is compiled, whatever the times of the sources."""
    code = (
        "import os, supervisor.loop, supervisor.control.http.server, supervisor.cli.supctl, asyncio, yaml, h11, sys;"
        "print([m for m in list(sys.modules.values()) if (c := getattr(getattr(m, '__spec__', 0), 'cached', 0))"
        " and not os.path.exists(c)])"
    )
    assert engine("exec", healthy, "/opt/supinit/bin/python", "-c", code).stdout.strip() == "[]"


def test_stop_ends_it_in_time_with_0_and_kills_nothing(engine: Engine, healthy: str, measured: Measured) -> None:
    began = time.monotonic()
    engine("stop", healthy)
    took = time.monotonic() - began
    measured(f"stop of the example image: {took:.1f} s")
    assert exit_code(engine, healthy) == 0
    assert took < 10
    said = logs(engine, healthy)
    assert "program.killed" not in said
    assert said.index("program.exited program=nginx") < said.index("program.stop_begun program=uwsgi")
    assert "container.ended code=0" in said


def test_it_can_be_started_again(engine: Engine, healthy: str) -> None:
    """What the first run has left in /run does not hurt the second, even after a kill."""
    engine("kill", healthy)
    sleep_until(lambda: engine("inspect", "-f", "{{.State.Running}}", healthy).stdout.strip() == "false", 20)
    engine("start", healthy)
    await_health(engine, healthy, 0)


def test_an_application_that_cannot_be_imported_ends_it_with_a_verdict(
    engine: Engine, start: Start, tmp_path: Path
) -> None:
    broken = tmp_path / "app.py"
    broken.write_text("import surely_not_there\n")
    name = start("-v", f"{broken}:/srv/app/app.py:ro")
    sleep_until(lambda: engine("inspect", "-f", "{{.State.Running}}", name).stdout.strip() == "false", 60, "it ends")
    assert exit_code(engine, name) not in (0, 1, 137)
    said = logs(engine, name)
    assert "surely_not_there" in said
    (verdict,) = (line for line in said.splitlines() if "container.ended" in line)
    assert "program=uwsgi" in verdict and f"code={exit_code(engine, name)}" in verdict
    assert "container.became_ready" not in said


def test_it_needs_no_build_tools(engine: Engine, healthy: str) -> None:
    missing = engine("exec", healthy, "sh", "-c", "command -v gcc pip pip3; ls /opt/supinit/bin", check=False).stdout
    assert not {"gcc", "pip", "pip3"} & {Path(word).name for word in missing.split()}
