"""The engine without its loop: the tests turn it by hand, so nothing here needs asyncio."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.actions import RunCommand, RunProbe
from supervisor.core.container import Asked, Fault, Over, ShutdownAsked
from supervisor.core.events import RestartRequested, StartRequested, StopRequested
from supervisor.core.life import (
    Backoff,
    Exited,
    Fatal,
    Life,
    Pending,
    Phase,
    Running,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.plan import make_plan
from supervisor.core.program import (
    CommandStep,
    Condition,
    Dependency,
    HealthCheck,
    LogMode,
    LogSettings,
    OwnLog,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    SecretFile,
    Settings,
    ShutdownOn,
    SignalStep,
    Table,
    TcpProbe,
    WriteStep,
)
from supervisor.core.snapshot import State
from supervisor.engine import Engine
from supervisor.health.markers import Markers
from supervisor.logs.journal import Journal
from supervisor.logs.pump import Pump
from supervisor.logs.sink import Sink
from supervisor.process.procfs import own_children

from .process.adoption import adopting as adopting
from .process.nursery import LIMIT, is_gone, open_descriptors, sleep_until

NEVER = Restart(RestartWhen.NEVER)
ALWAYS = Restart(RestartWhen.ALWAYS)
QUICK = RestartDelay(initial=0.01, max=0.02)
GRACE = SignalStep(signal.SIGTERM, LIMIT)

PYTHON = (sys.executable, "-I", "-S", "-c")
OBEDIENT = """
import os, signal, sys
def end(*_):
    os.write(1, f"stopped, marker {os.path.exists(sys.argv[1])}, healthy {os.path.exists(sys.argv[2])}\\n".encode())
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(1, b"up\\n")
while True:
    signal.pause()
"""
"""Says, at the moment it is asked to stop, whether the files that it is given are there."""


def program(name: str, *command: str, needs: tuple[str, ...] = (), **fields: Any) -> Program:
    defaults: dict[str, Any] = {
        "depends_on": tuple(Dependency(need) for need in needs),
        "min_uptime": 0.0,
        "restart": NEVER,
        "shutdown_on": ShutdownOn.NEVER,
        "stop": (GRACE,),
    }
    return Program(name, command or ("sleep", "1000"), **(defaults | fields))


class Container:
    """An engine, turned by hand; its programs' output goes to a file, its own to another."""

    def __init__(self, folder: Path, *programs: Program, **settings: Any) -> None:
        self.folder = folder
        self.run_dir = folder / "run"
        self.outputs = [os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("out", "log")]
        self.pump = Pump(*(Sink(descriptor) for descriptor in self.outputs))
        self.markers = Markers(str(self.run_dir))
        self.markers.prepare()
        own_log = OwnLog(level="debug")
        self.journal = Journal(own_log, self.pump.sinks[1])
        self.journal.open()
        plan = make_plan(Table(Settings(run_dir=str(self.run_dir), log=own_log, **settings), programs))
        self.engine = Engine(plan, self.pump, self.markers, self.journal, os.environ)

    # ---- turning it

    def begin(self) -> Container:
        self.engine.begin()
        return self

    def turn(self) -> None:
        while self.engine.reap():
            pass
        self.pump.turn()
        deadline = self.engine.next_deadline
        if deadline is not None and time.monotonic() >= deadline:
            self.engine.pass_time()

    def run_until(self, condition: Callable[[], object]) -> None:
        def is_met() -> bool:
            self.turn()
            return bool(condition())

        sleep_until(is_met)

    def shut_down(self) -> None:
        self.engine.ask(ShutdownAsked("the test asked"))
        self.run_until(lambda: self.engine.is_over)

    def close(self) -> None:
        self.markers._release()
        self.pump._epoll.close()
        for descriptor in (self.pump.null, *self.outputs):
            os.close(descriptor)

    # ---- looking at it

    def life(self, name: str, number: int = 1) -> Life:
        return self.engine.fleet.lives[name, number]

    def phase(self, name: str, number: int = 1) -> Phase:
        return self.life(name, number).phase

    def pid(self, name: str, number: int = 1) -> int:
        run = self.life(name, number).run
        assert run is not None
        return run.pid

    def states(self) -> dict[str, State]:
        return {name: view.state for (name, _), view in self.engine.snapshot.instances.items()}

    @property
    def output(self) -> list[str]:
        return (self.folder / "out").read_text().splitlines()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def heard(self, line: str) -> bool:
        return line in self.output

    def marker_paths(self, name: str) -> tuple[str, str]:
        return str(self.run_dir / "health" / name), str(self.run_dir / "healthy")

    def obedient(self, name: str, needs: tuple[str, ...] = (), **fields: Any) -> Program:
        return program(name, *PYTHON, OBEDIENT, *self.marker_paths(name), needs=needs, **fields)


