"""The engine without its loop: the tests turn it by hand, so nothing here needs asyncio."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor.core import fleet as core
from supervisor.core.actions import RunCommand, RunProbe
from supervisor.core.container import STEPS, Asked, Batch, Fault, Over
from supervisor.core.events import RestartRequested, StartRequested, StopRequested
from supervisor.core.healthcheck import HealthCheck, TcpProbe
from supervisor.core.life import (
    Backoff,
    Exited,
    Fatal,
    Pending,
    Phase,
    Running,
    Starting,
    Stopped,
    Stopping,
    Sweeping,
)
from supervisor.core.program import (
    CommandStep,
    Condition,
    Dependency,
    LogMode,
    LogSettings,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    SecretFile,
    ShutdownOn,
    SignalStep,
    WriteStep,
)
from supervisor.core.snapshot import State
from supervisor.process.procfs import own_children

from .engines import PYTHON, Turn, Turned, program
from .engines import adopting as adopting
from .engines import open_folder as open_folder
from .engines import turned as turned
from .process.nursery import LIMIT, is_gone, open_descriptors

ALWAYS = Restart(RestartWhen.ALWAYS)
QUICK = RestartDelay(initial=0.01, max=0.02)
GRACE = SignalStep(signal.SIGTERM, LIMIT)

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


def is_running(container: Turned, *names: str) -> bool:
    return all(isinstance(container.phase(name), Running) for name in names)


# ---- starting


def test_begin_spawns_everything_that_waits_for_nothing_before_it_returns(turned: Turn) -> None:
    container = turned(
        program("a"), program("b"), program("c", needs=("a",), depends_on=(Dependency("a", Condition.HEALTHY),))
    )
    container.begin()
    assert sorted(own_children()) == sorted(container.pid(name) for name in ("a", "b", "c"))
    assert len(set(own_children())) == 3
    container.shut_down()


def test_begin_spawns_more_programs_than_one_turn_may(turned: Turn) -> None:
    """The loop is loaded after them, so what it would start comes late."""
    container = turned(program("web", scale=STEPS + 3))
    container.begin()
    assert len(own_children()) == STEPS + 3
    container.shut_down()


def test_what_depends_on_something_that_is_not_up_is_not_spawned(turned: Turn) -> None:
    slow = program("slow", min_uptime=LIMIT)
    container = turned(slow, program("web", depends_on=(Dependency("slow", Condition.HEALTHY),))).begin()
    assert own_children() == [container.pid("slow")]
    phase = container.phase("web")
    assert isinstance(phase, Pending)
    assert phase.on == ("slow",)
    container.shut_down()


def test_a_dependant_starts_once_what_it_waits_for_has_completed(turned: Turn) -> None:
    migrate = program("migrate", "sh", "-c", "echo migrated", kind=ProgramType.ONESHOT)
    web = program(
        "web", "sh", "-c", "echo serves; exec sleep 1000", depends_on=(Dependency("migrate", Condition.COMPLETED),)
    )
    container = turned(migrate, web).begin()
    container.run_until(lambda: container.heard("web | serves"))
    assert container.output == ["migrate | migrated", "web | serves"]
    assert container.states() == {"migrate": State.EXITED, "web": State.RUNNING}
    container.shut_down()


def test_every_instance_is_a_process_of_its_own_with_its_number(turned: Turn) -> None:
    container = turned(
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
    turned: Turn, command: tuple[str, ...], code: int
) -> None:
    broken = program("broken", *command, shutdown_on=ShutdownOn.FAILURE, restart=ALWAYS)
    container = turned(broken, program("web")).begin()
    container.run_until(lambda: container.engine.is_over)
    verdict = container.engine.fleet.verdict
    assert verdict is not None
    assert (verdict.code, verdict.instance) == (code, ("broken", 1))
    assert own_children() == []


def test_what_could_not_be_read_this_time_is_tried_again(turned: Turn, tmp_path: Path) -> None:
    web = program(
        "web", "sh", "-c", "echo it is $SECRET; exec sleep 1000",
        environment=(("SECRET", SecretFile(f"{tmp_path}/secret")),), restart=ALWAYS, restart_delay=QUICK,
        start_retries=None,
    )  # fmt: skip
    container = turned(web).begin()
    assert isinstance(container.phase("web"), Backoff)
    assert own_children() == []
    (tmp_path / "secret").write_text("late\n")
    container.run_until(lambda: container.heard("web | it is late"))
    container.shut_down()


def test_a_failed_start_leaves_no_descriptor(turned: Turn) -> None:
    broken = program("broken", working_dir="/nowhere", restart=ALWAYS, restart_delay=QUICK, start_retries=None)
    container = turned(broken).begin()
    container.turn()
    before = open_descriptors()
    container.run_until(lambda: container.life("broken").restarts > 20)
    container.run_until(lambda: open_descriptors() == before)
    container.shut_down()


# ---- ending and restarting


def test_a_program_that_ends_is_started_again(turned: Turn) -> None:
    container = turned(program("web", "sh", "-c", "echo once; exit 3", restart=ALWAYS, restart_delay=QUICK)).begin()
    container.run_until(lambda: len(container.output) >= 3)
    assert container.engine.counters.of(("web", 1)).exits["3"] >= 2
    container.shut_down()
    assert set(container.output) == {"web | once"}


@pytest.mark.parametrize(
    ("command", "phase"),
    [("exit 0", Exited), ("exit 7", Fatal), ("kill -9 $$", Fatal)],
    ids=["well", "code", "signal"],
)
def test_a_program_that_is_not_restarted_has_ended(turned: Turn, command: str, phase: type[Phase]) -> None:
    container = turned(program("once", "sh", "-c", command), program("web")).begin()
    container.run_until(lambda: isinstance(container.phase("once"), phase))
    assert is_running(container, "web")
    container.shut_down()


def test_the_next_run_does_not_begin_before_the_last_one_is_swept(turned: Turn, tmp_path: Path) -> None:
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
    container = turned(program("web", *command, restart=ALWAYS, restart_delay=QUICK, start_retries=None)).begin()
    container.run_until(lambda: len(container.output) >= 4)
    assert set(container.output) == {"web | bound"}
    assert set(container.engine.counters.of(("web", 1)).exits) == {"1"}
    container.shut_down()
    assert own_children() == []


def test_output_that_a_program_left_in_its_pipes_is_out_when_its_end_is_known(turned: Turn) -> None:
    container = turned(program("once", "sh", "-c", "echo one; printf two")).begin()
    container.run_until(lambda: isinstance(container.phase("once"), Exited))
    assert container.output == ["once | one", "once | two"]
    container.shut_down()


def test_the_exit_of_an_orphan_is_counted_and_is_nobodys(turned: Turn) -> None:
    container = turned(
        program("web", "sh", "-c", "(env -i setsid sh -c 'exit 9' &); echo left; exec sleep 1000")
    ).begin()
    container.run_until(lambda: container.engine.counters.orphans_reaped == 1)
    assert is_running(container, "web")
    container.shut_down()
    assert container.engine.counters.of(("web", 1)).exits == {"SIGTERM": 1}


def test_a_restart_gives_a_new_process_once_the_old_one_is_gone(turned: Turn) -> None:
    container = turned(program("web")).begin()
    before = container.pid("web")
    container.engine.ask(Asked((("web", 1),), RestartRequested()))
    assert isinstance(container.phase("web"), Stopping)
    container.run_until(lambda: is_running(container, "web"))
    assert is_gone(before)
    assert container.pid("web") != before
    container.shut_down()


def test_what_somebody_stopped_stays_down_until_somebody_starts_it(turned: Turn) -> None:
    container = turned(program("web", restart=ALWAYS)).begin()
    container.engine.ask(Asked((("web", 1),), StopRequested()))
    container.run_until(lambda: isinstance(container.phase("web"), Stopped))
    assert own_children() == []
    container.engine.ask(Asked((("web", 1),), StartRequested()))
    assert own_children() == [container.pid("web")]
    container.shut_down()


# ---- stopping


def test_everything_stops_in_the_reverse_of_its_order(turned: Turn, tmp_path: Path) -> None:
    def worker(name: str, *needs: str) -> Program:
        return program(
            name, "sh", "-c", "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.01; done", needs=needs
        )

    container = turned(worker("db"), worker("app", "db"), worker("web", "app"), worker("cron", "db")).begin()
    container.run_until(lambda: len(container.output) == 4)
    container.shut_down()
    order = [line.split()[0] for line in container.output[4:]]
    assert sorted(order) == ["app", "cron", "db", "web"]
    assert order[-1] == "db"
    assert order.index("web") < order.index("app")
    assert isinstance(container.engine.fleet.container_phase, Over)
    assert own_children() == []


def test_a_program_that_ignores_its_stop_is_killed_with_its_whole_tree(turned: Turn) -> None:
    stubborn = (
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo stray $$; while :; do sleep 1; done' & "
        "echo main $$; while :; do sleep 1; done"
    )
    container = turned(program("web", "sh", "-c", stubborn, stop=(SignalStep(signal.SIGTERM, 0.2),))).begin()
    container.run_until(lambda: len(container.output) == 2)
    pids = [int(line.split()[-1]) for line in container.output]
    container.shut_down()
    assert all(map(is_gone, pids))
    assert container.engine.counters.of(("web", 1)).kills == 1


def test_a_stopped_process_is_woken_for_its_stop(turned: Turn) -> None:
    container = turned(
        program("web", "sh", "-c", "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    ).begin()
    container.run_until(lambda: container.heard("web | up"))
    os.kill(container.pid("web"), signal.SIGSTOP)
    container.shut_down()
    assert container.output == ["web | up", "web | stopped"]


def test_the_steps_of_a_stop_sequence_are_taken_in_order(turned: Turn) -> None:
    script = "trap 'echo QUIT' QUIT; trap 'echo TERM; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    steps = (SignalStep(signal.SIGQUIT, 0.3), SignalStep(signal.SIGTERM, LIMIT, Scope.GROUP))
    container = turned(program("web", "sh", "-c", script, stop=steps)).begin()
    container.run_until(lambda: container.heard("web | up"))
    container.shut_down()
    assert container.output == ["web | up", "web | QUIT", "web | TERM"]


def test_a_step_may_write_to_a_fifo(turned: Turn, tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    script = 'exec 3<>"$0"; echo up; read -r word <&3; echo got $word; exit 0'
    container = turned(program("web", "sh", "-c", script, fifo, stop=(WriteStep(fifo, b"q\n", LIMIT),))).begin()
    container.run_until(lambda: container.heard("web | up"))
    container.shut_down()
    assert container.output == ["web | up", "web | got q"]


@pytest.mark.parametrize("is_there", [True, False], ids=["nobody reads", "missing"])
def test_a_fifo_that_nobody_reads_is_a_step_that_is_skipped_at_once(
    turned: Turn, tmp_path: Path, is_there: bool
) -> None:
    fifo = str(tmp_path / "fifo")
    if is_there:
        os.mkfifo(fifo)
    container = turned(program("web", stop=(WriteStep(fifo, b"q", 1000.0), GRACE))).begin()
    container.shut_down()
    assert "program.step_failed" in container.log
    assert container.engine.counters.of(("web", 1)).exits == {"SIGTERM": 1}


def test_commands_and_probes_are_left_to_the_loop(turned: Turn) -> None:
    check = HealthCheck(TcpProbe("127.0.0.1", 1))
    stop = (CommandStep(("true",), 0.1), GRACE)
    container = turned(program("web", healthcheck=check, stop=stop, ready=Readiness(timeout=LIMIT))).begin()
    assert isinstance(container.phase("web"), Starting)
    container.run_until(lambda: container.engine.orders.pending_tasks)
    assert container.engine.orders.pending_tasks == [(("web", 1), RunProbe(1))]
    container.shut_down()
    assert container.engine.orders.pending_tasks[1:] == [(("web", 1), RunCommand(1, 0, ("true",)))]


def test_a_fault_stops_everything_in_order_with_70(turned: Turn) -> None:
    container = turned(program("web")).begin()
    container.engine.ask(Fault("a bug"))
    container.run_until(lambda: container.engine.is_over)
    verdict = container.engine.fleet.verdict
    assert verdict is not None
    assert verdict.code == 70
    assert own_children() == []


def test_events_that_cannot_be_decided_together_are_decided_one_by_one(
    turned: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = turned(program("a"), program("b"), program("c")).begin()
    advance = core.advance

    def fail_together(plan: Any, fleet: Any, event: Any, now: float) -> Any:
        if isinstance(event, Batch):
            raise LookupError("a bug")
        return advance(plan, fleet, event, now)

    monkeypatch.setattr(core, "advance", fail_together)
    container.engine.feed(*(Asked(((name, 1),), StopRequested()) for name in "abc"))
    assert [type(container.phase(name)) for name in "abc"] == [Stopping] * 3
    assert container.engine.counters.internal_errors == {"core": 2}
    container.shut_down()


def test_daemons_that_took_everything_off_are_gone_at_the_very_end(turned: Turn, tmp_path: Path) -> None:
    """The program ends once its daemon has left its session; before, it would be killed with the group."""
    os.mkfifo(tmp_path / "fifo")
    escape = (
        "env -i PATH=/usr/bin:/bin setsid sh -c "
        "'trap \"\" TERM; echo $$; exec >/dev/null 2>&1; echo up >$0; while :; do sleep 1; done' $0 & "
        "read word <$0; echo $word"
    )
    container = turned(program("once", "sh", "-c", escape, str(tmp_path / "fifo")), program("web")).begin()
    container.run_until(lambda: len(container.output) == 2)
    daemon = next(int(line.split()[-1]) for line in container.output if line.split()[-1].isdecimal())
    container.run_until(lambda: isinstance(container.phase("once"), Exited))
    assert not is_gone(daemon)
    container.shut_down()
    assert is_gone(daemon)
    assert own_children() == []


# ---- signals


def test_a_shutdown_signal_stops_everything(turned: Turn) -> None:
    container = turned(program("web")).begin()
    container.engine.receive(signal.SIGTERM)
    container.run_until(lambda: container.engine.is_over)
    verdict = container.engine.fleet.verdict
    assert verdict is not None
    assert (verdict.code, verdict.reason) == (0, "SIGTERM was received")


def test_a_signal_reaches_the_programs_that_name_it_as_what_they_ask_for(turned: Turn) -> None:
    def worker(name: str, **fields: Any) -> Program:
        script = "trap 'echo USR1' USR1; trap 'echo USR2' USR2; echo up; while :; do sleep 0.01; done"
        return program(name, "sh", "-c", script, **fields)

    container = turned(
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


def test_a_signal_that_nobody_names_changes_nothing(turned: Turn) -> None:
    container = turned(program("web")).begin()
    before = container.engine.fleet
    container.engine.receive(signal.SIGUSR1)
    assert container.engine.fleet is before
    container.shut_down()


def test_a_program_without_a_process_cannot_be_signalled(turned: Turn) -> None:
    container = turned(program("once", "true"), program("web")).begin()
    container.run_until(lambda: isinstance(container.phase("once"), Exited))
    assert container.engine.send_signal(("once", 1), signal.SIGTERM) == "it has no process"
    assert container.engine.send_signal(("web", 1), signal.SIGKILL) is None
    container.run_until(lambda: isinstance(container.phase("web"), Fatal))
    container.shut_down()


# ---- what is visible


def test_the_markers_stand_while_their_programs_do(turned: Turn) -> None:
    container = turned(program("web", shutdown_on=ShutdownOn.EXIT), program("slow", min_uptime=LIMIT)).begin()
    assert [os.path.exists(path) for path in container.marker_paths("web")] == [True, True]
    assert not os.path.exists(container.marker_paths("slow")[0])
    assert (container.run_dir / "ready").exists()
    container.shut_down()
    assert [path for path in container.run_dir.rglob("*") if path.is_file()] == []


def test_a_run_dir_that_is_gone_is_made_again_by_the_next_marker(turned: Turn) -> None:
    container = turned(program("late", min_uptime=0.1)).begin()
    shutil.rmtree(container.run_dir)
    container.run_until(lambda: is_running(container, "late"))
    assert (container.run_dir / "health" / "late").exists()
    container.shut_down()


@pytest.mark.parametrize("how", ["shutdown", "stop", "restart"])
def test_no_marker_stands_when_its_program_hears_that_it_must_stop(open_folder: Path, turned: Turn, how: str) -> None:
    """The program itself looks, in its SIGTERM handler."""
    paths = str(open_folder / "run/health/web"), str(open_folder / "run/healthy")
    web = program("web", *PYTHON, OBEDIENT, *paths, shutdown_on=ShutdownOn.EXIT)
    container = turned(web, program("other")).begin()
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


def test_no_marker_stands_while_what_it_stood_for_is_swept(turned: Turn) -> None:
    container = turned(program("web", restart=ALWAYS)).begin()
    path = container.marker_paths("web")[0]
    assert os.path.exists(path)
    os.kill(container.pid("web"), signal.SIGKILL)
    container.run_until(lambda: not isinstance(container.phase("web"), Running))
    assert not os.path.exists(path)
    assert not isinstance(container.phase("web"), Sweeping)
    container.shut_down()


def test_the_snapshot_is_that_of_the_fleet_after_every_turn(turned: Turn) -> None:
    container = turned(program("web"))
    seen = []
    container.engine.listeners.append(
        lambda: seen.append((container.engine.snapshot.fleet is container.engine.fleet, container.states()["web"]))
    )
    container.begin()
    container.shut_down()
    assert all(is_same for is_same, _ in seen)
    assert seen[0][1] is State.RUNNING
    assert seen[-1][1] is State.STOPPED


def test_a_program_without_a_log_and_one_that_inherits_need_no_pipes(turned: Turn) -> None:
    container = turned(program("quiet", "sh", "-c", "echo x; exec sleep 1000", log=LogSettings(mode=LogMode.NONE)))
    before = open_descriptors()
    container.begin()
    assert open_descriptors() == before
    container.shut_down()
    assert container.output == []


def test_programs_come_and_go_without_leaving_descriptors(turned: Turn) -> None:
    container = turned(program("web", "true", restart=ALWAYS, restart_delay=QUICK, start_retries=None))
    before = open_descriptors()
    container.begin()
    container.run_until(lambda: container.life("web").restarts >= 30)
    assert len(open_descriptors()) <= len(before) + 2
    container.shut_down()
    container.run_until(lambda: open_descriptors() == before)
