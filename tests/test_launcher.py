"""What a process is started with, whether it is, and what its first words lead to."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.container import Asked
from supervisor.core.events import BecameReady, Event, RestartRequested, Spawned, SpawnFailed, SpawnHeld, SpawnSkipped
from supervisor.core.hook import Hook, RuntimeDirectory
from supervisor.core.life import Backoff, Exited, Fatal, Pending, Running, Starting
from supervisor.core.once import Once
from supervisor.core.program import EnvFile, LogMode, LogSettings, Program, ProgramType, Readiness, RestartDelay
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.sockets import DescriptorText, ListenSocket
from supervisor.errors import StartError
from supervisor.launcher import BUSY_LIMIT, LOOK_AGAIN, chance
from supervisor.process.children import Main
from supervisor.process.once import Claims
from supervisor.process.procfs import own_children

from .engines import SYSTEMD, Turn, Turned, program, script
from .engines import adopting as adopting
from .engines import open_folder as open_folder
from .engines import turned as turned
from .process.conftest import way as way
from .process.nursery import LIMIT, elsewhere, open_descriptors, sleep_until

WEB = ("web", 1)


def start(container: Turned, generation: int = 1, heard: list[Event] | None = None) -> Event:
    return container.engine.launcher.start(WEB, generation, (heard if heard is not None else []).append)


def environment_of(pid: int) -> dict[str, str]:
    sleep_until(lambda: Path(f"/proc/{pid}/environ").read_bytes())
    pairs = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    return dict(pair.partition("=")[::2] for pair in pairs)


# ---- a start


def test_a_start_is_answered_with_its_process_which_is_registered(turned: Turn, way: dict[str, Any]) -> None:
    container = turned(program("web", **way))
    event = start(container, 7)
    assert isinstance(event, Spawned)
    assert event == Spawned(7, own_children()[0])
    assert container.engine.children._owners == {event.pid: Main(WEB, 7)}


def test_the_age_limit_of_each_process_comes_with_a_random_number(turned: Turn, way: dict[str, Any]) -> None:
    container = turned(replace(program("web", **way), restart_when=RestartLimits(age=10.0)))
    drawn = set()
    for generation in range(1, 9):  # that all of eight are equal happens once in 256 ** 7
        event = start(container, generation)
        assert isinstance(event, Spawned)
        drawn.add(event.jitter)
    assert len(drawn) > 1
    assert all(0 <= jitter < 1 for jitter in drawn)


def test_a_process_carries_the_marks_by_which_it_is_known(turned: Turn, way: dict[str, Any]) -> None:
    container = turned(program("web", **way))
    event = start(container)
    assert isinstance(event, Spawned)
    pairs = {f"{name}={value}".encode() for name, value in environment_of(event.pid).items()}
    outputs = {os.readlink(f"/proc/{event.pid}/fd/{number}").encode() for number in (1, 2)}
    assert container.engine.launcher.marks_of(WEB) <= pairs | outputs


@pytest.mark.parametrize("ready", [Readiness(), SYSTEMD], ids=["plain", "notify"])
@pytest.mark.parametrize("watchdog", [None, 1.5])
def test_a_process_is_told_of_its_socket_and_its_watchdog_if_it_has_them(
    turned: Turn, ready: Readiness, watchdog: float | None
) -> None:
    container = turned(program("web", ready=ready, watchdog=watchdog), own={"NOTIFY_SOCKET": "/other"})
    event = start(container)
    assert isinstance(event, Spawned)
    environment = environment_of(event.pid)
    has_socket = ready == SYSTEMD or watchdog is not None
    assert container.private_sockets == ([environment["NOTIFY_SOCKET"]] if has_socket else [])
    assert environment.get("WATCHDOG_USEC") == (None if watchdog is None else "1500000")
    assert "WATCHDOG_PID" not in environment


def test_its_socket_stands_above_its_own_environment(turned: Turn) -> None:
    container = turned(program("web", ready=SYSTEMD, environment=(("NOTIFY_SOCKET", "/mine"),)))
    event = start(container)
    assert isinstance(event, Spawned)
    assert [environment_of(event.pid)["NOTIFY_SOCKET"]] == container.private_sockets


def test_what_runs_beside_a_program_is_not_told_of_its_socket(turned: Turn) -> None:
    """A health check that says READY=1 must not make the program ready."""
    container = turned(program("web", ready=SYSTEMD, watchdog=5.0))
    launch = container.engine.launcher.launch_for(WEB)
    assert {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(launch.environment) == set()
    assert launch.extra == ()


def with_sockets(folder: Path) -> dict[str, Any]:
    """Return fields of a program with two sockets, a notification on the next descriptor, and a variable for nginx."""
    sockets = tuple(ListenSocket(name, str(folder / name)) for name in ("http", "api"))
    return {
        "sockets": sockets,
        "ready": Readiness(notify=5, timeout=LIMIT),
        "environment": (("NGINX", DescriptorText("3:4:")),),
    }


def test_the_main_process_gets_its_sockets_and_is_told_of_them(turned: Turn, tmp_path: Path) -> None:
    own = {"LISTEN_FDS": "7", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x"}
    container = turned(program("web", **with_sockets(tmp_path)), own=own)
    event = start(container)
    assert isinstance(event, Spawned)
    environment = environment_of(event.pid)
    names = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NGINX")
    assert [environment.get(name) for name in names] == ["2", str(event.pid), "http:api", "3:4:"]
    targets = {number: os.readlink(f"/proc/{event.pid}/fd/{number}").partition(":")[0] for number in range(3, 6)}
    assert targets == {3: "socket", 4: "socket", 5: "pipe"}
    sleep_until(lambda: not os.path.lexists(f"/proc/{event.pid}/fd/6"))  # a shared library is opened for a moment


def test_what_runs_beside_a_program_has_no_sockets(turned: Turn, tmp_path: Path) -> None:
    """nginx -t in a pre_start hook would look for the descriptors that NGINX names."""
    own = {"LISTEN_FDS": "7", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x", "NGINX": "9:"}
    container = turned(program("web", **with_sockets(tmp_path)), own=own)
    hook, ours = container.engine.launcher.launch_hook(WEB, Hook(("true",)), {})
    for launch in (container.engine.launcher.launch_for(WEB), hook):
        assert {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NGINX"} & set(launch.environment) == set()
        assert (launch.extra, launch.pid_variable) == ((), None)
    for descriptor in ours:
        os.close(descriptor)


def test_a_start_without_its_sockets_is_a_failed_start_with_the_reason(turned: Turn, tmp_path: Path) -> None:
    """The address of a program that does not start with the container is bound at its first start."""
    (tmp_path / "http").write_text("in the way")
    event = start(turned(program("web", autostart=False, **with_sockets(tmp_path))))
    assert isinstance(event, SpawnFailed)
    assert event.code is None
    assert "there is a file that is not a socket" in event.reason
    assert own_children() == []


def test_sockets_are_not_bound_without_the_runtime_directory(turned: Turn, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = RuntimeDirectory(str(tmp_path / "file" / "run"))
    subject = program("web", runtime_directory=(folder,), **with_sockets(tmp_path))
    container = turned(subject)
    with pytest.raises(StartError, match=r"programs\.web\.runtime_directory: cannot make .*/file/run: Not a directory"):
        container.engine.launcher.bind_sockets([subject])
    assert not (tmp_path / "http").exists()


def test_a_oneshot_has_its_lock_beside_its_sockets(turned: Turn, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    sockets = {key: value for key, value in with_sockets(tmp_path).items() if key == "sockets"}
    once = Once("v1", str(shared))
    event = start(turned(program("web", kind=ProgramType.ONESHOT, once=once, **sockets)))
    assert isinstance(event, Spawned)
    assert os.readlink(f"/proc/{event.pid}/fd/5") == str(shared / "web" / "lock")


def test_a_start_leaves_only_the_reading_ends_of_its_pipes(turned: Turn, way: dict[str, Any]) -> None:
    container = turned(program("web", ready=Readiness(notify=5), **way))
    before = open_descriptors()
    start(container)
    new = open_descriptors() - before
    assert new == {*container.pump._pipes, *container.engine.notices._pipes}
    assert len(new) == 3
    assert not any(os.get_inheritable(descriptor) for descriptor in new)


# ---- a start that fails


def settled(container: Turned) -> set[int]:
    container.engine.listen()
    container.pump.turn()
    return open_descriptors()


FAILURES: dict[str, tuple[dict[str, Any], str, int | None]] = {
    "not found": ({"command": ("no-such-command",)}, "no-such-command was not found in ", 127),
    "not executable": ({"command": ("/etc/passwd",)}, "/etc/passwd: Permission denied", 126),
    "working_dir": ({"working_dir": "/nowhere"}, "cannot change to /nowhere: No such file", None),
    "env_file": ({"env_file": (EnvFile("/nowhere"),)}, "cannot read env_file /nowhere: No such file", None),
}


@pytest.mark.parametrize(("fields", "reason", "code"), FAILURES.values(), ids=FAILURES)
def test_a_start_that_fails_says_why_and_leaves_nothing(
    turned: Turn, way: dict[str, Any], fields: dict[str, Any], reason: str, code: int | None
) -> None:
    command = fields.get("command", ("sleep", "1000"))
    rest = {name: value for name, value in fields.items() if name != "command"}
    container = turned(program("web", *command, ready=Readiness(notify=5), **rest, **way))
    before = open_descriptors()
    event = start(container, 3)
    assert isinstance(event, SpawnFailed)
    assert reason in event.reason
    assert (event.generation, event.code) == (3, code)
    assert 0 <= event.jitter < 1
    assert own_children() == []
    assert settled(container) == before


@pytest.mark.parametrize("is_in_the_way", ["folder", "socket"])
def test_without_its_socket_a_program_is_not_started(turned: Turn, is_in_the_way: str) -> None:
    container = turned(program("web", ready=SYSTEMD))
    if is_in_the_way == "folder":
        (container.run_dir / "notify").write_text("a file")
    else:
        Path(container.socket_of("web")).mkdir(parents=True)
    before = open_descriptors()
    event = start(container)
    assert isinstance(event, SpawnFailed)
    assert event.reason.startswith("cannot be started: ")
    assert "None" not in event.reason
    assert event.code is None
    assert own_children() == []
    assert settled(container) == before


def test_a_run_dir_too_deep_for_a_socket_is_named_as_the_reason(turned: Turn, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    container = Turned(deep, program("web", ready=SYSTEMD))
    event = start(container)
    assert isinstance(event, SpawnFailed)
    assert event.reason == (
        f"cannot be started: the path of its notify socket, {deep}/run/notify/web.1, is longer than 107 bytes "
        "(choose a shorter supervisor.run_dir)"
    )
    container.close()


def test_a_start_for_which_no_descriptors_are_left_is_held_and_leaves_none(open_folder: Path) -> None:
    """The program has not failed and is not given up: starts leave the last descriptors to supinit."""

    def starts() -> tuple[list[str], int, bool]:
        container = Turned(open_folder, program("web", ready=Readiness(notify=5), watchdog=1.0, nice=19))
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
        spare = [os.dup(container.pump.null)]
        while max(spare) < 512 - 128 - 1:
            spare.append(os.dup(container.pump.null))
        before = open_descriptors()
        held = [start(container), start(container)]
        kinds = [type(event).__name__ for event in held]
        are_left = settled(container) == before
        for descriptor in spare:
            os.close(descriptor)
        event = start(container)
        os.kill(own_children()[0], signal.SIGKILL)
        return [*kinds, type(event).__name__], len(own_children()), are_left

    assert elsewhere(starts) == (["SpawnHeld", "SpawnHeld", "Spawned"], 1, True)


def test_an_executable_that_is_being_written_is_tried_again_and_starts_once_it_is_complete(
    turned: Turn, tmp_path: Path
) -> None:
    """execve(2) refuses it with ETXTBSY, as after the copy of an entrypoint into the image's layer."""
    path = tmp_path / "entry"
    shutil.copy(shutil.which("true") or "", path)
    container = turned(program("web", str(path)))
    with open(path, "ab"):
        event = start(container)
        assert isinstance(event, SpawnHeld)
        assert event.reason == f"cannot be started: {path} is open for writing: Text file busy"
    assert isinstance(start(container), Spawned)