@pytest.fixture
def contain(tmp_path: Path, adopting: None) -> Iterator[Callable[..., Container]]:
    containers: list[Container] = []

    def contain(*programs: Program, **settings: Any) -> Container:
        containers.append(Container(tmp_path, *programs, **settings))
        return containers[-1]

    yield contain
    for container in containers:
        container.close()


Contain = Callable[..., Container]


def is_running(container: Container, *names: str) -> bool:
    return all(isinstance(container.phase(name), Running) for name in names)


# ---- starting


def test_begin_spawns_everything_that_waits_for_nothing_before_it_returns(contain: Contain) -> None:
    container = contain(
        program("a"), program("b"), program("c", needs=("a",), depends_on=(Dependency("a", Condition.HEALTHY),))
    )
    container.begin()
    assert sorted(own_children()) == sorted(container.pid(name) for name in ("a", "b", "c"))
    assert len(set(own_children())) == 3
    container.shut_down()


def test_what_depends_on_something_that_is_not_up_is_not_spawned(contain: Contain) -> None:
    slow = program("slow", min_uptime=LIMIT)
    container = contain(slow, program("web", depends_on=(Dependency("slow", Condition.HEALTHY),))).begin()
    assert own_children() == [container.pid("slow")]
    phase = container.phase("web")
    assert isinstance(phase, Pending)
    assert phase.on == ("slow",)
    container.shut_down()


def test_a_dependant_starts_once_what_it_waits_for_has_completed(contain: Contain) -> None:
    migrate = program("migrate", "sh", "-c", "echo migrated", kind=ProgramType.ONESHOT)
    web = program(
        "web", "sh", "-c", "echo serves; exec sleep 1000", depends_on=(Dependency("migrate", Condition.COMPLETED),)
    )
    container = contain(migrate, web).begin()
    container.run_until(lambda: container.heard("web | serves"))
    assert container.output == ["migrate | migrated", "web | serves"]
    assert container.states() == {"migrate": State.EXITED, "web": State.RUNNING}
    container.shut_down()


def test_every_instance_is_a_process_of_its_own_with_its_number(contain: Contain) -> None:
    container = contain(
        program("web", "sh", "-c", "echo $SUPINIT_PROGRAM $SUPINIT_INSTANCE; exec sleep 1000", scale=3)
    ).begin()
    container.run_until(lambda: len(container.output) == 3)
    assert sorted(container.output) == [f"web:{number} | web {number}" for number in (1, 2, 3)]
    assert len({container.pid("web", number) for number in (1, 2, 3)}) == 3
    container.shut_down()


@pytest.mark.parametrize(
    ("command", "code"), [(("no-such-command",), 127), (("/etc/passwd",), 126)], ids=["not found", "not executable"]
)
def test_a_command_that_can_never_be_executed_brings_the_container_down_with_its_code(
    contain: Contain, command: tuple[str, ...], code: int
) -> None:
    broken = program("broken", *command, shutdown_on=ShutdownOn.FAILURE, restart=ALWAYS)
    container = contain(broken, program("web")).begin()
    container.run_until(lambda: container.engine.is_over)
    verdict = container.engine.fleet.verdict
    assert verdict is not None
    assert (verdict.code, verdict.instance) == (code, ("broken", 1))
    assert own_children() == []


