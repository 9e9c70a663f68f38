from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from supervisor.core.program import Scope
from supervisor.core.record import replace
from supervisor.process import trees
from supervisor.process.children import Children, Main
from supervisor.process.environment import marks_of
from supervisor.process.procfs import own_children, read_process
from supervisor.process.scan import Scan, scan
from supervisor.process.sweep import kill_everything, signal_process
from supervisor.process.trees import Left, Trees

from .nursery import Nursery, is_gone, marks, open_descriptors, sleep_until

NAME = os.path.basename(sys.executable)
"""What the kernel calls a process of this Python: python, or python3."""

T = TypeVar("T")

WEB = ("web", 1)
MARKS = marks_of(WEB, "own")

TREE = """
import os, signal, time
def live(name):
    for number, word in ((signal.SIGUSR1, "heard"), (signal.SIGUSR2, "waits")):
        signal.signal(number, lambda *_, word=word: os.write(1, f"{name} {word}\\n".encode()))
    os.write(1, f"{name} {os.getpid()}\\n".encode())
    while True:
        time.sleep(0.05)  # pause(2) would miss a signal that comes just before it
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        live("stray")
    live("member")
live("leader")
"""
"""A leader, a member of its group, and below it a stray in a session of its own. Each reports the signals it gets."""

PYTHON = (sys.executable, "-I", "-S", "-c")


class Household:
    """Programs as the engine runs them: registered, marked, with their orphans adopted.

    `spared`: what is left of a program when its main process is reaped is not killed yet.
    """

    def __init__(self, nursery: Nursery) -> None:
        self.children = Children()
        self.trees = Trees(self.children, lambda _: MARKS)
        self.nursery = nursery
        self.spared = True
        self.children.meet_end = lambda owner, pid: self.trees.meet_end(
            owner, pid, signal.SIGTERM if self.spared else signal.SIGKILL
        )

    def start(self, *command: str, environment: dict[str, str] | None = None) -> int:
        launch = self.nursery.launch(*command, environment=marks() if environment is None else environment)
        return self.children.spawn(Main(WEB, 1), launch)

    def hear_pids(self, count: int) -> dict[str, int]:
        return {name: int(pid) for name, pid in map(str.split, self.nursery.ear.lines(count))}

    def leave_behind(self, command: str, environment: dict[str, str] | None = None) -> tuple[int, int]:
        """Let a leader start a daemon and exit. Reap the leader and return both pids."""
        leader = self.start("sh", "-c", f"{command} & exit 0", environment=environment)
        daemon = int(self.nursery.ear.line())
        self.reap(leader)
        return leader, daemon

    def reap(self, pid: int) -> None:
        def reap() -> bool:
            self.children.reap()
            self.trees.forget_scan()
            return read_process(pid) is None

        sleep_until(reap)

    def send(self, leader: int, number: int, scope: Scope) -> bool:
        self.trees.forget_scan()
        return self.trees.signal(WEB, leader, number, scope)

    def sweep(self, leader: int, number: int = signal.SIGKILL) -> Left:
        self.trees.forget_scan()
        return self.trees.sweep(WEB, leader, number)

    def kill_leftovers(self, leader: int) -> int:
        """Kill what is left, and return how many processes that was."""
        return len(self.sweep(leader).commands)


@pytest.fixture
def household(nursery: Nursery, adopting: None) -> Iterator[Household]:
    household = Household(nursery)
    yield household
    household.trees.close()


DAEMON = "setsid sh -c 'echo $$; exec sleep 1000'"


# ---- signals


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        (Scope.MAIN, {"leader"}),
        (Scope.GROUP, {"leader", "member"}),
        (Scope.TREE, {"leader", "member", "stray"}),
    ],
    ids=["main", "group", "tree"],
)
def test_a_signal_reaches_exactly_its_scope(household: Household, scope: Scope, reached: set[str]) -> None:
    """SIGUSR2, sent afterwards, shows that the others received no SIGUSR1."""
    household.start(*PYTHON, TREE)
    pids = household.hear_pids(3)
    assert household.send(pids["leader"], signal.SIGUSR1, scope)
    heard = {household.nursery.ear.line() for _ in reached}
    assert heard == {f"{name} heard" for name in reached}
    for pid in pids.values():
        os.kill(pid, signal.SIGUSR2)
    assert set(household.nursery.ear.lines(3)) == {f"{name} waits" for name in pids}


