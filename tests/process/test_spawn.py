from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.program import Credentials, Limit
from supervisor.core.record import replace
from supervisor.errors import ExecutableBusy, SpawnError
from supervisor.process.executable import DEFAULT_PATH, find_executable
from supervisor.process.procfs import own_children, read_process
from supervisor.process.spawn import spawn
from supervisor.process.subreaper import keep_descriptors
from supervisor.umask import own_umask

from .nursery import NOBODY, Nursery, elsewhere, open_descriptors, sleep_until
from .syscalls import CLONE3, EXECVE, refuse

CAP_SYS_NICE = 1 << 23

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def unruly() -> Iterator[None]:
    """A parent that ignores, handles and blocks signals."""
    old = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        signal.SIGUSR1: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        signal.SIGUSR2: signal.signal(signal.SIGUSR2, lambda *_: None),
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 3})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in old.items():
        signal.signal(number, handler)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def surroundings() -> tuple[object, ...]:
    """Return everything of this process that a start could leave changed."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return os.getcwd(), own_umask(), mask, open_descriptors(), sorted(own_children())


# ---- what every process gets


def test_a_process_leads_its_own_session_and_group(nursery: Nursery, way: dict[str, Any]) -> None:
    pid = nursery.start("sleep", "1000", **way)
    process = read_process(pid)
    assert process is not None
    assert (process.session, process.group) == (pid, pid)


@pytest.mark.usefixtures("unruly")
def test_a_process_has_default_dispositions_and_an_empty_mask(nursery: Nursery, way: dict[str, Any]) -> None:
    """glibc reserves signals 32 and 33 and hides them from programs (nptl(7))."""
    status = status_of(nursery.settle("sleep", "1000", **way))
    glibcs_own = 1 << 31 | 1 << 32
    fields = ("SigBlk", "SigIgn", "SigCgt", "SigPnd")
    assert {name: int(status[name], 16) & ~glibcs_own for name in fields} == dict.fromkeys(fields, 0)


@pytest.mark.usefixtures("unruly")
def test_a_signal_ends_a_process_right_after_its_start(nursery: Nursery, way: dict[str, Any]) -> None:
    pid = nursery.start("sleep", "1000", **way)
    os.kill(pid, signal.SIGTERM)
    assert nursery.end(pid) == -signal.SIGTERM


def test_a_process_has_no_descriptor_but_0_to_2(nursery: Nursery, way: dict[str, Any]) -> None:
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        keep_descriptors()
        pid = nursery.settle("sleep", "1000", **way)
        sleep_until(
            lambda: sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
        )  # it has files of its own at first
    finally:
        os.close(inherited)


def test_a_process_gets_the_descriptors_of_its_launch(nursery: Nursery, way: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "in").write_text("asked")
    stdin = os.open(tmp_path / "in", os.O_RDONLY)
    stderr = os.open(tmp_path / "err", os.O_WRONLY | os.O_CREAT)
    said = nursery.output("sh", "-c", "cat; echo answered >&2", stdin=stdin, stderr=stderr, **way)
    os.close(stdin)
    os.close(stderr)
    assert (said, (tmp_path / "err").read_text()) == ("asked", "answered\n")


def test_closed_standard_descriptors_are_opened_first(nursery: Nursery, tmp_path: Path) -> None:
    """A pipe with descriptor number 0 would be overwritten in the child before it could become its stdout."""

    def start_without_standard_descriptors() -> str:
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        keep_descriptors()
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        assert min(read_end, write_end) > 2
        pid = spawn(replace(nursery.launch("echo", "heard"), stdout=write_end))
        os.waitpid(pid, 0)
        return os.read(read_end, 100).decode()

    assert elsewhere(start_without_standard_descriptors) == "heard\n"


def test_a_process_starts_in_its_working_dir_with_its_umask(
    nursery: Nursery, way: dict[str, Any], tmp_path: Path
) -> None:
    before = surroundings()
    said = nursery.output("sh", "-c", "pwd -P; umask", working_dir=str(tmp_path), umask=0o027, **way)
    assert said.split() == [str(tmp_path.resolve()), "0027"]
    assert surroundings()[:3] == before[:3]


def test_a_working_dir_is_entered_from_one_that_supinit_may_not_enter_itself(nursery: Nursery, tmp_path: Path) -> None:
    """Such as /root, the working directory of an image that runs as another user."""

    def start() -> str:
        os.chdir(tmp_path)
        tmp_path.chmod(0o700)
        os.setuid(NOBODY)
        nursery.start("sh", "-c", "pwd; umask", working_dir="/usr", umask=0o027)
        return " ".join(nursery.ear.lines(2))

    assert elsewhere(start) == "/usr 0027"


def test_a_command_with_a_slash_is_looked_up_from_working_dir(
    nursery: Nursery, way: dict[str, Any], tmp_path: Path
) -> None:
    script = tmp_path / "run"
    script.write_text("#!/bin/sh\necho here\n")
    script.chmod(0o755)
    assert nursery.output("./run", working_dir=str(tmp_path), **way) == "here\n"


def test_a_process_has_exactly_its_environment(nursery: Nursery, way: dict[str, Any]) -> None:
    environment = {"PATH": DEFAULT_PATH, "EMPTY": "", "TEXT": "ä b=c\n", "RAW": "\udcff"}
    pid = nursery.settle("sleep", "1000", environment=environment, **way)
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert sorted(entries[:-1]) == sorted(os.fsencode(f"{name}={value}") for name, value in environment.items())


def test_a_process_gets_its_arguments_unchanged(nursery: Nursery, way: dict[str, Any]) -> None:
    pid = nursery.settle("sleep", "1000", **way)
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\x00"


# ---- what only a fork can give


def test_a_process_has_its_ulimits(nursery: Nursery) -> None:
    hard = min(256, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    said = nursery.output("sh", "-c", "ulimit -Sn; ulimit -Hn", ulimits=(Limit("nofile", 64, hard),))
    assert said.split() == ["64", str(hard)]


def test_minus_one_is_an_unlimited_ulimit(nursery: Nursery) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY and os.geteuid() != 0:
        pytest.skip("the hard limit is below unlimited here, and only root can raise it")
    assert nursery.output("sh", "-c", "ulimit -c", ulimits=(Limit("core", -1, -1),)) == "unlimited\n"


def test_a_process_has_its_nice_value(nursery: Nursery) -> None:
    assert nursery.output("nice", nice=7) == "7\n"


def test_a_process_has_its_oom_score(nursery: Nursery) -> None:
    assert nursery.output("cat", "/proc/self/oom_score_adj", oom_score_adj=600) == "600\n"


@needs_root
def test_a_process_runs_as_its_user_with_its_groups(nursery: Nursery) -> None:
    credentials = Credentials(uid=12345, gid=12346, groups=(12346, 4, 12399))
    status = status_of(nursery.start("sleep", "1000", credentials=credentials))
    assert status["Uid"].split() == ["12345"] * 4
    assert status["Gid"].split() == ["12346"] * 4
    assert set(status["Groups"].split()) == {"12346", "4", "12399"}
    assert int(status["CapEff"], 16) == 0


@needs_root
def test_settings_that_need_privileges_are_applied_before_they_are_dropped(nursery: Nursery) -> None:
    if not int(status_of(os.getpid())["CapEff"], 16) & CAP_SYS_NICE:
        pytest.skip("without CAP_SYS_NICE not even root may lower its niceness")
    assert nursery.output("sh", "-c", "nice; id -u", nice=-3, credentials=Credentials(12345, 12345)) == "-3\n12345\n"


@needs_root
def test_working_dir_is_entered_as_the_user(nursery: Nursery, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SpawnError, match=f"^cannot change to {closed}: Permission denied$"):
        nursery.start("true", working_dir=str(closed), credentials=Credentials(NOBODY, NOBODY))


def test_an_unprivileged_user_may_name_itself(nursery: Nursery) -> None:
    user = os.geteuid() or NOBODY

    def become_myself() -> str:
        credentials = Credentials(os.geteuid(), os.getegid(), tuple(os.getgroups()))
        nursery.start("id", "-u", credentials=credentials)
        return nursery.ear.line()

    assert elsewhere(become_myself, user) == str(user)


# ---- what cannot be started


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text, mode in (
        ("plain", "#!/bin/sh\n", 0o644),
        ("textual", "echo no interpreter\n", 0o755),
        ("homeless", "#!/nowhere/interpreter\n", 0o755),
    ):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "sentence", "code"),
    [
        ("no-such-command", "cannot be started: no-such-command was not found in {files}", 127),
        ("", "cannot be started:  was not found in {files}", 127),
        ("{files}/missing", "cannot be started: {files}/missing: No such file or directory", 127),
        ("{files}/plain/x", "cannot be started: {files}/plain/x: Not a directory", 127),
        ("plain", "cannot be started: {files}/plain is not executable", 126),
        ("{files}/plain", "cannot be started: {files}/plain: Permission denied", 126),
        ("folder", "cannot be started: folder was not found in {files}", 127),
        ("{files}/folder", "cannot be started: {files}/folder: Permission denied", 126),
        (
            "{files}/textual",
            "cannot be started: {files}/textual: Exec format error (does it start with #! and an interpreter?)",
            126,
        ),
        (
            "{files}/homeless",
            "cannot be started: {files}/homeless: No such file or directory (its interpreter)",
            127,
        ),
        ("{files}/loop", "cannot be started: {files}/loop: Too many levels of symbolic links", 126),
        ("{files}/nul\0", "cannot be started: ", 126),
    ],
    ids=[
        "not found", "no name", "missing", "below a file", "not executable", "path not executable", "folder in PATH",
        "folder", "no #!", "no interpreter", "symlink loop", "NUL",
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_executed_leaves_nothing_behind(
    nursery: Nursery, way: dict[str, Any], files: Path, command: str, sentence: str, code: int
) -> None:
    before = surroundings()
    launch = nursery.launch(
        command.format(files=files), environment={"PATH": str(files)}, working_dir="/", umask=0o001, **way
    )
    with pytest.raises(SpawnError) as caught:
        spawn(launch)
    assert str(caught.value).startswith(sentence.format(files=files))
    assert caught.value.code == code
    assert surroundings() == before


def test_a_missing_working_dir_is_a_temporary_failure(nursery: Nursery, way: dict[str, Any], tmp_path: Path) -> None:
    before = surroundings()
    missing = f"{tmp_path}/not here"
    with pytest.raises(SpawnError) as caught:
        nursery.start("true", working_dir=missing, umask=0o077, **way)
    assert str(caught.value) == f"cannot change to {missing}: No such file or directory"
    assert caught.value.code is None
    assert surroundings() == before


def test_a_working_dir_that_is_not_utf_8_is_reported_like_any_other(
    nursery: Nursery, way: dict[str, Any], tmp_path: Path
) -> None:
    missing = f"{tmp_path}/\udcff"
    with pytest.raises(SpawnError) as caught:
        nursery.start("true", working_dir=missing, **way)
    assert str(caught.value) == f"cannot change to {missing}: No such file or directory"


def test_a_hard_limit_that_cannot_be_raised_is_named(nursery: Nursery) -> None:
    def raise_it() -> tuple[str, int | None, bool]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
        before = surroundings()
        try:
            nursery.start("true", ulimits=(Limit("nofile", 1000, 2000),))
        except SpawnError as error:
            return str(error), error.code, surroundings() == before
        raise AssertionError("it was raised")

    assert elsewhere(raise_it, os.geteuid() or NOBODY) == (
        "cannot set its ulimit nofile: Operation not permitted (it needs a higher hard limit)", None, True,
    )  # fmt: skip


def test_a_user_that_cannot_be_switched_to_is_named(nursery: Nursery) -> None:
    def become_root() -> tuple[str, int | None, bool]:
        before = surroundings()
        try:
            nursery.start("true", credentials=Credentials(0, os.getegid(), tuple(os.getgroups()), name="root"))
        except SpawnError as error:
            return str(error), error.code, surroundings() == before
        raise AssertionError("it was allowed")

    assert elsewhere(become_root, os.geteuid() or NOBODY) == (
        "cannot switch to user root: Operation not permitted (it needs root, or CAP_SETUID and CAP_SETGID)", None, True,
    )  # fmt: skip


def test_the_process_limit_is_a_temporary_failure(nursery: Nursery, way: dict[str, Any]) -> None:
    """At the process limit fork(2) fails with EAGAIN. Root has no such limit."""

    def start_too_many() -> tuple[str, int | None, bool]:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        before = surroundings()
        try:
            nursery.start("true", **way)
        except SpawnError as error:
            return str(error), error.code, surroundings() == before
        raise AssertionError("a process was made")

    sentence, code, is_clean = elsewhere(start_too_many, os.geteuid() or NOBODY)
    assert sentence == (
        "cannot be started: Resource temporarily unavailable "
        "(no process can be created: the limit of processes, of the user or of the container, is reached)"
    )
    assert (code, is_clean) == (None, True)


def test_the_descriptor_limit_is_a_temporary_failure(nursery: Nursery, way: dict[str, Any]) -> None:
    def start_without_descriptors() -> int | None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        try:
            nursery.start("true", working_dir="/", **way)
        except SpawnError as error:
            return error.code
        return 0

    assert elsewhere(start_without_descriptors) is None


def test_where_clone3_is_refused_a_fork_does_it(nursery: Nursery, way: dict[str, Any]) -> None:
    """glibc's posix_spawn(3) uses clone3(2), which seccomp profiles of older container engines refuse with EPERM."""

    def start() -> tuple[bool, str]:
        refuse(CLONE3, errno.EPERM)
        with pytest.raises(PermissionError):
            os.posix_spawn("/bin/true", ["true"], {})
        nursery.start("sh", "-c", "pwd; umask", working_dir="/", umask=0o027, **way)
        return True, " ".join(nursery.ear.lines(2))

    assert elsewhere(start) == (True, "/ 0027")