def test_what_could_not_be_read_this_time_is_tried_again(contain: Contain, tmp_path: Path) -> None:
    web = program(
        "web", "sh", "-c", "echo it is $SECRET; exec sleep 1000",
        environment=(("SECRET", SecretFile(f"{tmp_path}/secret")),), restart=ALWAYS, restart_delay=QUICK,
        start_retries=None,
    )  # fmt: skip
    container = contain(web).begin()
    assert isinstance(container.phase("web"), Backoff)
    assert own_children() == []
    (tmp_path / "secret").write_text("late\n")
    container.run_until(lambda: container.heard("web | it is late"))
    container.shut_down()


def test_a_failed_start_leaves_no_descriptor(contain: Contain) -> None:
    broken = program("broken", working_dir="/nowhere", restart=ALWAYS, restart_delay=QUICK, start_retries=None)
    container = contain(broken).begin()
    container.turn()
    before = open_descriptors()
    container.run_until(lambda: container.life("broken").restarts > 20)
    container.run_until(lambda: open_descriptors() == before)
    container.shut_down()


# ---- ending and restarting


def test_a_program_that_ends_is_started_again(contain: Contain) -> None:
    container = contain(program("web", "sh", "-c", "echo once; exit 3", restart=ALWAYS, restart_delay=QUICK)).begin()
    container.run_until(lambda: len(container.output) >= 3)
    assert container.engine.counters.of(("web", 1)).exits["3"] >= 2
    container.shut_down()
    assert set(container.output) == {"web | once"}


@pytest.mark.parametrize(
    ("command", "phase"),
    [("exit 0", Exited), ("exit 7", Fatal), ("kill -9 $$", Fatal)],
    ids=["well", "code", "signal"],
)
def test_a_program_that_is_not_restarted_has_ended(contain: Contain, command: str, phase: type[Phase]) -> None:
    container = contain(program("once", "sh", "-c", command), program("web")).begin()
    container.run_until(lambda: isinstance(container.phase("once"), phase))
    assert is_running(container, "web")
    container.shut_down()


def test_the_next_run_does_not_begin_before_the_last_one_is_swept(contain: Contain, tmp_path: Path) -> None:
    """The worker of a dead leader holds the port; it must be gone when the next leader binds it."""
    script = (
        "import os, socket, sys, time\n"
        "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "path = sys.argv[1]; port = int(open(path).read()) if os.path.exists(path) else 0\n"
        "s.bind(('127.0.0.1', port)); s.listen()\n"
        "open(path, 'w').write(str(s.getsockname()[1]))\n"
        "print('bound', flush=True)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0: time.sleep(1000)\n"
        "    os._exit(0)\n"
        "os.wait(); os._exit(1)\n"
    )
    command = (sys.executable, "-I", "-S", "-c", script, str(tmp_path / "port"))
    container = contain(program("web", *command, restart=ALWAYS, restart_delay=QUICK, start_retries=None)).begin()
    container.run_until(lambda: len(container.output) >= 4)
    assert set(container.output) == {"web | bound"}
    assert set(container.engine.counters.of(("web", 1)).exits) == {"1"}
    container.shut_down()
    assert own_children() == []


def test_output_that_a_program_left_in_its_pipes_is_out_when_its_end_is_known(contain: Contain) -> None:
    container = contain(program("once", "sh", "-c", "echo one; printf two")).begin()
    container.run_until(lambda: isinstance(container.phase("once"), Exited))
    assert container.output == ["once | one", "once | two"]
    container.shut_down()


def test_the_exit_of_an_orphan_is_counted_and_is_nobodys(contain: Contain) -> None:
    container = contain(
        program("web", "sh", "-c", "(env -i setsid sh -c 'exit 9' &); echo left; exec sleep 1000")
    ).begin()
    container.run_until(lambda: container.engine.counters.orphans_reaped == 1)
    assert is_running(container, "web")
    container.shut_down()
    assert container.engine.counters.of(("web", 1)).exits == {"SIGTERM": 1}


