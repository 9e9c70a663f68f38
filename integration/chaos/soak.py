"""Much of the same: restarts, orphans, output, status calls, a follower that does not read, updates. What has grown?

`python -m integration.chaos.soak --share 0.1` does a tenth of it. Memory, descriptors and the CPU of an idle second are
measured after a first tenth of each, when buffers and histories are full, and after the rest. `--rounds 3` does it all
three times in one container, `--stages updates` only these.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integration.chaos.invariants import resident
from integration.chaos.programs import COMMON
from integration.container import Container

ORPHANS = "while :; do (sleep 0 &); (sleep 0 &); (sleep 0 &); (sleep 0 &); done"
PROGRAMS = {
    "restarted": COMMON | {"command": ["sh", "-c", "exit 1"], "restart_delay": {"initial": "10ms", "max": "30ms"}},
    "orphans": COMMON | {"command": ["sh", "-c", ORPHANS], "autostart": False},
    "talking": COMMON | {"command": ["yes", "0123456789abcdefghijklmnopqrstuvwxyz"], "autostart": False},
    "quiet": COMMON | {"command": ["sleep", "100000"]},
}
REQUEST = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"


class Soak:
    def __init__(self, folder: Path) -> None:
        self._table = table = folder / "supinit.yaml"
        self._settings = {"run_dir": str(folder / "run"), "log": {"level": "warning"}}
        self._write(PROGRAMS)
        null = os.open("/dev/null", os.O_WRONLY)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SUPINIT_")}
        self.container = Container(table, folder / "run", (), environment, True, stdout=null, stderr=os.dup(null))
        self.container.await_socket(30)

    def metric(self, name: str) -> float:
        _, text = self.container.request("GET", "/metrics")
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def until_metric(self, name: str, count: float) -> None:
        goal = self.metric(name) + count
        while self.metric(name) < goal:
            time.sleep(0.2)

    def run_while(self, program: str, act: Callable[[], None]) -> None:
        self.container.request("POST", f"/v1/programs/{program}/start", {"wait": False})
        act()
        self.container.request("POST", f"/v1/programs/{program}/stop")

    def restarts(self, count: float) -> None:
        self.run_while("restarted", lambda: self.until_metric('supinit_program_restarts_total{instance="1",', count))

    def orphans(self, count: float) -> None:
        self.run_while("orphans", lambda: self.until_metric("supinit_orphans_reaped_total", count))

    def output(self, size: float) -> None:
        self.run_while("talking", lambda: self.until_metric("supinit_program_log_bytes_total{", size))

    def calls(self, count: float) -> None:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(self.container.socket))
            for _ in range(int(count)):
                wire.sendall(REQUEST)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += wire.recv(65536)
                start = head.lower().index(b"content-length: ") + 16
                left = int(head[start : head.index(b"\r", start)]) - len(head.partition(b"\r\n\r\n")[2])
                while left > 0:
                    left -= len(wire.recv(65536))

    def deaf(self, size: float) -> None:
        """A follower of the log that never reads, while much is written."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(self.container.socket))
            wire.sendall(b"GET /v1/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            self.output(size)

    def updates(self, count: float) -> None:
        """Updates of a table of 100 programs, of which each replaces one process and changes one in place."""
        more = {f"more-{number}": COMMON | {"command": ["sleep", "100000"]} for number in range(100)}
        for number in range(int(count)):
            changed: tuple[dict[str, Any], ...] = (
                {"environment": {"NUMBER": str(number)}},
                {"stop_grace_period": f"{number % 9 + 1}s"},
            )
            for name, keys in zip(("more-0", "more-1"), changed, strict=True):
                more[name] = more[name] | keys
            self._update(PROGRAMS | more)
        self._update(PROGRAMS)

    def _update(self, programs: dict[str, Any]) -> None:
        self._write(programs)
        code, answer = self.container.request("POST", "/v1/update", {"timeout": "60s"})
        assert code == 200, answer

    def _write(self, programs: dict[str, Any]) -> None:
        draft = self._table.with_suffix(".draft")
        draft.write_text(json.dumps({"supervisor": self._settings, "programs": programs}))
        draft.rename(self._table)

    def measured(self) -> tuple[int, int, float]:
        """Return KiB, descriptors and CPU milliseconds of a second in which nothing happens."""
        time.sleep(0.5)
        before = self._cpu()
        time.sleep(1)
        descriptors = len(os.listdir(f"/proc/{self.container.init}/fd"))
        return resident(self.container.init), descriptors, (self._cpu() - before) * 1000 / os.sysconf("SC_CLK_TCK")

    def _cpu(self) -> int:
        return sum(map(int, Path(f"/proc/{self.container.init}/stat").read_text().rpartition(")")[2].split()[11:13]))


STAGES = {"restarts": 10_000, "orphans": 100_000, "output": 10e9, "calls": 100_000, "deaf": 1e9, "updates": 1000}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m integration.chaos.soak", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="supinit-soak-"))
    soak = Soak(folder)
    try:
        soak.container.request("POST", "/v1/programs/restarted/stop")
        for stage in options.stages * options.rounds:
            act, amount = getattr(soak, stage), STAGES[stage]
            act(amount * options.share * 0.1)
            before, began = soak.measured(), time.monotonic()
            act(amount * options.share * 0.9)
            took = time.monotonic() - began
            after = soak.measured()
            print(
                f"{stage}: {amount * options.share:g} in {took:.0f} s: memory {before[0]} → {after[0]} KiB, "
                f"descriptors {before[1]} → {after[1]}, CPU of an idle second {before[2]:.0f} → {after[2]:.0f} ms",
                flush=True,
            )
    finally:
        soak.container.destroy()
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
