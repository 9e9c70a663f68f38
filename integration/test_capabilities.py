"""cap_add, cap_drop and no_new_privileges, with a real server and real setuid programs."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.servers.installed import need
from integration.servers.nginx import write_nginx

WWW = pwd.getpwnam("www-data")
NOBODY = pwd.getpwnam("nobody")
OWN_NETWORK = ("unshare", "--net")
"""A network namespace of its own, where port 80 is free and privileged."""


def nginx(folder: Path, **keys: Any) -> dict[str, Any]:
    binary = need("nginx", "apt-get install nginx-light")
    config = write_nginx(folder / "nginx.conf", "server { listen 80; }", folder / "run", main="daemon off;")
    return {
        "command": [binary, "-e", "stderr", "-c", str(config)],
        "user": "www-data",
        "runtime_directory": [str(folder / "run")],
        "restart": "no",
        "stop_signal": "SIGQUIT",
        "healthcheck": {"tcp": "127.0.0.1:80"},
        **keys,
    }


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_nginx_listens_on_port_80_as_www_data_and_can_do_nothing_else(run: Run, folder: Path) -> None:
    keys = {"cap_drop": ["ALL"], "cap_add": ["NET_BIND_SERVICE"], "no_new_privileges": True}
    container = run(
        {"web": nginx(folder, **keys, healthcheck={"disable": True}, min_uptime="50ms")}, within=OWN_NETWORK
    )
    container.await_state("web", "RUNNING", "EXITED", "FATAL")
    listening = [line.split()[1] for line in Path(f"/proc/{container.init}/net/tcp").read_text().splitlines()[1:]]
    assert listening == ["00000000:0050"], container.output
    master = next(int(name) for name in os.listdir("/proc") if name.isdecimal() and is_master(int(name), folder))
    status = status_of(master)
    assert status["Uid"].split() == [str(WWW.pw_uid)] * 4
    bind = f"{1 << 10:016x}"
    assert [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [bind] * 5
    assert status["NoNewPrivs"] == "1"


def is_master(pid: int, folder: Path) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"nginx: master")
            and str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
    except OSError:
        return False


def test_without_the_capability_nginx_says_that_it_may_not(run: Run, folder: Path) -> None:
    container = run({"web": nginx(folder)}, within=OWN_NETWORK)
    assert container.end() == 1
    assert container.err.has("bind() to 0.0.0.0:80 failed (13: Permission denied)"), container.output


@pytest.mark.parametrize("sealed", [False, True], ids=["allowed", "no_new_privileges"])
def test_no_new_privileges_stops_a_setuid_program(run: Run, folder: Path, sealed: bool) -> None:
    tool = folder / "id"
    shutil.copy(shutil.which("id") or "", tool)
    tool.chmod(0o4755)
    program = {"command": [str(tool), "-u"], "user": "nobody", "restart": "no", "log": {"mode": "raw"}}
    container = run({"a": {**program, "no_new_privileges": sealed}})
    assert container.end() == 0
    assert container.out.lines == [str(NOBODY.pw_uid) if sealed else "0"]


def test_hooks_and_probes_have_the_capabilities_of_their_program(run: Run) -> None:
    shown = "grep -h CapBnd /proc/self/status; true"
    container = run(
        {
            "a": {
                "command": ["sleep", "1000"],
                "cap_drop": ["ALL"],
                "pre_start": [["sh", "-c", shown]],
                "healthcheck": {"test": ["CMD-SHELL", "grep -q 'CapBnd:.*0000000000000000' /proc/self/status"]},
            }
        }
    )
    container.await_health("a", "healthy")
    assert any(line.endswith("CapBnd:\t0000000000000000") for line in container.out.lines), container.output


def test_what_supinit_does_not_have_is_refused_before_anything_starts(run: Run) -> None:
    container = run(
        {"a": {"command": ["true"]}, "b": {"command": ["true"], "cap_add": ["NET_RAW"]}},
        within=("setpriv", "--bounding-set=-net_raw", "--inh-caps=-all"),
    )
    assert container.end() == 78
    (line,) = container.err.lines
    assert line.partition("programs.")[2] == (
        "b.cap_add: cannot add NET_RAW: supinit does not have it itself (start the container with it, such as docker "
        "run --cap-add NET_RAW, as root)"
    )
