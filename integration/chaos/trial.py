"""One chaos run, from the first program to the exit code."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.chaos.invariants import DOWN, Watch, load
from integration.chaos.programs import Programs, make_programs
from integration.chaos.unrest import Unrest
from integration.container import Container
from integration.processes import children_of
from integration.waiting import NeverCame, sleep_until

SETTLE = 30.0
"""Seconds within which everything is up again once nobody disturbs it."""
GROWTH = 2048
"""KiB that PID 1 may grow by after the warm-up."""
WARM_UP = 0.3
"""The share of the time after which memory is measured for the first time."""
WARM = 60.0
"""Seconds after which every buffer, tail and history is full. A shorter warm-up allows four times as much."""


@dataclass
class Report:
    """What a run has found. `broken` is empty if every invariant held."""

    seed: int
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}", *(f"{name}: {value}" for name, value in self.figures.items())]
        return "\n".join([*lines, *(f"BROKEN: {sentence}" for sentence in self.broken)])


class Trial:
    """A container under test in a folder of its own."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.report = Report(seed)
        self.folder = folder
        self.programs: Programs = make_programs(seed, folder)
        self.table = folder / "supinit.yaml"
        run_dir = folder / "run"
        settings = {"run_dir": str(run_dir), "log": {"format": "json", "level": "info"}}
        self.table.write_text(json.dumps({"supervisor": settings, "programs": self.programs}))
        self.log = folder / "supinit.log"
        read_end, write_end = os.pipe()
        self._drain = threading.Thread(target=_read_all, args=(read_end,), daemon=True)
        self._drain.start()
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SUPINIT_")}
        self.container = Container(self.table, run_dir, (), environment, True, stdout=write_end, stderr=log)
        self.watch = Watch(self.container)
        self.unrest = Unrest(self.container, self.table, self.programs, seed)

    def run(self, seconds: float) -> Report:
        """Disturb it for so long, settle, and stop it. Leaves nothing behind."""
        try:
            self.container.await_socket(60)
            self.settle("at the start")
            self.watch.begin()
            self._disturb(seconds * WARM_UP)
            before = self.watch.memory(), self.watch.descriptors()
            self._disturb(seconds * (1 - WARM_UP))
            after = self.watch.memory(), self.watch.descriptors()
            self.watch.end()
            self._note(seconds, before, after)
            self._shut_down()
        except (AssertionError, OSError) as error:
            self.report.broken.append(f"{error}\n{self.log.read_text()[-3000:]}")
        finally:
            self.watch.end()
            self.container.destroy()
            self._drain.join(20)
        self.report.broken += self.watch.broken + self.unrest.wrong
        return self.report

    def _disturb(self, seconds: float) -> None:
        self.unrest.begin()
        time.sleep(seconds)
        self.unrest.end()
        self.settle("after the unrest")

    def settle(self, when: str) -> None:
        """Go back to the first table, start everything, and wait until everything is up: nothing is forgotten."""
        self.unrest.write(self.programs)
        self.container.request("POST", "/v1/update", {"wait": False})  # a dependency may be stopped
        sleep_until(self._has_first_table, SETTLE * (1 + load()), f"{when}: the first table is back")
        sleep_until(lambda: not self._is_rolling(), SETTLE * (1 + load()), f"{when}: no instance is being replaced")
        for name, program in self.programs.items():
            if "schedule" not in program:
                self.container.request("POST", f"/v1/programs/{name}/scale", self._first_scale(program))
        sleep_until(self._has_first_scale, SETTLE * (1 + load()), f"{when}: the first scale is back")
        code, answer = self.container.request("POST", "/v1/programs/all/start", {"wait": False})
        if code != 202:
            raise AssertionError(f"{when}, a start was answered with {code}: {answer}")
        try:
            sleep_until(lambda: not self._missing(), SETTLE * (1 + load()), "everything is up")
        except NeverCame:
            raise AssertionError(f"{when}, not up within {SETTLE:g} s: {self._missing()}") from None

    def _first_scale(self, program: dict[str, Any]) -> dict[str, Any]:
        return {"instances": program.get("scale", 1), "wait": False}

    def _has_first_table(self) -> bool:
        _, plan = self.container.request("GET", "/v1/plan")
        return {entry["name"] for entry in plan["programs"]} == set(self.programs)

    def _has_first_scale(self) -> bool:
        wanted = {(n, i) for n, p in self.programs.items() for i in range(1, p.get("scale", 1) + 1)}
        _, status = self.container.request("GET", "/v1/status")
        return {(entry["name"], entry["instance"]) for entry in status["programs"]} == wanted

    def _is_rolling(self) -> bool:
        """Whether a rolling restart or update is under way, during which no other command is taken."""
        _, status = self.container.request("GET", "/v1/status")
        return any((entry["rolling"] or {}).get("state") == "running" for entry in status["programs"])

    def _missing(self) -> list[str]:
        """Return what is not up. A program that crashes all the time is fine while it is tried again."""
        _, status = self.container.request("GET", "/v1/status")
        return [
            f"{entry['name']}:{entry['instance']} is {entry['state']} ({entry['reason']})"
            for entry in status["programs"]
            if not self._is_fine(entry["name"], entry["state"])
        ]

    def _is_fine(self, name: str, state: str) -> bool:
        if name.startswith("crashing"):
            return state in ("STARTING", "RUNNING", "BACKOFF", "PENDING", "STOPPING")
        if "schedule" in self.programs[name]:
            return state not in ("FATAL", "STOPPED")
        return state == ("EXITED" if self.programs[name].get("type") == "oneshot" else "RUNNING")

    def _shut_down(self) -> None:
        """SIGTERM while some processes are stopped: exit 0, dependants first, and nothing is left."""
        self.unrest.stop_some(random.Random(self.report.seed), 10)
        alive = self._alive()
        asked_at = len(self.log.read_bytes())
        began = self.container.signal(signal.SIGTERM)
        code = self.container.end(60 * (1 + load()))
        self.report.figures["shutdown"] = f"{time.monotonic() - began:.2f} s, exit code {code}"
        if code != 0:
            self.report.broken.append(f"the exit code is {code}")
        if left := self.container.left_in_namespace():
            self.report.broken.append(f"processes are left: {left}")
        self.report.broken += self._order_of_stops(self.log.read_bytes()[asked_at:], alive)
        text = self.log.read_text()
        self.report.broken += ["the log has a traceback"] if "Traceback" in text else []

    def _alive(self) -> set[str]:
        _, status = self.container.request("GET", "/v1/status")
        return {entry["name"] for entry in status["programs"] if entry["state"] not in DOWN and entry["pid"]}

    def _order_of_stops(self, log: bytes, alive: set[str]) -> list[str]:
        """Return which programs were told to stop before a program that depends on them had exited."""
        begun: dict[str, int] = {}
        exited: dict[str, int] = {}
        for number, line in enumerate(log.splitlines()):
            entry = json.loads(line) if line.startswith(b"{") else {"event": "a line of a program"}
            if entry["event"] == "program.stop_begun":
                begun.setdefault(entry["name"].partition(":")[0], number)
            elif entry["event"] == "program.exited":
                exited[entry["name"].partition(":")[0]] = number
        return [
            f"{needed} was told to stop before {name} had exited"
            for name, program in self.programs.items()
            for needed in program.get("depends_on", ())
            if name in alive and needed in begun and begun[needed] < exited.get(name, 0)
        ]

    def _note(self, seconds: float, before: tuple[int, int], after: tuple[int, int]) -> None:
        _, metrics = self.container.request("GET", "/metrics")
        growth, descriptors = after[0] - before[0], after[1] - before[1]
        internal = [line for line in metrics.splitlines() if line.startswith("supinit_internal_errors_total{")]
        starts = sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if "_starts_total{" in line)
        orphans = [
            line.rpartition(" ")[2] for line in metrics.splitlines() if line.startswith("supinit_orphans_reaped")
        ]
        self.report.figures |= {
            "unrest": f"{seconds:g} s, {sum(self.unrest.done.values())} signals {dict(self.unrest.done)}",
            "requests": f"{sum(self.unrest.answers.values())} {dict(sorted(self.unrest.answers.items()))}",
            "programs": f"{len(self.programs)}, {len(children_of(self.container.init))} children of PID 1, "
            f"at most {self.watch.most_processes} processes, {starts:.0f} starts, {orphans[0]} orphans reaped",
            "looks": self.watch.looks,
            "oldest zombie": f"{self.watch.oldest_zombie * 1000:.0f} ms",
            "memory": f"{before[0]} KiB after the warm-up, {after[0]} KiB at the end",
            "memory all along": " ".join(
                map(str, self.watch.memory_by_time[:: len(self.watch.memory_by_time) // 20 + 1])
            ),
            "descriptors": f"{before[1]} after the warm-up, {after[1]} at the end",
        }
        if internal:
            self.report.broken.append(f"internal errors: {internal}")
        if growth > GROWTH * (1 if seconds * WARM_UP >= WARM else 4):
            self.report.broken.append(f"PID 1 has grown by {growth} KiB")
        if descriptors > 20:
            self.report.broken.append(f"PID 1 has {descriptors} descriptors more than after the warm-up")


def _read_all(descriptor: int) -> None:
    with open(descriptor, "rb", buffering=0) as file:
        while file.read(1 << 16):
            pass
