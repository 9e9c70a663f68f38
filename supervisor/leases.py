"""The helpers of oneshots with `once.store`: one process for each run, which alone talks to the database.

Rule 1: PID 1 exchanges short lines with it through pipes that never block. PID 1 never waits for the database, and
        ignores messages of a helper about another run.
Rule 2: a helper lives as long as its lease is needed. Then supinit closes its stdin, and it gives the lease back. The
        run holds a pipe, too, so that a helper whose supinit was killed keeps the lease while the run lives.
Rule 3: passwords reach a helper through its stdin, so that no command line and no environment shows them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import partial

from supervisor.core.events import LeaseAwaited, LeaseEnded, LeaseHeld, SpawnSkipped
from supervisor.core.life import Claiming, Running, Spawning, Starting, Stopping, Sweeping
from supervisor.core.once import cannot_use
from supervisor.core.program import SecretFile
from supervisor.core.signals import end_sentence
from supervisor.core.tree import Owner, OwnerKind
from supervisor.errors import SpawnError
from supervisor.launcher import chance
from supervisor.process.children import NO_MARKS
from supervisor.process.executable import cannot_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from supervisor.core.actions import Claim, TellStore
    from supervisor.core.events import Event
    from supervisor.core.life import Life
    from supervisor.core.once import Once
    from supervisor.core.program import InstanceId
    from supervisor.engine import Engine
    from supervisor.process.children import Death

COMMAND = ("-P", "-m", "supervisor.store.helper")
MAX_TEXT = 64 * 1024
"""The most bytes that are kept of an unfinished line."""
PARTING_LIMIT = 10.0
"""Seconds that a helper has to give its lease back, until it is killed."""


class Leases:
    """The leases of one container."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop
        self._helpers: dict[InstanceId, _Helper] = {}

    def begin(self, instance: InstanceId, action: Claim) -> None:
        """Start the helper of a run that is about to begin."""
        program = self._engine.plan.programs.get(instance[0])
        if program is None or program.once is None:
            return
        helper = _Helper(self, self._engine, self._loop, instance, action.generation, program.once)
        try:
            helper.start()
        except Exception as error:
            reason = cannot_use(program.once.place, f"its helper {self._problem(error)}")
            self._engine.happen(instance, LeaseEnded(action.generation, reason, chance()))
            return
        self._helpers[instance] = helper

    def _problem(self, error: Exception) -> str:
        """Return what prevented the start of a helper, as a clause."""
        if isinstance(error, SpawnError):
            return str(error)
        if isinstance(error, OSError):
            return str(cannot_start(error))
        self._engine.faults.note("lease", error)
        return f"cannot be started: internal error: {error!r}"

    def tell(self, instance: InstanceId, action: TellStore) -> None:
        """Pass on how a run has ended."""
        helper = self._helpers.get(instance)
        if helper is None or helper.generation != action.generation:
            self._engine.happen(instance, LeaseEnded(action.generation))
            return
        helper.tell(action.succeeded)

    def catch_up(self) -> None:
        """Stop the helpers of leases that are not needed any more."""
        for instance, helper in list(self._helpers.items()):
            self._engine.faults.attempt("lease", self._look_after, instance, helper)

    def _look_after(self, instance: InstanceId, helper: _Helper) -> None:
        life = self._engine.fleet.lives.get(instance)
        if life is None or life.generation != helper.generation or not _needs_lease(life):
            del self._helpers[instance]
            helper.part()
        elif not isinstance(life.phase, Claiming | Spawning):
            helper.leave_pipe_to_run()


def _needs_lease(life: Life) -> bool:
    return isinstance(life.phase, Claiming | Spawning | Starting | Running | Stopping | Sweeping)