def test_an_executable_that_is_never_complete_is_a_failed_start(turned: Turn, tmp_path: Path) -> None:
    path = tmp_path / "entry"
    shutil.copy(shutil.which("true") or "", path)
    container = turned(program("web", str(path)))
    with open(path, "ab"):
        events = [start(container) for _ in range(BUSY_LIMIT + 1)]
    assert [type(event) for event in events] == [SpawnHeld] * BUSY_LIMIT + [SpawnFailed]
    assert isinstance(events[-1], SpawnFailed)
    assert events[-1].code is None


# ---- what its output says


def watched(text: str, good: str | None = "ready", bad: str | None = "broken", **fields: Any) -> Program:
    return program("web", "sh", "-c", text, ready=Readiness(log=good, fail_log=bad, timeout=2 * LIMIT), **fields)


@pytest.mark.parametrize("mode", [LogMode.PREFIX, LogMode.RAW, LogMode.JSON, LogMode.NONE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("stream", [1, 2])
def test_the_line_that_says_so_makes_it_ready(turned: Turn, mode: LogMode, stream: int) -> None:
    web = watched(f"echo starting; echo is ready >&{stream}; exec sleep 1000", log=LogSettings(mode=mode))
    container = turned(web).begin()
    container.run_until_up("web")
    container.shut_down()


def test_without_the_line_it_is_not_ready(turned: Turn) -> None:
    container = turned(watched("echo here; printf ready; exec sleep 1000")).begin()
    container.run_until_told("here")
    container.turn()
    assert isinstance(container.phase("web"), Starting)
    container.shut_down()


def test_the_line_that_says_that_it_is_broken_is_a_failed_start_with_that_reason(turned: Turn) -> None:
    container = turned(watched("echo it is broken; exec sleep 1000"), program("other")).begin()
    container.run_until(lambda: isinstance(container.phase("web"), Fatal))
    phase = container.phase("web")
    assert isinstance(phase, Fatal)
    assert "said: it is broken" in phase.reason
    container.shut_down()


def test_a_broken_start_is_tried_again_as_any_other_failed_one(turned: Turn, tmp_path: Path) -> None:
    text = f"if [ -e {tmp_path}/once ]; then echo ready; else touch {tmp_path}/once; echo broken; fi; exec sleep 1000"
    delay = RestartDelay(initial=0.01, max=0.02)
    again = Program("x", ("x",)).restart
    container = turned(watched(text, restart=again, restart_delay=delay)).begin()
    container.run_until_up("web")
    assert container.life("web").restarts == 1
    container.shut_down()


def test_it_is_not_broken_any_more_by_what_it_says_once_it_is_up(turned: Turn) -> None:
    text = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); tell('ready')\n"
        "signal.sigwait([signal.SIGUSR1]); os.write(2, b'broken\\n'); tell('said'); live()"
    )
    container = turned(program("web", *script(text), ready=Readiness(log="ready", fail_log="broken"))).begin()
    container.run_until_up("web")
    os.kill(container.pid("web"), signal.SIGUSR1)
    container.run_until_told("said")
    assert "broken" in (container.folder / "log").read_text()
    assert isinstance(container.phase("web"), Running)
    container.shut_down()