def test_an_executable_that_is_refused_is_refused_after_a_fork_too(nursery: Nursery, tmp_path: Path) -> None:
    def start() -> tuple[str, int | None]:
        refuse(EXECVE, errno.EPERM)
        with pytest.raises(SpawnError) as caught:
            nursery.start("/bin/true")
        return str(caught.value), caught.value.code

    assert elsewhere(start) == ("cannot be started: /bin/true: Operation not permitted", 126)


def test_an_executable_that_is_open_for_writing_is_told_from_others(
    nursery: Nursery, way: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "tool"
    shutil.copy(shutil.which("true") or "", path)
    with open(path, "ab"), pytest.raises(ExecutableBusy) as caught:
        nursery.start(str(path), **way)
    assert str(caught.value) == f"cannot be started: {path} is open for writing: Text file busy"
    assert nursery.end(nursery.start(str(path), **way)) == 0


# ---- looking a command up


def test_the_first_executable_file_in_the_path_is_used(tmp_path: Path) -> None:
    for folder, mode in (("a", 0o644), ("b", 0o755), ("c", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text("#!/bin/sh\n")
        (tmp_path / folder / "tool").chmod(mode)
    path = ":".join(f"{tmp_path}/{folder}" for folder in "abc")
    assert find_executable("tool", path) == f"{tmp_path}/b/tool"


def test_a_name_with_a_slash_is_used_unchanged() -> None:
    assert find_executable("./nowhere/tool", "/bin") == "./nowhere/tool"


def test_an_empty_folder_in_the_path_is_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert find_executable("tool", "/nowhere:") == "./tool"


def test_descriptors_reach_their_numbers_whatever_numbers_they_have_here(nursery: Nursery, way: dict[str, Any]) -> None:
    """Each number that is given is one that supinit itself uses for another of them."""
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
    ends = [write_end for _, write_end in pipes]
    numbers = [ends[1], ends[2], ends[0]]
    before = open_descriptors()
    script = "import os, sys\nfor i, n in enumerate(sys.argv[1:]): os.write(int(n), str(i).encode())"
    command = ("python3", "-I", "-S", "-c", script, *map(str, numbers))
    nursery.output(*command, extra=tuple(zip(ends, numbers, strict=True)), **way)
    assert open_descriptors() <= before
    for write_end in ends:
        os.close(write_end)
    assert [os.read(read_end, 10) for read_end, _ in pipes] == [b"0", b"1", b"2"]
    for read_end, _ in pipes:
        os.close(read_end)


def test_a_variable_may_hold_the_pid_of_the_process(nursery: Nursery, way: dict[str, Any]) -> None:
    """LISTEN_PID of sd_listen_fds(3); the environment of the others is unchanged."""
    output = nursery.output("sh", "-c", "echo $LISTEN_PID $$ $PATH", pid_variable="LISTEN_PID", **way).split()
    assert output == [output[1], output[1], DEFAULT_PATH]
