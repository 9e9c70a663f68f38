"""Start the processes of programs with everything they get, and decide whether a oneshot with `once` runs at all."""

from __future__ import annotations

import os
import time
from functools import cached_property
from signal import SIGKILL

from supervisor.core.events import BecameReady, Event, Spawned, SpawnFailed, SpawnHeld, SpawnSkipped, StartFailed
from supervisor.core.life import Exited
from supervisor.core.program import Readiness
from supervisor.core.record import assert_never, replace
from supervisor.errors import ExecutableBusy, SpawnError, StartError
from supervisor.logs.new_pipes import close_all
from supervisor.process.children import Main
from supervisor.process.descriptors import shortage
from supervisor.process.environment import fingerprint, make_environment, marks_of, notify_variables
from supervisor.process.executable import cannot_start
from supervisor.process.spawn import Launch
from supervisor.process.variables import IDENTITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from supervisor.core.container import Change
    from supervisor.core.hook import Hook
    from supervisor.core.once import Once
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program
    from supervisor.health.notices import Notices
    from supervisor.logs.pump import Pump
    from supervisor.opening import Opened
    from supervisor.process.children import Children
    from supervisor.process.handover import Handover
    from supervisor.process.once import Claims
    from supervisor.process.sockets import Failure, Sockets

BUSY_LIMIT = 20
"""Starts in a row that are put off because the executable is open for writing. One more is a failed start."""
BUSY_PAUSE = 0.1
"""Seconds between them."""
TOKEN = "SUPINIT_ONCE_TOKEN"
"""The variable with the fencing token of a run: a greater number for each run that the store lets begin."""
LOOK_AGAIN = 0.5
"""Seconds until a start that is held back is tried again, such as a oneshot that another container is running."""