def test_a_restart_gives_a_new_process_once_the_old_one_is_gone(contain: Contain) -> None:
    container = contain(program("web")).begin()
    before = container.pid("web")
    container.engine.ask(Asked((("web", 1),), RestartRequested()))
    assert isinstance(container.phase("web"), Stopping)
    container.run_until(lambda: is_running(container, "web"))
    assert is_gone(before)
    assert container.pid("web") != before
    container.shut_down()


def test_what_somebody_stopped_stays_down_until_somebody_starts_it(contain: Contain) -> None:
    container = contain(program("web", restart=ALWAYS)).begin()
    container.engine.ask(Asked((("web", 1),), StopRequested()))
    container.run_until(lambda: isinstance(container.phase("web"), Stopped))
    assert own_children() == []
    container.engine.ask(Asked((("web", 1),), StartRequested()))
    assert own_children() == [container.pid("web")]
    container.shut_down()


# ---- stopping


def test_everything_stops_in_the_reverse_of_its_order(contain: Contain, tmp_path: Path) -> None:
    def worker(name: str, *needs: str) -> Program:
        return program(
            name, "sh", "-c", "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.01; done", needs=needs
        )

    container = contain(worker("db"), worker("app", "db"), worker("web", "app"), worker("cron", "db")).begin()
    container.run_until(lambda: len(container.output) == 4)
    container.shut_down()
    order = [line.split()[0] for line in container.output[4:]]
    assert sorted(order) == ["app", "cron", "db", "web"]
    assert order[-1] == "db"
    assert order.index("web") < order.index("app")
    assert isinstance(container.engine.fleet.container_phase, Over)
    assert own_children() == []


def test_a_program_that_ignores_its_stop_is_killed_with_its_whole_tree(contain: Contain) -> None:
    stubborn = (
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo stray $$; while :; do sleep 1; done' & "
        "echo main $$; while :; do sleep 1; done"
    )
    container = contain(program("web", "sh", "-c", stubborn, stop=(SignalStep(signal.SIGTERM, 0.2),))).begin()
    container.run_until(lambda: len(container.output) == 2)
    pids = [int(line.split()[-1]) for line in container.output]
    container.shut_down()
    assert all(map(is_gone, pids))
    assert container.engine.counters.of(("web", 1)).kills == 1


