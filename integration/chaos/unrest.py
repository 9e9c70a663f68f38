"""What happens to the container: signals to its processes, and clients that all want something else."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from integration.chaos.programs import Programs, vary
from integration.container import Container
from integration.processes import alive_in_namespace, children_of

CLIENTS = 4
FINE = (200, 202, 404, 409, 504)
"""Answers that a client has to expect: done, begun, no such program in the table any more, not now, not in time."""


class Unrest:
    """The threads that disturb a container between `begin` and `end`. `answers` counts what clients were told."""

    def __init__(self, container: Container, table: Path, programs: Programs, seed: int) -> None:
        self.container = container
        self.programs = programs
        self.answers: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._table = table
        self._settings = json.loads(table.read_text())["supervisor"]
        self._chances = [random.Random(seed * 1000 + number) for number in range(CLIENTS + 1)]
        self._stopped: dict[int, float] = {}
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._writing = threading.Lock()

    def begin(self) -> None:
        self._over.clear()
        works = [self._attack] + [self._ask] * CLIENTS
        self._threads = [
            threading.Thread(target=self._repeat, args=(work, chance), daemon=True)
            for work, chance in zip(works, self._chances, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop disturbing, and let every process that was stopped continue."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client still waits for its answer"
        self._continue(after=0)

    def _repeat(self, work: object, chance: random.Random) -> None:
        while not self._over.wait(chance.uniform(0, 0.3)):
            try:
                work(chance)  # type: ignore[operator]  # one of the two methods
            except Exception as error:
                self.wrong.append(f"a client failed: {error!r}")
                return

    # ---- signals

    def _attack(self, chance: random.Random) -> None:
        for _ in range(3):
            self._signal_one(chance)
        self._continue(after=chance.uniform(0.2, 2))

    def _signal_one(self, chance: random.Random) -> None:
        number = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP))
        if chance.random() < 0.5:
            victims = children_of(self.container.init)
        else:
            victims = [pid for pid in self._inhabitants() if pid != self.container.init]
        if not victims:
            return
        victim = chance.choice(victims)
        if self._send(victim, number):
            self.done[number.name] += 1
        if number == signal.SIGSTOP:
            self._stopped[victim] = time.monotonic()

    def _continue(self, after: float) -> None:
        now = time.monotonic()
        for pid, since in list(self._stopped.items()):
            if now - since >= after:
                self._send(pid, signal.SIGCONT)
                del self._stopped[pid]

    def stop_some(self, chance: random.Random, count: int) -> None:
        """Leave some processes stopped."""
        victims = children_of(self.container.init)
        for pid in chance.sample(victims, min(count, len(victims))):
            self._send(pid, signal.SIGSTOP)

    def _send(self, pid: int, number: int) -> bool:
        """Signal a process of the container, and nothing else if its number is another process's by now."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if pid in self._inhabitants():
                signal.pidfd_send_signal(descriptor, number)
                return True
            return False
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def _inhabitants(self) -> list[int]:
        return alive_in_namespace(self.container.namespace or "")

    # ---- clients

    def _ask(self, chance: random.Random) -> None:
        action = chance.choices(
            ("restart", "stop", "start", "signal", "scale", "update", "status", "tree", "metrics", "logs"),
            (6, 3, 6, 2, 1, 2, 3, 1, 1, 1),
        )[0]
        if action == "update":
            self._update(chance)
        elif action in ("status", "tree", "logs"):
            self._request("GET", f"/v1/{action}")
        elif action == "metrics":
            self._request("GET", "/metrics")
        else:
            is_one = action in ("signal", "scale")
            names = chance.sample(sorted(self.programs), 1 if is_one else chance.randint(1, 4))
            body: dict[str, object] = {"wait": chance.random() < 0.3, "timeout": "3s"}
            if action == "restart" and chance.random() < 0.3:
                body["rolling"] = True
            elif action == "scale":
                body["instances"] = chance.randint(0, 4)
            elif action == "signal":
                body = {"signal": chance.choice(("SIGUSR1", "SIGCONT", "SIGHUP"))}
            self._request("POST", f"/v1/programs/{','.join(names)}/{action}", body)

    def _update(self, chance: random.Random) -> None:
        self.write(vary(self.programs, chance))
        self._request("POST", "/v1/update", {"wait": chance.random() < 0.3, "timeout": "3s"})

    def write(self, programs: Programs) -> None:
        """Replace the table as a configuration tool does: whole, by a rename."""
        with self._writing:
            draft = self._table.with_suffix(".draft")
            draft.write_text(json.dumps({"supervisor": self._settings, "programs": programs}))
            draft.rename(self._table)

    def _request(self, method: str, path: str, body: object = None) -> None:
        action = path.rpartition("/")[2]
        status, answer = self.container._ask(method, path, body)
        self.answers[f"{action} {status}"] += 1
        if status not in FINE:
            self.wrong.append(f"{method} {path} was answered with {status}: {str(answer)[:300]}")