class Launcher:
    """Starts processes for one container. `identity` tells them from those of any other supinit (groundwork.py)."""

    def __init__(
        self,
        plan: Plan,
        children: Children,
        pump: Pump,
        notices: Notices,
        own_environment: Mapping[str, str],
        identity: str,
    ) -> None:
        self.plan = plan
        """An update replaces it; processes keep what they were started with."""
        self.identity = identity
        self._children = children
        self._pump = pump
        self._notices = notices
        self._own_environment = own_environment
        self._busy: dict[InstanceId, int] = {}
        """How often in a row the start of an instance has been put off because its executable was being written."""
        self._fingerprints: dict[InstanceId, dict[str, int]] = {}
        """For each instance with env_file or secret files: what they held when it was started."""
        self._terminal: Handover | None = None
        """The terminal of the main program, once one was started with a terminal."""
        self.sockets: Sockets | None = None
        """The sockets that are kept for programs, where the table has some."""
        self.leases: dict[InstanceId, tuple[int, int]] = {}
        """With `once.store`: the pipe that shows its helper whether the run lives, and the lease's fencing token."""
        self.nofile: int | None = None
        """The soft RLIMIT_NOFILE of the processes; None: supinit's own."""
        self.opened: dict[InstanceId, Opened] = {}
        """What an opening has started, and the core has not ordered yet."""

    @cached_property
    def _claims(self) -> Claims:
        """Loaded for the first oneshot that has `once`."""
        from supervisor.process.once import Claims

        return Claims()

    def bind_sockets(self, programs: Iterable[Program]) -> tuple[Failure, ...]:
        """Bind the sockets of programs that are not bound yet: all of them, or none if one fails.

        A socket may be in a runtime directory. Raises StartError for one that cannot be made.
        """
        programs = [program for program in programs if program.sockets]
        for program in programs:
            try:
                _make_directories(program)
            except SpawnError as error:
                raise StartError(f"programs.{program.name}.runtime_directory: {error}") from None
        return self._keeper.bind(programs) if programs else ()

    @property
    def _keeper(self) -> Sockets:
        if self.sockets is None:
            from supervisor.process.sockets import Sockets

            self.sockets = Sockets(self._pump.report)
        return self.sockets

    def marks_of(self, instance: InstanceId) -> frozenset[bytes]:
        """Return the marks that identify the processes of an instance: their variables, and the pipes they write to."""
        return marks_of(instance, self.identity) | self._pump.marks_of(instance)

    def launch_for(self, instance: InstanceId) -> Launch:
        """Return the launch of a process in the context of an instance, without output. Raises SpawnError."""
        return self._launch(self.plan.program_of(instance), instance)

    def _launch(self, program: Program, instance: InstanceId) -> Launch:
        null = self._pump.null
        return Launch(
            command=program.command,
            environment=make_environment(program, instance, self.identity, self._own_environment),
            stdin=null,
            stdout=null,
            stderr=null,
            working_dir=program.working_dir,
            umask=program.umask,
            credentials=program.credentials,
            ulimits=program.ulimits,
            nice=program.nice,
            oom_score_adj=program.oom_score_adj,
            cap_add=program.cap_add,
            cap_drop=program.cap_drop,
            no_new_privileges=program.no_new_privileges,
            nofile=self.nofile,
        )

    def launch_helper(
        self, command: tuple[str, ...], stdin: int, output: int, extra: tuple[tuple[int, int], ...]
    ) -> Launch:
        """Return the launch of a process that belongs to supinit itself, with supinit's own environment."""
        environment = {**self._own_environment, IDENTITY: self.identity}
        return Launch(command, environment, stdin, output, output, extra, nofile=self.nofile)

    def launch_hook(
        self, instance: InstanceId, hook: Hook, variables: Mapping[str, str]
    ) -> tuple[Launch, tuple[int, ...]]:
        """Return what a hook is started with, and the descriptors to close then. Raises SpawnError or OSError."""
        program = self.plan.program_of(instance)
        _make_directories(program)
        program = replace(
            program,
            command=hook.command,
            credentials=hook.credentials or program.credentials,
            environment=(*program.environment, *hook.environment),
            working_dir=hook.working_dir or program.working_dir,
            ready=Readiness(),
        )
        launch = self._launch(program, instance)
        outlet = self._pump.open(program, instance)
        launch = replace(launch, environment={**launch.environment, **variables})
        return replace(launch, stdout=outlet.stdout, stderr=outlet.stderr), outlet.ours

    def start(self, instance: InstanceId, generation: int, hear: Callable[[Event], None]) -> Event:
        """Start the main process of an instance and return the result as an event.

        `hear` is called later, with what the output of the process says about the start.
        """
        program = self.plan.program_of(instance)
        if instance in self.opened:
            return self._take_over(program, instance, generation, hear)
        if self._pump.is_clogged(instance):
            return SpawnHeld(
                generation, time.monotonic() + LOOK_AGAIN, "its output is not being read, and the buffer is full"
            )
        if (lack := shortage()) is not None:
            return SpawnHeld(generation, time.monotonic() + LOOK_AGAIN, lack)
        try:
            by_lock = program.once is not None and program.once.store is None
            held = self._claim(instance, generation, program.once) if program.once is not None and by_lock else None
            started = held or _spawned(program, generation, self._spawn(program, instance, generation, hear))
            self._busy.pop(instance, None)
            return started
        except ExecutableBusy as error:
            self._busy[instance] = self._busy.get(instance, 0) + 1
            if self._busy[instance] <= BUSY_LIMIT:
                return SpawnHeld(generation, time.monotonic() + BUSY_PAUSE, str(error))
            del self._busy[instance]
            return SpawnFailed(generation, str(error), error.code, chance())
        except SpawnError as error:
            return SpawnFailed(generation, str(error), error.code, chance())
        except OSError as error:
            return SpawnFailed(generation, str(cannot_start(error)), None, chance())
        except MemoryError:
            return SpawnFailed(generation, "cannot be started: out of memory", None, chance())

    def _take_over(
        self, program: Program, instance: InstanceId, generation: int, hear: Callable[[Event], None]
    ) -> Event:
        """Make a process that an opening has started the main process of its instance."""
        opened = self.opened.pop(instance)
        try:
            self._pump.connect(program, instance, opened.pipes, _reporter(generation, hear))
        except OSError as error:
            os.killpg(opened.pid, SIGKILL)  # nobody would read what it writes; it is reaped as an orphan
            return SpawnFailed(generation, str(cannot_start(error)), None, chance())
        self._children.adopt(Main(instance, generation), opened.pid)
        return _spawned(program, generation, opened.pid)

    def end_opened(self) -> None:
        """End what an opening has started and the core does not order any more: the container is ending already.

        Nobody would read their output. They are reaped as orphans, and what they have started is swept.
        """
        while self.opened:
            _, opened = self.opened.popitem()
            close_all(opened.pipes)
            os.killpg(opened.pid, SIGKILL)

    def stale_files(self, plan: Plan) -> dict[str, tuple[str, ...]]:
        """Return, by program, the keys that name a file whose content has changed since the program was started.

        It may run in a thread: it changes nothing.
        """
        stale: dict[str, tuple[str, ...]] = {}
        for instance, before in tuple(self._fingerprints.items()):
            program, current = plan.find(instance), self.plan.programs.get(instance[0])
            is_gone = current is not None and instance not in current.everyone  # it runs in its other lane now
            if program is not None and not is_gone and instance[0] not in stale:
                now = fingerprint(program)
                keys = tuple(key for key, number in before.items() if now.get(key, number) != number)
                if keys:
                    stale[instance[0]] = keys
        return stale

    def has_terminal(self, pid: int) -> bool:
        """Whether a main process has the container's terminal."""
        return self._terminal is not None and self._terminal.holder == pid

    def take_terminal_back(self) -> None:
        """Take the terminal back from the main program."""
        if self._terminal is not None:
            self._terminal.take_back()
            self._pump.share_terminal(False)

    def share_stop(self) -> None:
        """If the main program was stopped from the terminal, stop supinit too until it continues."""
        if self._terminal is not None:
            self._terminal.share_stop()

    def note(self, change: Change, once: Once | None) -> str | None:
        """Record a completed oneshot, or release its claim. Returns the error as a sentence, if there is one."""
        if once is None or once.store is not None or change.after.is_alive:
            return None
        phase = change.after.phase
        if not isinstance(phase, Exited) or isinstance(change.before.phase, Exited) or phase.reason is not None:
            self._claims.release(change.instance)
            return None
        try:
            self._claims.record(change.instance, once)
        except OSError as error:
            return f"cannot record in {once.place} that it is done: {error.strerror}; it will be run again"
        return None

    def _claim(self, instance: InstanceId, generation: int, once: Once) -> Event | None:
        """Return the event that keeps a oneshot from running now, or None if it may run."""
        from supervisor.core.once import cannot_use
        from supervisor.process.once import Busy, Granted, Skipped

        try:
            outcome = self._claims.claim(instance, once)
        except OSError as error:
            raise SpawnError(cannot_use(once.place, error.strerror or str(error)), None) from None
        match outcome:
            case Granted():
                return None
            case Skipped(reason=reason):
                return SpawnSkipped(generation, reason)
            case Busy():
                return SpawnHeld(generation, time.monotonic() + LOOK_AGAIN)
            case _:
                assert_never(outcome)

    def _spawn(self, program: Program, instance: InstanceId, generation: int, hear: Callable[[Event], None]) -> int:
        _make_directories(program)
        if program.clear_before_start:
            from supervisor.process.before_start import clear

            clear(program)
        if (path := pid_file_of(program)) is not None:
            from supervisor.process.pid_files import forget_pid

            forget_pid(path)
        self._fingerprints.pop(instance, None)
        if files := fingerprint(program):  # first: a change meanwhile is seen at the next update
            self._fingerprints[instance] = files
        launch = self.launch_for(instance)
        ours: list[int] = []
        try:
            if program.sockets:
                launch = self._with_sockets(launch, program)
            launch = self._with_notify(launch, program, instance, generation, ours)
            if program.once is not None:
                launch = self._with_claim(launch, instance)
            outlet = self._pump.open(program, instance, _reporter(generation, hear))
            ours += outlet.ours
            launch = replace(launch, stdout=outlet.stdout, stderr=outlet.stderr)
            if program.is_main:
                return self._spawn_main(replace(launch, stdin=0), Main(instance, generation))
            return self._children.spawn(Main(instance, generation), launch)
        finally:
            for descriptor in ours:
                os.close(descriptor)

    def _spawn_main(self, launch: Launch, owner: Main) -> int:
        """Start the main program, with the terminal if there is one."""
        from supervisor.process.handover import find_terminal

        self._terminal = self._terminal or find_terminal()
        self._pump.share_terminal(self._terminal is not None)
        try:
            return self._children.spawn(owner, replace(launch, terminal=self._terminal))
        except (SpawnError, OSError):
            self.take_terminal_back()
            raise

    def _with_notify(
        self, launch: Launch, program: Program, instance: InstanceId, generation: int, ours: list[int]
    ) -> Launch:
        """Add the descriptor or the socket through which the program reports that it is ready."""
        notify = program.ready.notify
        if isinstance(notify, int):
            write_end = self._notices.open_pipe(instance, generation)
            ours.append(write_end)
            launch = replace(launch, extra=(*launch.extra, (write_end, notify)))
        if notify == "systemd" or program.watchdog is not None:
            socket = self._notices.open_private_socket(instance, program.credentials)
            launch = replace(launch, environment={**launch.environment, **notify_variables(program, socket)})
        return launch

    def _with_sockets(self, launch: Launch, program: Program) -> Launch:
        """Add the sockets, and the variables that tell the main process about them. Raises SpawnError."""
        from supervisor.process.sockets import PID_VARIABLE, variables_of

        self._keeper.hold(program)
        environment = {**launch.environment, **variables_of(program)}
        return replace(launch, environment=environment, extra=self._keeper.pairs(program), pid_variable=PID_VARIABLE)

    def _with_claim(self, launch: Launch, instance: InstanceId) -> Launch:
        """Pass the lock of a oneshot on to it, or the pipe of its lease: held as long as supinit or the oneshot lives.

        Its descriptor gets a number that no other descriptor has.
        """
        if (lease := self.leases.get(instance)) is not None:
            lock: int | None = lease[0]
            launch = replace(launch, environment={**launch.environment, TOKEN: str(lease[1])})
        else:
            lock = self._claims.lock_of(instance)
        if lock is None:
            return launch
        taken = {number for _, number in launch.extra}
        number = next(number for number in range(3, 4 + len(taken)) if number not in taken)
        return replace(launch, extra=(*launch.extra, (lock, number)))


def _spawned(program: Program, generation: int, pid: int) -> Spawned:
    has_age = program.restart_when is not None and program.restart_when.age is not None
    return Spawned(generation, pid, chance() if has_age else 0.0)


def _reporter(generation: int, hear: Callable[[Event], None]) -> Callable[[bool, str], None]:
    """Return what takes the first line that matches a readiness pattern (Pump.open)."""

    def report(is_good: bool, line: str) -> None:
        hear(BecameReady(generation) if is_good else StartFailed(generation, f"said: {line}"))

    return report


def pid_file_of(program: Program) -> str | None:
    """Return the path of the pid file, if the program has one."""
    return None if program.pid_file is None else os.path.join(program.working_dir or "", program.pid_file)


def _make_directories(program: Program) -> None:
    """Make the runtime directories of a program, if it has any. Raises SpawnError."""
    if program.runtime_directory:
        from supervisor.process.before_start import make_directories

        make_directories(program)


def chance() -> float:
    """Return a random number in [0, 1) without importing `random`."""
    return os.urandom(1)[0] / 256