def test_a_stopped_process_is_woken_for_its_stop(contain: Contain) -> None:
    container = contain(
        program("web", "sh", "-c", "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    ).begin()
    container.run_until(lambda: container.heard("web | up"))
    os.kill(container.pid("web"), signal.SIGSTOP)
    container.shut_down()
    assert container.output == ["web | up", "web | stopped"]


def test_the_steps_of_a_stop_sequence_are_taken_in_order(contain: Contain) -> None:
    script = "trap 'echo QUIT' QUIT; trap 'echo TERM; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    steps = (SignalStep(signal.SIGQUIT, 0.3), SignalStep(signal.SIGTERM, LIMIT, Scope.GROUP))
    container = contain(program("web", "sh", "-c", script, stop=steps)).begin()
    container.run_until(lambda: container.heard("web | up"))
    container.shut_down()
    assert container.output == ["web | up", "web | QUIT", "web | TERM"]


def test_a_step_may_write_to_a_fifo(contain: Contain, tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    script = 'exec 3<>"$0"; echo up; read -r word <&3; echo got $word; exit 0'
    container = contain(program("web", "sh", "-c", script, fifo, stop=(WriteStep(fifo, b"q\n", LIMIT),))).begin()
    container.run_until(lambda: container.heard("web | up"))
    container.shut_down()
    assert container.output == ["web | up", "web | got q"]


@pytest.mark.parametrize("is_there", [True, False], ids=["nobody reads", "missing"])
def test_a_fifo_that_nobody_reads_is_a_step_that_is_skipped_at_once(
    contain: Contain, tmp_path: Path, is_there: bool
) -> None:
    fifo = str(tmp_path / "fifo")
    if is_there:
        os.mkfifo(fifo)
    container = contain(program("web", stop=(WriteStep(fifo, b"q", 1000.0), GRACE))).begin()
    container.shut_down()
    assert "program.step_failed" in container.log
    assert container.engine.counters.of(("web", 1)).exits == {"SIGTERM": 1}


def test_commands_and_probes_are_left_to_the_loop(contain: Contain) -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 1))
    stop = (CommandStep(("true",), 0.1), GRACE)
    container = contain(program("web", healthcheck=check, stop=stop, ready=Readiness(timeout=LIMIT))).begin()
    assert isinstance(container.phase("web"), Starting)
    container.run_until(lambda: container.engine.pending_tasks)
    assert container.engine.pending_tasks == [(("web", 1), RunProbe(1))]
    container.shut_down()
    assert container.engine.pending_tasks[1:] == [(("web", 1), RunCommand(1, 0, ("true",)))]


def test_a_fault_stops_everything_in_order_with_70(contain: Contain) -> None:
    container = contain(program("web")).begin()
    container.engine.ask(Fault("a bug"))
    container.run_until(lambda: container.engine.is_over)
    verdict = container.engine.fleet.verdict
    assert verdict is not None
    assert verdict.code == 70
    assert own_children() == []


def test_daemons_that_took_everything_off_are_gone_at_the_very_end(contain: Contain, tmp_path: Path) -> None:
    """The program ends once its daemon has left its session; before, it would be killed with the group."""
    os.mkfifo(tmp_path / "fifo")
    escape = (
        "env -i PATH=/usr/bin:/bin setsid sh -c "
        "'trap \"\" TERM; echo $$; exec >/dev/null 2>&1; echo up >$0; while :; do sleep 1; done' $0 & "
        "read word <$0; echo $word"
    )
    container = contain(program("once", "sh", "-c", escape, str(tmp_path / "fifo")), program("web")).begin()
    container.run_until(lambda: len(container.output) == 2)
    daemon = next(int(line.split()[-1]) for line in container.output if line.split()[-1].isdecimal())
    container.run_until(lambda: isinstance(container.phase("once"), Exited))
    assert not is_gone(daemon)
    container.shut_down()
    assert is_gone(daemon)
    assert own_children() == []


# ---- signals


def test_a_shutdown_signal_stops_everything(contain: Contain) -> None:
    container = contain(program("web")).begin()
    container.engine.receive(signal.SIGTERM)
    container.run_until(lambda: container.engine.is_over)
    verdict = container.engine.fleet.verdict
    assert verdict is not None
    assert (verdict.code, verdict.reason) == (0, "SIGTERM was received")


def test_a_signal_reaches_the_programs_that_name_it_as_what_they_ask_for(contain: Contain) -> None:
    def worker(name: str, **fields: Any) -> Program:
        script = "trap 'echo USR1' USR1; trap 'echo USR2' USR2; echo up; while :; do sleep 0.01; done"
        return program(name, "sh", "-c", script, **fields)

    container = contain(
        worker("a", signals=((signal.SIGUSR1, signal.SIGUSR2),)),
        worker("b", signals=((signal.SIGUSR1, signal.SIGUSR1),), scale=2),
        worker("c", signals=((signal.SIGUSR1, None),)),
        worker("d"),
    ).begin()
    container.run_until(lambda: len(container.output) == 5)
    container.engine.receive(signal.SIGUSR1)
    container.run_until(lambda: len(container.output) >= 8)
    container.shut_down()
    assert sorted(container.output[5:]) == ["a | USR2", "b:1 | USR1", "b:2 | USR1"]


def test_a_signal_that_nobody_names_changes_nothing(contain: Contain) -> None:
    container = contain(program("web")).begin()
    before = container.engine.fleet
    container.engine.receive(signal.SIGUSR1)
    assert container.engine.fleet is before
    container.shut_down()


def test_a_program_without_a_process_cannot_be_signalled(contain: Contain) -> None:
    container = contain(program("once", "true"), program("web")).begin()
    container.run_until(lambda: isinstance(container.phase("once"), Exited))
    assert not container.engine.send_signal(("once", 1), signal.SIGTERM)
    assert container.engine.send_signal(("web", 1), signal.SIGKILL)
    container.run_until(lambda: isinstance(container.phase("web"), Fatal))
    container.shut_down()


# ---- what is visible


def test_the_markers_stand_while_their_programs_do(contain: Contain) -> None:
    container = contain(program("web", shutdown_on=ShutdownOn.EXIT), program("slow", min_uptime=LIMIT)).begin()
    assert [os.path.exists(path) for path in container.marker_paths("web")] == [True, True]
    assert not os.path.exists(container.marker_paths("slow")[0])
    assert (container.run_dir / "ready").exists()
    container.shut_down()
    assert [path for path in container.run_dir.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("how", ["shutdown", "stop", "restart"])
def test_no_marker_stands_when_its_program_hears_that_it_must_stop(tmp_path: Path, contain: Contain, how: str) -> None:
    """The program itself looks, in its SIGTERM handler."""
    paths = str(tmp_path / "run/health/web"), str(tmp_path / "run/healthy")
    web = program("web", *PYTHON, OBEDIENT, *paths, shutdown_on=ShutdownOn.EXIT)
    container = contain(web, program("other")).begin()
    container.run_until(lambda: container.heard("web | up"))
    assert all(map(os.path.exists, paths))
    match how:
        case "shutdown":
            container.engine.receive(signal.SIGTERM)
        case "stop":
            container.engine.ask(Asked((("web", 1),), StopRequested()))
        case _:
            container.engine.ask(Asked((("web", 1),), RestartRequested()))
    container.run_until(lambda: container.heard("web | stopped, marker False, healthy False"))
    if not container.engine.is_over:
        container.shut_down()
    assert not any("True" in line for line in container.output)


def test_no_marker_stands_while_what_it_stood_for_is_swept(contain: Contain) -> None:
    container = contain(program("web", restart=ALWAYS)).begin()
    path = container.marker_paths("web")[0]
    assert os.path.exists(path)
    os.kill(container.pid("web"), signal.SIGKILL)
    container.run_until(lambda: not isinstance(container.phase("web"), Running))
    assert not os.path.exists(path)
    assert not isinstance(container.phase("web"), Sweeping)
    container.shut_down()


def test_the_snapshot_is_that_of_the_fleet_after_every_turn(contain: Contain) -> None:
    container = contain(program("web"))
    seen = []
    container.engine.listeners.append(
        lambda: seen.append((container.engine.snapshot.fleet is container.engine.fleet, container.states()["web"]))
    )
    container.begin()
    container.shut_down()
    assert all(is_same for is_same, _ in seen)
    assert seen[0][1] is State.RUNNING
    assert seen[-1][1] is State.STOPPED


def test_a_program_without_a_log_and_one_that_inherits_need_no_pipes(contain: Contain) -> None:
    container = contain(program("quiet", "sh", "-c", "echo x; exec sleep 1000", log=LogSettings(mode=LogMode.NONE)))
    before = open_descriptors()
    container.begin()
    assert open_descriptors() == before
    container.shut_down()
    assert container.output == []


def test_programs_come_and_go_without_leaving_descriptors(contain: Contain) -> None:
    container = contain(program("web", "true", restart=ALWAYS, restart_delay=QUICK, start_retries=None))
    before = open_descriptors()
    container.begin()
    container.run_until(lambda: container.life("web").restarts >= 30)
    assert len(open_descriptors()) <= len(before) + 2
    container.shut_down()
    container.run_until(lambda: open_descriptors() == before)