class _Helper:
    """One helper, and the owner of its process."""

    name = Owner(OwnerKind.SUPINIT)
    marks = NO_MARKS

    def __init__(
        self,
        leases: Leases,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        instance: InstanceId,
        generation: int,
        once: Once,
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._instance = instance
        self.generation = generation
        self._once = once
        self._pid: int | None = None
        self._commands = self._answers = self._of_run = -1
        self._text = b""
        self._last_words = ""
        self._is_to_record = False
        """Whether it was told to record a success, and has not answered yet."""
        self._has_ended = False

    def start(self) -> None:
        """Start the process. Raises SpawnError or OSError. After any error, nothing is left open."""
        opened: list[int] = []
        try:
            commands, self._commands = _pipe(opened)
            self._answers, answers = _pipe(opened)
            life_of_run, self._of_run = _pipe(opened)
            os.set_blocking(self._answers, False)
            os.set_blocking(self._commands, False)
            os.write(self._commands, _line(self._request()))
            launch = self._engine.launcher.launch_helper(
                (sys.executable, *COMMAND), commands, answers, ((life_of_run, 3),)
            )
            self._pid = self._engine.children.spawn(self, launch)
        except BaseException:
            for descriptor in opened:
                os.close(descriptor)
            raise
        for descriptor in (commands, answers, life_of_run):
            os.close(descriptor)
        self._loop.add_reader(self._answers, self._guard(self._hear))

    def _request(self) -> dict[str, object]:
        store = self._once.store
        assert store is not None
        is_file = isinstance(store.password, SecretFile)
        return {
            "program": self._instance[0],
            "key": self._once.key,
            "order": self._once.order,
            "namespace": self._once.namespace,
            "lease": self._once.lease,
            "host": os.uname().nodename,
            "url": store.url,
            "address": store.address,
            "password": None if is_file else store.password,
            "password_file": store.password.path if isinstance(store.password, SecretFile) else None,
        }

    # ---- messages from the helper

    def _guard(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: self._engine.faults.attempt("lease", callback)

    def _hear(self) -> None:
        """Read what it has written. If that fails, the lease is over, and nothing more is read."""
        try:
            self._read()
        except Exception as error:
            self._loop.remove_reader(self._answers)
            self._engine.faults.note("lease", error)
            reason = cannot_use(self._once.place, f"internal error: {error!r}")
            self._engine.happen(self._instance, self._ended(reason))

    def _read(self) -> None:
        """Read what it has written. At the end of the stream, `finish` reports how it has ended."""
        try:
            data = os.read(self._answers, MAX_TEXT)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._answers)
            return
        *lines, self._text = (self._text + data).split(b"\n")
        self._text = self._text[-MAX_TEXT:]
        for line in lines:
            for event in self._events_of(line):
                self._engine.happen(self._instance, event)

    def _events_of(self, line: bytes) -> Iterator[Event]:
        try:
            said: dict[str, Any] = json.loads(line)
            kind, value = str(said["is"]), said.get("value")
        except (ValueError, KeyError, TypeError, RecursionError):
            self._last_words = line.decode(errors="replace").strip() or self._last_words
            return
        match kind:
            case "awaited":
                yield LeaseAwaited(self.generation, str(value))
            case "skipped":
                yield SpawnSkipped(self.generation, str(value))
            case "held":
                if self._of_run >= 0:
                    self._engine.launcher.leases[self._instance] = self._of_run, int(said["token"])
                yield LeaseHeld(self.generation, float(said["until"]))
            case "recorded" | "released":
                self._is_to_record = self._is_to_record and kind != "recorded"
                yield self._ended("")
            case "unrecorded":
                self._note_unrecorded(str(value))
                yield self._ended("")
            case "ended":
                yield self._ended(str(value))

    def _ended(self, reason: str) -> LeaseEnded:
        self._has_ended = True
        return LeaseEnded(self.generation, reason, chance())

    def finish(self, death: Death) -> None:
        """Note the end of its process after the turn that has reaped it."""
        self._pid = None
        self._loop.call_soon(self._guard(partial(self._note_end, death)))

    def _note_end(self, death: Death) -> None:
        """End the lease, unless the helper has announced that itself."""
        if self._answers >= 0 and not self._has_ended:
            self._engine.faults.attempt("lease", self._read)
        if self._has_ended or self._answers < 0:
            return
        words = f": {self._last_words}" if self._last_words else ""
        sentence = f"its helper {end_sentence(death.code, death.signal)}{words}"
        self._engine.happen(self._instance, self._ended(cannot_use(self._once.place, sentence)))

    # ---- messages to the helper

    def tell(self, succeeded: bool) -> None:
        """Pass on how the run has ended."""
        self._is_to_record = succeeded
        try:
            os.write(self._commands, _line({"do": "record" if succeeded else "release"}))
        except OSError:
            self._engine.happen(self._instance, self._ended(""))

    def leave_pipe_to_run(self) -> None:
        """Close supinit's end of the pipe that shows whether the run lives."""
        if self._of_run >= 0:
            self._engine.launcher.leases.pop(self._instance, None)
            os.close(self._of_run)
            self._of_run = -1

    def part(self) -> None:
        """Close its stdin: it gives its lease back and exits."""
        if self._is_to_record:
            self._note_unrecorded("no answer in time")
        self.leave_pipe_to_run()
        self._has_ended = True
        self._loop.remove_reader(self._answers)
        for descriptor in (self._commands, self._answers):
            os.close(descriptor)
        self._commands = self._answers = -1
        if self._pid is not None:
            self._loop.call_later(PARTING_LIMIT, self._guard(self._kill))

    def _kill(self) -> None:
        if self._pid is not None:  # it is not reaped, so its number is still its own
            os.kill(self._pid, 9)

    def _note_unrecorded(self, problem: str) -> None:
        self._is_to_record = False
        reason = f"cannot record in {self._once.place} that it is done: {problem}; it will be run again"
        self._engine.journal.write("error", "program.record_failed", program=self._instance[0], reason=reason)


def _pipe(opened: list[int]) -> tuple[int, int]:
    ends = os.pipe2(os.O_CLOEXEC)
    opened += ends
    return ends


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