def test_what_a_process_says_is_said_of_its_own_generation(turned: Turn) -> None:
    heard: list[Event] = []
    container = turned(watched("echo ready; exec sleep 1000"))
    start(container, 5, heard)

    def is_heard() -> bool:
        container.pump.turn()
        return bool(heard)

    sleep_until(is_heard)
    assert heard == [BecameReady(5)]


def test_each_start_is_watched_anew(turned: Turn) -> None:
    container = turned(watched("echo ready; exec sleep 1000")).begin()
    container.run_until_up("web")
    container.engine.ask(Asked((WEB,), RestartRequested()))
    container.run_until(lambda: container.life("web").generation == 2)
    container.run_until_up("web")
    container.shut_down()


# ---- once


def oneshot(shared: Path) -> Program:
    return program("web", "true", kind=ProgramType.ONESHOT, once=Once("v1", str(shared)))


def test_what_another_container_is_running_is_held_for_a_moment(turned: Turn, tmp_path: Path) -> None:
    other = Claims()
    other.claim(WEB, Once("v1", str(tmp_path)))
    container = turned(oneshot(tmp_path))
    before = time.monotonic()
    event = start(container, 4)
    assert isinstance(event, SpawnHeld)
    assert event.generation == 4
    assert before + LOOK_AGAIN <= event.until <= time.monotonic() + LOOK_AGAIN
    assert own_children() == []
    other.release(WEB)
    assert isinstance(start(container, 5), Spawned)


def test_what_was_done_is_skipped(turned: Turn, tmp_path: Path) -> None:
    other = Claims()
    other.claim(WEB, Once("v1", str(tmp_path)))
    other.record(WEB, Once("v1", str(tmp_path)))
    assert start(turned(oneshot(tmp_path)), 4) == SpawnSkipped(4, "was done before for v1")
    assert own_children() == []


def test_what_is_held_can_be_given_up(turned: Turn, tmp_path: Path) -> None:
    other = Claims()
    other.claim(WEB, Once("v1", str(tmp_path)))
    container = turned(oneshot(tmp_path)).begin()
    assert isinstance(container.phase("web"), Pending)
    container.shut_down()
    other.release(WEB)
    assert not isinstance(container.phase("web"), Exited | Fatal | Backoff)


def test_chance_is_a_number_from_0_to_1() -> None:
    numbers = [chance() for _ in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert len(set(numbers)) > 100
