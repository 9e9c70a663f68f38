"""supctl tree from outside: every process of a real PID 1, and its owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import SUPCTL, Container
from integration.processes import children_of
from integration.waiting import sleep_until

MANY = 2000


def branches(container: Container) -> dict[str, list[dict[str, Any]]]:
    """The processes, by the owner that `supctl tree` shows."""
    result = container.supctl("tree", "--json")
    assert result.returncode == 0, result.stderr
    found = {}
    for branch in json.loads(result.stdout)["branches"]:
        name = f"{branch['program']}:{branch['instance']}" if branch["program"] else branch["kind"]
        found[name if branch["kind"] in (name, "program") else f"{branch['kind']} of {name}"] = branch["processes"]
    return found


def commands(processes: list[dict[str, Any]]) -> list[str]:
    return [" ".join(process["command"]) for process in processes]


@contextmanager
def entered(container: Container, *command: str) -> Iterator[None]:
    """Start a process in the container as `docker exec` does; it ends with the container or before."""
    entering = ["nsenter", "--pid", "--mount", "--target", str(container.init), *command]
    entry = subprocess.Popen(entering, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        for pid in children_of(entry.pid):
            os.kill(pid, signal.SIGKILL)
        entry.wait(10)


def test_every_process_stands_where_it_belongs(run: Run) -> None:
    escape = "setsid sleep 1003 & env -i /usr/bin/setsid sleep 1004 >/dev/null 2>&1 &"
    web = f"sleep 1001 & sh -c 'sleep 1002; true' & ({escape}) ; exec sleep 1000"
    check = {"test": ["CMD", "sleep", "1005"], "timeout": "1h"}
    container = run(
        {
            "web": {"command": ["/bin/sh", "-c", web], "healthcheck": check},
            "worker": {"command": ["sleep", "1006"], "scale": 2},
        }
    )
    container.await_socket()

    with entered(container, "sleep", "1007"):

        def is_complete() -> bool:
            found = branches(container)
            return set(found) == {
                "web:1",
                "worker:1",
                "worker:2",
                "supinit",
                "probe of web:1",
                "entered",
                "orphans",
            } and (len(found["web:1"]) == 5)

        sleep_until(is_complete, 10, "all are there")
        found = branches(container)
        assert commands(found["web:1"])[0] == "sleep 1000"
        assert sorted(commands(found["web:1"])[1:]) == [
            "sh -c sleep 1002; true",
            "sleep 1001",
            "sleep 1002",
            "sleep 1003",
        ]
        assert commands(found["worker:2"]) == ["sleep 1006"]
        assert [process["pid"] for process in found["supinit"]] == [1]
        assert commands(found["probe of web:1"]) == ["sleep 1005"]
        assert (commands(found["entered"]), found["entered"][0]["ppid"]) == (["sleep 1007"], 0)
        assert commands(found["orphans"]) == ["sleep 1004"]
        assert found["web:1"][0]["pid"] == container.programs()["web"]["pid"]
        text = container.supctl("tree").stdout.splitlines()
        assert [line.split()[0] for line in text if not line.startswith(" ")] == [
            *("NAME", "web", "worker:1", "worker:2", "supinit", "probe", "entered", "orphans")
        ]
        assert container.supctl("stop", "web").returncode == 0
        left = branches(container)
        assert ("web:1" in left, commands(left["orphans"])) == (False, ["sleep 1004"])


def test_thousands_of_processes_hold_nothing_up(run: Run, measured: Measured) -> None:
    script = f"import os, time\nfor _ in range({MANY}): os.posix_spawn('/bin/sleep', ['sleep', '1000'], {{}})\n"
    many = {"command": ["python3", "-c", f"{script}print('all', flush=True)\ntime.sleep(1000)"]}
    container = run({"many": many})
    container.expect("many | all", 60)
    container.await_socket()
    assert len(container.supctl("tree").stdout.splitlines()) == MANY + 3
    asking = subprocess.Popen([SUPCTL, "-s", str(container.socket), "tree"], stdout=subprocess.DEVNULL)
    waits, since = [], time.monotonic()
    while asking.poll() is None:
        began = time.monotonic()
        assert container.request("GET", "/livez")[0] == 200
        waits.append(time.monotonic() - began)
    assert asking.wait(10) == 0
    measured(f"tree of {MANY} processes: /livez meanwhile took at most {1000 * max(waits):.0f} ms ({len(waits)} asked)")
    assert max(waits) < slowness(since)