def test_signalling_a_program_that_is_gone_is_not_an_error(household: Household) -> None:
    pid = household.start("true")
    household.reap(pid)
    for scope in Scope:
        assert household.send(pid, signal.SIGTERM, scope)


def test_the_whole_tree_can_be_killed_while_its_leader_is_stopped(household: Household) -> None:
    household.start(*PYTHON, TREE)
    pids = household.hear_pids(3)
    os.kill(pids["leader"], signal.SIGSTOP)
    assert household.send(pids["leader"], signal.SIGKILL, Scope.TREE)
    sleep_until(lambda: all(map(is_gone, pids.values())))


# ---- what belongs to a program


def test_the_main_process_itself_is_not_among_its_belongings(household: Household) -> None:
    household.start(*PYTHON, TREE)
    pids = household.hear_pids(3)
    found = scan().tree_of(pids["leader"], MARKS, household.children.pids)
    assert {process.pid for process in found} == {pids["member"], pids["stray"]}


def test_a_daemon_that_carries_the_marks_is_found_and_killed(household: Household) -> None:
    leader, daemon = household.leave_behind(DAEMON)
    assert read_process(daemon) is not None
    assert household.kill_leftovers(leader) == 1
    household.reap(daemon)
    assert household.kill_leftovers(leader) == 0


def test_children_of_a_daemon_are_killed_even_without_marks(household: Household) -> None:
    leader, daemon = household.leave_behind("setsid sh -c 'env -i /bin/sleep 1000 & echo $$; echo $!; wait'")
    below = int(household.nursery.ear.line())
    sleep_until(lambda: b"SUPINIT" not in environ(below))
    assert household.kill_leftovers(leader) == 2
    household.reap(daemon)
    household.reap(below)


def environ(pid: int) -> bytes:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    "environment",
    [
        marks(identity="another"),
        marks(("web", 2)),
        marks(("cron", 1)),
        {key: value for key, value in marks().items() if not key.startswith("SUPINIT")},
    ],
    ids=["another supinit's", "another instance's", "another program's", "nobody's"],
)
def test_a_daemon_with_other_marks_is_left_alone(household: Household, environment: dict[str, str]) -> None:
    leader, daemon = household.leave_behind(DAEMON, environment)
    assert household.kill_leftovers(leader) == 0
    os.kill(daemon, signal.SIGUSR1)
    _, status = os.waitpid(daemon, 0)
    assert os.WTERMSIG(status) == signal.SIGUSR1


def test_a_daemon_that_dropped_its_marks_and_left_the_session_is_left_alone(household: Household) -> None:
    leader, daemon = household.leave_behind(f"env -i PATH=/bin:/usr/bin {DAEMON}")
    assert household.kill_leftovers(leader) == 0
    os.kill(daemon, signal.SIGUSR1)
    _, status = os.waitpid(daemon, 0)
    assert os.WTERMSIG(status) == signal.SIGUSR1


def test_a_group_of_its_own_in_the_leaders_session_is_killed_even_without_marks(household: Household) -> None:
    """The session keeps the leader's number, whatever process groups are made in it."""
    script = (
        "import os, signal\n"
        "if os.fork() == 0:\n"
        "    os.setpgid(0, 0)\n"
        "    if os.fork() == 0:\n"
        "        os.write(1, b'%d\\n' % os.getpid())\n"
        "        os.execve('/bin/sleep', ['sleep', '1000'], {})\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    leader = household.start(*PYTHON, script)
    member = int(household.nursery.ear.line())
    household.reap(leader)
    assert household.kill_leftovers(leader) == 1
    household.reap(member)


def test_the_main_processes_of_other_programs_are_never_stragglers(household: Household) -> None:
    leader = household.start("true")
    household.reap(leader)
    twin = household.start("sleep", "1000")
    orphan = household.leave_behind(DAEMON, {})[1]
    assert household.kill_leftovers(leader) == 0
    assert not is_gone(twin)
    assert not is_gone(orphan)


def test_a_recycled_leader_pid_makes_no_stranger_a_leftover(household: Household) -> None:
    """The kernel does not reuse the number of a live group or session, so its new holder has no part in the program."""
    stranger = household.leave_behind("setsid sh -c 'sleep 1000 & echo $$; echo $!; wait'", marks(("cron", 1)))[1]
    child = int(household.nursery.ear.line())
    assert household.kill_leftovers(stranger) == 0
    os.kill(child, signal.SIGUSR1)
    sleep_until(lambda: is_gone(child))
    os.kill(stranger, signal.SIGKILL)
    household.reap(stranger)


def test_without_an_unknown_child_not_all_processes_are_read(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One short file is enough in the usual case, however many processes there are."""
    leader = household.start("true")
    household.reap(leader)
    household.start("sleep", "1000")

    def scan() -> Scan:
        raise AssertionError("every process was read")

    monkeypatch.setattr(trees, "scan", scan)
    assert household.kill_leftovers(leader) == 0


# ---- what is left when a main process ends in a stop


CRON = """
import os, signal, sys
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        os.write(1, f"job {os.getpid()}\\n".encode())
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execve("/bin/sleep", ["sleep", "1000"], {})
    os.write(1, f"member {os.getpid()}\\n".encode())
    signal.pause()
signal.pause()
"""
"""As cron does it: a member of the group, and below it a job with its own session, environment and output."""


def started_cron(household: Household) -> tuple[int, dict[str, int]]:
    leader = household.start(*PYTHON, CRON)
    pids = household.hear_pids(2)
    sleep_until(lambda: environ(pids["job"]) == b"")
    return leader, pids


@pytest.mark.parametrize("spared", [True, False], ids=["in a stop", "after a crash"])
def test_a_job_that_left_everything_is_known_by_its_ancestors(household: Household, spared: bool) -> None:
    """Once the member is killed, the job is an orphan like any other."""
    household.spared = spared
    leader, pids = started_cron(household)
    os.kill(leader, signal.SIGKILL)
    household.reap(leader)
    assert sorted(household.sweep(leader).killed) == [NAME, "sleep"]
    for pid in pids.values():
        household.reap(pid)
    assert household.sweep(leader) == Left()


def test_a_job_is_remembered_from_before_its_ancestors_were_signalled(household: Household) -> None:
    leader, pids = started_cron(household)
    household.trees.begin_step(WEB, leader)
    household.send(leader, signal.SIGTERM, Scope.GROUP)
    household.reap(leader)
    household.reap(pids["member"])
    assert household.sweep(leader).killed == ("sleep",)
    household.reap(pids["job"])


EARS = """
import os, signal, sys, time
def hear(number, _):
    os.write(1, f"{name} {signal.Signals(number).name}\\n".encode())
    if name == "stubborn" and number == signal.SIGTERM:
        return
    os._exit(0)
name = "leader"
for word in ("member", "stubborn"):
    if os.fork() == 0:
        name = word
        break
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCONT):
    signal.signal(number, hear if number != signal.SIGCONT else signal.SIG_DFL)
os.write(1, f"{name} {os.getpid()}\\n".encode())
while True:
    time.sleep(0.05)  # pause(2) would miss a signal that comes just before it
"""


def test_leftovers_get_the_signal_once_and_are_reported(household: Household) -> None:
    household.start(*PYTHON, EARS)
    pids = household.hear_pids(3)
    household.trees.begin_step(WEB, pids["leader"])
    household.send(pids["leader"], signal.SIGTERM, Scope.MAIN)
    household.reap(pids["leader"])
    left = household.sweep(pids["leader"], signal.SIGTERM)
    assert (left.signalled, left.killed) == ((NAME,) * 2, ())
    household.reap(pids["member"])
    assert household.sweep(pids["leader"], signal.SIGTERM) == Left(commands=(NAME,))
    heard = household.nursery.ear.lines(3)  # before SIGKILL, which a busy process would meet first
    assert sorted(heard) == ["leader SIGTERM", "member SIGTERM", "stubborn SIGTERM"]
    assert household.sweep(pids["leader"]) == Left(commands=(NAME,), killed=(NAME,))
    household.reap(pids["stubborn"])
    assert household.sweep(pids["leader"]) == Left()
    assert household.nursery.ear.rest() == ""


@pytest.mark.parametrize("scope", [Scope.GROUP, Scope.TREE], ids=["group", "tree"])
def test_leftovers_that_the_step_has_reached_do_not_get_its_signal_again(household: Household, scope: Scope) -> None:
    """A second SIGTERM means "at once" to many servers."""
    household.start(*PYTHON, EARS)
    pids = household.hear_pids(3)
    household.trees.begin_step(WEB, pids["leader"])
    household.send(pids["leader"], signal.SIGTERM, scope)
    household.reap(pids["leader"])
    household.reap(pids["member"])
    assert household.sweep(pids["leader"], signal.SIGTERM) == Left(commands=(NAME,))
    heard = household.nursery.ear.lines(3)
    assert sorted(heard) == ["leader SIGTERM", "member SIGTERM", "stubborn SIGTERM"]
    os.kill(pids["stubborn"], signal.SIGUSR1)
    household.reap(pids["stubborn"])
    assert household.nursery.ear.rest() == "stubborn SIGUSR1\n"


def test_a_stopped_leftover_is_continued(household: Household) -> None:
    household.start(*PYTHON, EARS)
    pids = household.hear_pids(3)
    os.kill(pids["member"], signal.SIGSTOP)
    os.kill(pids["leader"], signal.SIGKILL)
    household.reap(pids["leader"])
    household.sweep(pids["leader"], signal.SIGTERM)
    household.reap(pids["member"])


def test_what_the_last_sigkill_of_a_stop_has_killed_is_not_counted_as_left(household: Household) -> None:
    household.start(*PYTHON, EARS)
    pids = household.hear_pids(3)
    household.send(pids["leader"], signal.SIGKILL, Scope.TREE)
    household.reap(pids["leader"])
    assert household.sweep(pids["leader"]).killed == ()


# ---- what cannot be read or signalled


def without_descriptors(act: Callable[[], T]) -> T:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(open_descriptors())
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limit[1]), limit[1]))
    fillers: list[int] = []
    try:
        while True:
            try:
                fillers.append(os.dup(0))
            except OSError:
                break
        return act()
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        assert max(open_descriptors()) == highest


def test_without_descriptors_leftovers_are_seen_and_killed_by_the_reserve(household: Household) -> None:
    leader, daemon = household.leave_behind(DAEMON)
    assert without_descriptors(lambda: household.sweep(leader)).commands != ()
    household.reap(daemon)
    assert household.sweep(leader) == Left()


def test_what_cannot_be_read_is_unknown_and_never_taken_for_gone(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, daemon = household.leave_behind(DAEMON)

    def list_pids() -> list[int]:
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))

    with monkeypatch.context() as patched:
        patched.setattr("supervisor.process.scan.list_pids", list_pids)
        unknown = household.sweep(leader)
    assert unknown == Left(unknown="cannot read /proc: Too many open files in system")
    assert household.kill_leftovers(leader) == 1
    household.reap(daemon)


# ---- one process


def test_a_process_is_signalled(nursery: Nursery) -> None:
    pid = nursery.start("sleep", "1000")
    process = read_process(pid)
    assert process is not None
    assert signal_process(process, signal.SIGTERM)
    assert nursery.end(pid) == -signal.SIGTERM


@pytest.mark.parametrize("has_pidfds", [True, False], ids=["pidfd", "number"])
def test_a_recycled_pid_is_not_signalled(nursery: Nursery, monkeypatch: pytest.MonkeyPatch, has_pidfds: bool) -> None:
    if not has_pidfds:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    pid = nursery.start("sleep", "1000")
    process = read_process(pid)
    assert process is not None
    assert not signal_process(replace(process, started=process.started - 1), signal.SIGKILL)
    assert signal_process(process, signal.SIGTERM)
    assert nursery.end(pid) == -signal.SIGTERM


def refuse(_: int) -> int:
    """Behave as a kernel or sandbox without pidfds."""
    raise OSError(38, "Function not implemented")


@pytest.mark.parametrize("has_pidfds", [True, False], ids=["pidfd", "number"])
def test_a_process_that_is_gone_is_not_signalled(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch, has_pidfds: bool
) -> None:
    if not has_pidfds:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    pid = nursery.start("sleep", "1000")
    process = read_process(pid)
    assert process is not None
    os.kill(pid, signal.SIGKILL)
    nursery.end(pid)
    assert not signal_process(process, signal.SIGTERM)


# ---- the whole container


def test_a_subreaper_kills_its_descendants_and_nothing_else(household: Household) -> None:
    _, daemon = household.leave_behind("env -i PATH=/bin:/usr/bin " + DAEMON)
    household.start(*PYTHON, TREE, environment={})
    pids = household.hear_pids(3)
    assert kill_everything(is_init=False) == 4

    def reap() -> bool:
        household.children.reap()
        return kill_everything(is_init=False) == 0

    sleep_until(reap)
    assert [pid for pid in (daemon, *pids.values()) if read_process(pid) is not None] == []
    assert own_children() == []
    if os.getpid() != 1:  # as PID 1, pytest has no parent
        parent = read_process(os.getppid())
        assert parent is not None
        assert not parent.is_zombie


def run_as_pid_1(nursery: Nursery, script: str) -> str:
    """Run Python code as PID 1 of a namespace of its own, and return its output."""
    command = (sys.executable, "-I", "-c", script)
    pid = nursery.start("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command)
    output = nursery.ear.rest()
    if "Operation not permitted" in output:
        pytest.skip("a PID namespace cannot be made here")
    assert nursery.end(pid) == 0
    return output


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace of one's own takes root, or user namespaces")
def test_pid_1_kills_its_whole_namespace(nursery: Nursery) -> None:
    script = (
        f"import os, subprocess, sys; sys.path[:0] = {sys.path!r}\n"
        "from supervisor.process.sweep import kill_everything\n"
        "assert os.getpid() == 1\n"
        "for _ in range(3):\n"
        "    os.posix_spawn('/bin/sleep', ['sleep', '1000'], {}, setsid=True)\n"
        "print(kill_everything(True), flush=True)\n"
        "for _ in range(3):\n"
        "    assert os.waitstatus_to_exitcode(os.wait()[1]) == -9\n"
        "print(kill_everything(True), flush=True)\n"
    )
    assert run_as_pid_1(nursery, script) == "3\n0\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace of one's own takes root, or user namespaces")
def test_one_list_shows_whether_there_is_anything_that_supinit_has_not_started(nursery: Nursery) -> None:
    script = (
        f"import os, sys; sys.path[:0] = {sys.path!r}\n"
        "from supervisor.process.sweep import are_all_known\n"
        "alone = os.posix_spawn('/bin/sleep', ['sleep', '1000'], {}, setsid=True)\n"
        "print(are_all_known({alone}), are_all_known(()), are_all_known({alone, 4000}), flush=True)\n"
        "end, other = os.pipe()\n"
        "shell = ['sh', '-c', 'setsid sleep 1000 & echo; wait']\n"
        "parent = os.posix_spawn('/bin/sh', shell, {}, file_actions=[(os.POSIX_SPAWN_DUP2, other, 1)], setsid=True)\n"
        "os.read(end, 1)\n"
        "print(are_all_known({alone, parent}), flush=True)\n"
    )
    assert run_as_pid_1(nursery, script) == "True False False\nFalse\n"
