"""The notify sockets and descriptors: first by themselves, then believed or not by an engine with real processes."""

from __future__ import annotations

import array
import errno
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.life import Exited, Fatal, Running, Starting, Stopped
from supervisor.core.notice import MAX_DATAGRAM
from supervisor.core.program import (
    Credentials,
    InstanceId,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    SignalStep,
)
from supervisor.core.protocol import MAX_SOCKET_PATH
from supervisor.core.record import replace
from supervisor.core.tree import Owner, OwnerKind
from supervisor.health.notices import DATAGRAMS, Datagram, Notices, ReadinessNewline
from supervisor.process.procfs import own_children

from ..engines import VOICE, Turn, Turned, program, script, speaker
from ..engines import adopting as adopting
from ..engines import open_folder as open_folder
from ..engines import turned as turned
from ..process.conftest import nursery as nursery
from ..process.conftest import way as way
from ..process.nursery import (
    LIMIT,
    NOBODY,
    Nursery,
    elsewhere,
    is_gone,
    open_descriptors,
    sleep_until,
)

WEB: InstanceId = ("web", 1)
USER = Credentials(NOBODY, NOBODY)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def notices(open_folder: Path) -> Iterator[Notices]:
    notices = Notices(str(open_folder))
    yield notices
    notices._epoll.close()
    close(notices)


def close(notices: Notices) -> None:
    for listener in notices._sockets.values():
        listener.close()
    for descriptor in notices._pipes:
        os.close(descriptor)
    notices._epoll.close()


def send(path: str, *datagrams: bytes, rights: tuple[int, ...] = ()) -> None:
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", rights))] if rights else []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        for datagram in datagrams:
            speaker.sendmsg([datagram], ancillary, 0, path)


def heard(notices: Notices) -> list[bytes]:
    return [taken.datagram for taken in notices.take() if isinstance(taken, Datagram)]


# ---- the socket


def test_an_instance_has_a_socket_of_its_own_in_run_dir(notices: Notices, open_folder: Path) -> None:
    paths = [notices.open_socket(("web", number), None) for number in (1, 2)]
    assert paths == [f"{open_folder}/notify/web.1", f"{open_folder}/notify/web.2"]
    send(paths[1], b"READY=1")
    assert list(notices.take()) == [Datagram(("web", 2), os.getpid(), b"READY=1")]


def test_a_socket_is_made_once_and_lives_through_restarts(notices: Notices) -> None:
    path = notices.open_socket(WEB, None)
    before = os.stat(path).st_ino, open_descriptors()
    assert notices.open_socket(WEB, None) == path
    assert (os.stat(path).st_ino, open_descriptors()) == before


@needs_root
def test_the_socket_belongs_to_the_programs_user(notices: Notices) -> None:
    status = os.stat(notices.open_socket(WEB, USER))
    assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000, 0o777], ids=oct)
def test_every_user_reaches_the_socket_whatever_umask_supinit_has(open_folder: Path, umask: int) -> None:
    """Who may be believed is for the kernel's credentials to say, not for the file's mode."""

    def modes() -> tuple[int, int]:
        os.umask(umask)
        path = Notices(str(open_folder)).open_socket(WEB, None)
        return stat.S_IMODE(os.stat(path).st_mode), stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)

    assert elsewhere(modes) == (0o666, 0o755)


@pytest.mark.parametrize("kind", ["file", "socket", "link", "dangling link"])
def test_what_an_earlier_life_left_in_its_place_is_replaced(notices: Notices, open_folder: Path, kind: str) -> None:
    path, target = open_folder / "notify" / "web.1", open_folder / "target"
    path.parent.mkdir()
    match kind:
        case "file":
            path.write_text("old")
        case "socket":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
                old.bind(str(path))
        case _:
            path.symlink_to(target)
    if kind == "link":
        target.write_text("precious")
        target.chmod(0o640)
    notices.open_socket(WEB, USER if os.geteuid() == 0 else None)
    assert stat.S_ISSOCK(os.lstat(path).st_mode)
    if kind == "link":
        status = target.stat()
        assert (target.read_text(), stat.S_IMODE(status.st_mode), status.st_uid) == ("precious", 0o640, os.geteuid())
    send(str(path), b"READY=1")
    assert heard(notices) == [b"READY=1"]


@pytest.mark.parametrize("is_in_the_way", ["the folder", "the socket"])
def test_a_socket_that_cannot_be_made_is_an_error_and_leaves_no_descriptor(
    notices: Notices, open_folder: Path, is_in_the_way: str
) -> None:
    if is_in_the_way == "the folder":
        (open_folder / "notify").write_text("a file")
    else:
        (open_folder / "notify" / "web.1").mkdir(parents=True)
    before = open_descriptors()
    with pytest.raises(OSError, match=r"Errno"):
        notices.open_socket(WEB, None)
    assert open_descriptors() == before


def test_a_path_too_long_for_a_socket_is_an_error_that_says_so(open_folder: Path) -> None:
    notices = Notices(str(open_folder / ("x" * 120)))
    before = open_descriptors()
    with pytest.raises(OSError, match="longer than 107 bytes") as caught:
        notices.open_socket(WEB, None)
    assert caught.value.errno == errno.ENAMETOOLONG
    assert open_descriptors() == before
    notices._epoll.close()


# ---- datagrams


def test_the_sender_is_the_process_that_has_sent(notices: Notices, nursery: Nursery) -> None:
    path = notices.open_socket(WEB, None)
    pid = nursery.python(VOICE + f"say('STATUS=a', path={path!r}); say('STATUS=b', path={path!r})")
    assert nursery.end(pid) == 0
    assert list(notices.take()) == [
        Datagram(WEB, pid, b"STATUS=a", is_gone=True),
        Datagram(WEB, pid, b"STATUS=b", is_gone=True),
    ]


def test_a_private_socket_is_told_apart_and_its_name_is_no_ones_guess(notices: Notices, open_folder: Path) -> None:
    private = notices.open_private_socket(WEB, None)
    assert notices.open_private_socket(WEB, None) == private
    other = notices.open_private_socket(("other", 1), None)
    assert {os.path.dirname(path) for path in (private, other)} == {f"{open_folder}/notify/private"}
    assert len({*map(os.path.basename, (private, other))}) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}", os.path.basename(path)) for path in (private, other))
    for path in (private, notices.open_socket(WEB, None)):
        send(path, b"READY=1")
    assert set(notices.take()) == {
        Datagram(WEB, os.getpid(), b"READY=1", is_private=True),
        Datagram(WEB, os.getpid(), b"READY=1"),
    }


def test_only_root_can_list_the_private_sockets_and_those_of_an_earlier_supinit_are_removed(
    notices: Notices, open_folder: Path
) -> None:
    before = Notices(str(open_folder))
    earlier = before.open_private_socket(WEB, None)
    close(before)
    private = notices.open_private_socket(WEB, None)
    folder = open_folder / "notify" / "private"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711
    assert [str(path) for path in folder.iterdir()] == [private]
    assert earlier != private


def test_a_private_socket_whose_path_is_too_long_is_the_public_one(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * (MAX_SOCKET_PATH - len(f"{tmp_path}//notify/web.1")))
    folder.mkdir()
    notices = Notices(str(folder))
    assert notices.open_private_socket(WEB, None) == f"{folder}/notify/web.1"
    close(notices)


def test_the_pidfd_of_each_sender_is_closed(notices: Notices) -> None:
    path = notices.open_private_socket(WEB, None)
    before = open_descriptors()
    for _ in range(20):
        send(path, b"READY=1")
        assert len(list(notices.take())) == 1
    assert open_descriptors() == before


@needs_root
def test_only_the_kernel_says_who_the_sender_is(notices: Notices) -> None:
    """An unprivileged process cannot send in another one's name (unix(7))."""
    path = notices.open_socket(WEB, None)
    os.chmod(path, 0o666)
    test = os.getpid()

    def forge() -> tuple[int, int]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            credentials = struct.pack("3i", test, NOBODY, NOBODY)
            try:
                speaker.sendmsg([b"READY=1"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)], 0, path)
            except PermissionError:
                return os.getpid(), errno.EPERM
        return os.getpid(), 0

    pid, error = elsewhere(forge, NOBODY)
    assert error == errno.EPERM
    assert pid != test
    assert list(notices.take()) == []


def test_a_datagram_that_is_too_long_is_never_taken_for_a_shorter_one(notices: Notices) -> None:
    path = notices.open_socket(WEB, None)
    fitting = b"READY=1\nSTATUS=".ljust(MAX_DATAGRAM, b"x")
    for datagram in (fitting, fitting + b"x", fitting + b"xx", b"READY=1\n".ljust(100_000, b"x")):
        send(path, datagram)
    sizes = [len(datagram) for datagram in heard(notices)]
    assert sizes == [MAX_DATAGRAM, MAX_DATAGRAM + 1]


def test_an_empty_datagram_hides_nothing_behind_it(notices: Notices) -> None:
    path = notices.open_socket(WEB, None)
    send(path, b"", b"READY=1")
    assert heard(notices) == [b"", b"READY=1"]


@pytest.mark.parametrize("count", [1, 2, 253])
def test_descriptors_that_come_along_are_closed(notices: Notices, count: int) -> None:
    path = notices.open_socket(WEB, None)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    send(path, b"FDSTORE=1\nFDNAME=x", rights=(null,) * count)
    os.close(null)
    before = open_descriptors()
    assert heard(notices) == [b"FDSTORE=1\nFDNAME=x"]
    assert open_descriptors() == before


def test_descriptors_of_a_datagram_that_is_too_long_are_closed_too(notices: Notices) -> None:
    path = notices.open_socket(WEB, None)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    before = open_descriptors()
    send(path, b"x" * (MAX_DATAGRAM + 2), rights=(null,))
    assert heard(notices) == []
    assert open_descriptors() == before
    os.close(null)


def test_a_barrier_is_answered_once_everything_before_it_has_been_taken(notices: Notices) -> None:
    """sd_notify_barrier(3) waits for its descriptor to be closed; until then the sender lives, to be looked at."""
    path = notices.open_socket(WEB, None)
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    send(path, b"READY=1")
    send(path, b"BARRIER=1", rights=(write_end,))
    os.close(write_end)
    taken = notices.take()
    first = next(taken)
    with pytest.raises(BlockingIOError):
        os.read(read_end, 1)
    rest = list(taken)
    assert os.read(read_end, 1) == b""
    assert [first, *rest] == [Datagram(WEB, os.getpid(), b"READY=1"), Datagram(WEB, os.getpid(), b"BARRIER=1")]
    os.close(read_end)


def test_a_flood_is_taken_in_bounded_pieces_and_starves_nobody(notices: Notices, nursery: Nursery) -> None:
    path, other = notices.open_socket(WEB, None), notices.open_socket(("other", 1), None)
    for _ in range(3):
        nursery.python(VOICE + f"speaker = socket(AF_UNIX, SOCK_DGRAM)\nwhile True: speaker.sendto(b'x', {path!r})")
    counts: list[int] = []

    def is_flooded() -> bool:
        send(other, b"STATUS=here")
        taken = [each.instance for each in notices.take() if isinstance(each, Datagram)]
        assert taken.count(("other", 1)) == 1
        counts.append(taken.count(WEB))
        return sum(counts) > 10 * DATAGRAMS

    sleep_until(is_flooded)
    assert max(counts) <= DATAGRAMS


# ---- descriptors (s6)


@pytest.mark.parametrize(
    ("parts", "signed"),
    [
        ([b"\n"], True),
        ([b"ready\n"], True),
        ([b"ready", b"\n"], True),
        ([b"\n\n\n"], True),
        ([b"\n", b"\n"], True),
        ([b"ready"], False),
        ([b""], False),
        ([b"\0\xff" * 1000], False),
    ],
    ids=["newline", "words", "pieces", "newlines", "twice", "no newline", "nothing", "binary"],
)
def test_a_newline_counts_once_and_nothing_else_does(notices: Notices, parts: list[bytes], signed: bool) -> None:
    write_end = notices.open_pipe(WEB, 7)
    taken: list[object] = []
    for part in parts:
        try:
            os.write(write_end, part)
        except BrokenPipeError:
            assert taken
        taken += notices.take()
    os.close(write_end)
    taken += notices.take()
    assert taken == ([ReadinessNewline(WEB, 7)] if signed else [])


@pytest.mark.parametrize("last_words", [b"", b"almost", b"\n"], ids=["silent", "no newline", "newline"])
def test_nothing_of_a_pipe_is_left_once_it_has_ended(notices: Notices, last_words: bytes) -> None:
    before = open_descriptors()
    write_end = notices.open_pipe(WEB, 1)
    os.write(write_end, last_words)
    os.close(write_end)
    for _ in range(3):
        list(notices.take())
    assert open_descriptors() == before


def test_it_is_readable_exactly_while_something_is_to_be_taken(notices: Notices) -> None:
    def is_readable() -> bool:
        return bool(select.select([notices.fileno()], [], [], 0)[0])

    path, write_end = notices.open_socket(WEB, None), notices.open_pipe(WEB, 1)
    assert not is_readable()
    send(path, b"x")
    assert is_readable()
    list(notices.take())
    assert not is_readable()
    os.write(write_end, b"\n")
    assert is_readable()
    list(notices.take())
    assert not is_readable()
    os.close(write_end)
    assert not is_readable()


# ---- who is believed

READY_ON_USR1 = """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
tell("here")
signal.sigwait([signal.SIGUSR1])
say("READY=1")
live()
"""


def test_a_program_is_up_when_it_says_so_and_not_before(turned: Turn) -> None:
    container = turned(speaker("web", READY_ON_USR1)).begin()
    container.run_until_told("here")
    container.turn()
    assert isinstance(container.phase("web"), Starting)
    os.kill(container.pid("web"), signal.SIGUSR1)
    container.run_until_up("web")
    container.shut_down()


def claim(path: Path) -> str:
    """Return a script that says READY=1 there, and tells once that has been heard."""
    return f"say('READY=1\\nSTATUS=claimed', path='{path}'); barrier('{path}'); tell('x | claimed'); live()"


def leave_pipes(output: Path) -> str:
    return f"for n in (1, 2): os.dup2(os.open('{output}', os.O_WRONLY | os.O_APPEND), n)\n"


def away(text: str, environment: str, output: Path | None = None) -> str:
    """Return a script that leaves its session, is adopted by supinit, and continues as `text` with that environment.

    With `output` it leaves the pipes that it was given, too.
    """
    command = repr([*script(text)])
    leave = leave_pipes(output) if output else ""
    return (
        f"if os.fork():\n    os.wait(); live()\nos.setsid()\nif os.fork():\n    os._exit(0)\n"
        f"while os.getppid() != {os.getpid()}: time.sleep(0.002)\n{leave}"
        f"os.execve(sys.executable, {command}, {environment})"
    )


class Finishing:
    """Owner of a process that belongs to no program."""

    name = Owner(OwnerKind.COMMAND)

    marks = frozenset((b"\0",))

    def finish(self, _death: object) -> None:
        pass


@pytest.mark.parametrize("who", ["bystander", "other program", "other instance", "health check"])
def test_a_stranger_is_not_believed(turned: Turn, open_folder: Path, nursery: Nursery, who: str) -> None:
    path = open_folder / "run" / "notify" / "web.1"
    text = "live()"
    if who == "other instance":
        text = f"if os.environ['SUPINIT_INSTANCE'] == '1': live()\n{claim(path)}"
    web = speaker("web", text, scale=2)
    other = program("other", *script(claim(path) if who == "other program" else "live()"))
    container = turned(web, other).begin()
    launch = nursery.launch(*script(claim(path)), stdout=container.outputs[0])
    if who == "bystander":
        nursery.pids.append(container.engine.children.spawn(Finishing(), launch))
    elif who == "health check":
        environment = container.engine.launcher.launch_for(WEB).environment
        nursery.pids.append(container.engine.children.spawn(Finishing(), replace(launch, environment=environment)))
    container.run_until_told("claimed")
    for number in (1, 2):
        assert isinstance(container.phase("web", number), Starting)
        assert container.life("web", number).status_text == ""
    container.shut_down()


RELATIVES = {
    "itself": "{claim}",
    "a child": "if os.fork(): live()\n{claim}",
    "a grandchild": "if os.fork() or os.fork(): live()\n{claim}",
    "a child in another session": "if os.fork(): live()\nos.setsid()\n{claim}",
    "a grandchild in another session": "if os.fork() or os.fork(): live()\nos.setsid()\n{claim}",
    "an orphan in its group": (
        "if os.fork():\n    os.wait(); live()\nif os.fork(): os._exit(0)\n"
        "while os.getppid() != {test}: time.sleep(0.002)\n{claim}"
    ),
    "an orphan in its group with nothing else of it": (
        "if os.fork():\n    os.wait(); live()\nif os.fork(): os._exit(0)\n"
        "while os.getppid() != {test}: time.sleep(0.002)\n{leave}os.execve(sys.executable, {command!r}, {{}})"
    ),
    "an orphan with its variables": "{away}",
    "an orphan with its pipes": "{away_bare}",
    "a child of an orphan with its variables": "{away_further}",
}


@pytest.mark.parametrize("text", RELATIVES.values(), ids=RELATIVES)
def test_every_process_of_its_tree_is_believed(turned: Turn, open_folder: Path, text: str) -> None:
    claimed = claim(open_folder / "run" / "notify" / "web.1")
    further = away(f"if os.fork(): live()\nos.setsid()\n{claimed}", "os.environ")
    parts: dict[str, Any] = {"claim": claimed, "away": away(claimed, "os.environ"), "away_further": further}
    parts |= {"away_bare": away(claimed, "{}")}
    parts |= {"test": str(os.getpid()), "command": [*script(claimed)], "leave": leave_pipes(open_folder / "out")}
    container = turned(speaker("web", text.format(**parts))).begin()
    container.run_until_told("claimed")
    container.run_until_up("web")
    assert container.life("web").status_text == "claimed"
    container.shut_down()


@needs_root
def test_a_program_that_gives_up_its_privileges_is_heard_and_believed(turned: Turn) -> None:
    """As uWSGI and mariadbd do, which are started as root and speak as another user."""
    text = f"os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3); say('READY=1'); live()"
    container = turned(speaker("web", text)).begin()
    container.run_until_up("web")
    container.shut_down()


needs_systemd_notify = pytest.mark.skipif(
    shutil.which("systemd-notify") is None, reason="systemd-notify is not installed (Debian: systemd)"
)


@needs_systemd_notify
def test_systemd_notify_is_understood(turned: Turn) -> None:
    text = "systemd-notify --status='is warming up' && echo told && systemd-notify --ready && exec sleep 1000"
    container = turned(program("web", "sh", "-c", text, ready=Readiness(notify="systemd"))).begin()
    container.run_until_told("told")
    container.run_until_up("web")
    assert container.life("web").status_text == "is warming up"
    container.shut_down()


@needs_systemd_notify
@needs_root
def test_a_program_of_another_user_is_heard_and_believed(turned: Turn) -> None:
    command = ("sh", "-c", "systemd-notify --ready && exec sleep 1000")
    container = turned(program("web", *command, ready=Readiness(notify="systemd"), credentials=USER)).begin()
    container.run_until_up("web")
    container.shut_down()


@pytest.mark.skipif(shutil.which("uwsgi") is None, reason="uwsgi is not installed (Debian: uwsgi-core)")
@pytest.mark.parametrize("options", [(), pytest.param(("--uid", "nobody"), marks=needs_root)], ids=["same", "nobody"])
def test_uwsgi_says_that_it_is_ready(turned: Turn, options: tuple[str, ...]) -> None:
    command = ("uwsgi", "--master", "--processes=1", "--die-on-term", "--socket=127.0.0.1:0", *options)
    stop = (SignalStep(signal.SIGTERM, 0.5),)  # it sometimes passes a signal over that comes while it spawns workers
    container = turned(program("web", *command, ready=Readiness(notify="systemd"), stop=stop)).begin()
    container.run_until_up("web")
    assert container.life("web").status_text == "uWSGI is ready"
    container.shut_down()


# ---- what is taken


HOSTILE = {
    "nothing": b"",
    "no field": b"READY",
    "not ready": b"READY=0",
    "nearly ready": b"READY=1 ",
    "spaces": b" READY=1",
    "another case": b"ready=1",
    "binary": b"READY=1\n\xff\xfe\x00",
    "half a character": "READY=1\nSTATUS=é".encode()[:-1],
    "NUL": b"\0READY=1\0",
    "one byte too many": b"READY=1\n".ljust(MAX_DATAGRAM + 1, b"x"),
    "far too long": b"READY=1\n".ljust(100_000, b"x"),
    "negative pid": b"MAINPID=-1",
    "pid of init": b"MAINPID=1",
    "huge pid": b"MAINPID=99999999999999999999999999",
    "other digits": "MAINPID=１２".encode(),
    "negative time": b"EXTEND_TIMEOUT_USEC=-5",
    "huge time": b"EXTEND_TIMEOUT_USEC=99999999999999999999999999",
    "unknown": b"FDPOLL=0\nERRNO=2\nBUSERROR=x\nX_Y=z",
    "descriptors": b"FDSTORE=1\nFDNAME=READY=1",
}


@pytest.mark.parametrize("datagram", HOSTILE.values(), ids=HOSTILE)
def test_what_makes_no_sense_changes_nothing(turned: Turn, datagram: bytes) -> None:
    text = f"tell('here'); signal.sigwait([signal.SIGUSR1]); say({datagram!r}, 1); barrier(); tell('taken'); live()"
    container = turned(speaker("web", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n" + text)).begin()
    container.run_until_told("here")
    before = container.life("web")
    os.kill(container.pid("web"), signal.SIGUSR1)
    container.run_until_told("taken")
    assert container.life("web") == before
    container.shut_down()
    assert container.engine.fleet.verdict is not None
    assert container.engine.fleet.verdict.code == 0


def test_descriptors_that_a_program_sends_do_not_stay(turned: Turn) -> None:
    container = turned(speaker("web", "tell('here'); live()")).begin()
    container.run_until_told("here")
    before = open_descriptors()
    with open("/dev/null", "rb") as null:
        send(container.socket_of("web"), *[b"FDSTORE=1"] * 5, rights=(null.fileno(),) * 50)
        container.turn()
    assert open_descriptors() == before
    container.shut_down()


def test_its_words_are_kept_in_one_printable_line(turned: Turn) -> None:
    container = turned(speaker("web", "say('READY=1\\nSTATUS=\\x1b[31mred\\r\\u202eé'); live()")).begin()
    container.run_until_up("web")
    assert container.life("web").status_text == " [31mred  é"
    container.shut_down()


@pytest.mark.parametrize("watchdog", [None, 77.5])
def test_the_watchdogs_time_is_told_to_a_program_that_has_one_and_to_no_other(
    turned: Turn, watchdog: float | None
) -> None:
    text = "tell('env=' + repr([os.environ.get(n) for n in ('WATCHDOG_USEC', 'WATCHDOG_PID')])); live()"
    own = {"WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid()), "NOTIFY_SOCKET": "/nowhere"}
    container = turned(speaker("web", text, watchdog=watchdog), own=own).begin()
    assert container.value("env") == repr([None if watchdog is None else "77500000", None])
    container.shut_down()


def test_a_watchdog_alone_brings_the_socket_with_it(turned: Turn) -> None:
    web = program("web", *script("say('WATCHDOG=1'); barrier(); tell('taken'); live()"), watchdog=2 * LIMIT)
    container = turned(web).begin()
    container.run_until_told("taken")
    container.shut_down()


def test_a_heartbeat_puts_the_watchdog_off(turned: Turn) -> None:
    text = "say('READY=1')\nwhile True: say('WATCHDOG=1'); barrier()"
    container = turned(speaker("web", text, watchdog=2 * LIMIT)).begin()
    container.run_until_up("web")

    def silent_until() -> float:
        phase = container.phase("web")
        assert isinstance(phase, Running)
        assert phase.silent_until is not None
        return phase.silent_until

    first = silent_until()
    container.run_until(lambda: silent_until() > first)
    container.shut_down()


@pytest.mark.parametrize("text", ["say('READY=1')", "say('READY=1'); say('WATCHDOG=trigger')"], ids=["silent", "stuck"])
def test_a_program_that_its_watchdog_misses_is_started_again(turned: Turn, text: str) -> None:
    watchdog = 0.2 if "trigger" not in text else 2 * LIMIT
    delay = RestartDelay(initial=0.01, max=0.02)
    container = turned(speaker("web", f"{text}; live()", watchdog=watchdog, restart_delay=delay)).begin()
    container.run_until(lambda: container.life("web").generation >= 2)
    container.shut_down()


# ---- s6


def newline(number: int) -> tuple[str, ...]:
    return script(f"os.write({number}, b'\\n'); live()")


@pytest.mark.parametrize("number", range(3, 13))
def test_a_newline_on_the_promised_descriptor_makes_it_ready(turned: Turn, way: dict[str, Any], number: int) -> None:
    """Those are supinit's own numbers, too, and stay what they are in supinit."""
    container = turned(program("web", *newline(number), ready=Readiness(notify=number), **way)).begin()
    container.run_until_up("web")
    assert is_running_on(container)
    container.shut_down()


def is_running_on(container: Turned) -> bool:
    """Whether supinit's own descriptors still do their work."""
    container.pump.turn()
    container.journal.write("info", "container.started", pid=1, revision=None, programs=1)
    return "container.started" in (container.folder / "log").read_text()


def test_the_promised_number_may_be_the_one_that_the_pipe_has_already(
    notices: Notices, nursery: Nursery, way: dict[str, Any]
) -> None:
    write_end = notices.open_pipe(WEB, 1)
    pid = nursery.start(*script(f"os.write({write_end}, b'\\n')"), extra=((write_end, write_end),), **way)
    os.close(write_end)
    assert nursery.end(pid) == 0
    assert list(notices.take()) == [ReadinessNewline(WEB, 1)]


def test_a_grandchild_may_write_the_newline(turned: Turn) -> None:
    text = "if os.fork() or os.fork(): live()\nos.setsid(); os.write(5, b'\\n'); live()"
    container = turned(program("web", *script(text), ready=Readiness(notify=5))).begin()
    container.run_until_up("web")
    container.shut_down()


@pytest.mark.parametrize("text", ["os.write(5, b'ready')", "os.close(5)", "pass"], ids=["words", "closed", "nothing"])
def test_without_a_newline_it_is_not_ready(turned: Turn, text: str) -> None:
    web = program("web", *script(f"{text}\ntell('here'); live()"), ready=Readiness(notify=5, timeout=LIMIT))
    container = turned(web).begin()
    container.run_until_told("here")
    for _ in range(3):
        container.turn()
    assert isinstance(container.phase("web"), Starting)
    container.shut_down()


def test_every_start_has_a_pipe_of_its_own_and_none_is_left(turned: Turn) -> None:
    delay = RestartDelay(initial=0.01, max=0.02)
    fields: dict[str, Any] = {"restart": Restart(RestartWhen.ALWAYS), "restart_delay": delay, "start_retries": None}
    web = program("web", "sh", "-c", "echo >&5", ready=Readiness(notify=5), **fields)
    broken = program("broken", "true", ready=Readiness(notify=5), working_dir="/nowhere", **fields)
    container = turned(web, broken)
    before = open_descriptors()
    container.begin()
    container.run_until(lambda: min(container.life(name).restarts for name in ("web", "broken")) >= 20)
    assert len(open_descriptors() - before) <= 6
    container.shut_down()
    container.run_until(lambda: open_descriptors() == before)


def own_and(*numbers: int) -> str:
    """Return these numbers and those of what this test run was itself handed, which boot.py keeps from programs."""
    return repr(sorted({*numbers, *(number for number in open_descriptors() if os.get_inheritable(number))}))


LOOK = "sorted(n for n in range(1000) if os.path.exists(f'/proc/self/fd/{n}'))"


def test_nothing_of_it_is_handed_to_any_other_program(turned: Turn, way: dict[str, Any]) -> None:
    look = f"tell('seen=' + repr([{LOOK}, os.environ.get('NOTIFY_SOCKET')])); live()"
    web = program("web", *newline(7), ready=Readiness(notify=7), **way)
    loud = speaker("loud", "say('READY=1'); live()", watchdog=2 * LIMIT, **way)
    container = turned(web, loud, program("other", *script(look), **way), own={"NOTIFY_SOCKET": "/nowhere"}).begin()
    assert container.value("seen") == f"[{own_and(0, 1, 2)}, None]"
    container.shut_down()


def test_the_program_itself_has_the_promised_descriptor_and_no_other(turned: Turn, way: dict[str, Any]) -> None:
    web = program("web", *script(f"tell('seen=' + repr({LOOK})); live()"), ready=Readiness(notify=7), **way)
    container = turned(web).begin()
    assert container.value("seen") == own_and(0, 1, 2, 7)
    container.shut_down()


# ---- MAINPID


def daemon(text: str, leave: str = "barrier(); os._exit(0)", session: str = "os.setsid()") -> str:
    """Return a script that forks a daemon, which continues as `text`, names it as its successor and leaves."""
    return (
        f"read_end, write_end = os.pipe()\npid = os.fork()\nif pid == 0:\n"
        f"    {session}\n    os.write(write_end, b'x')\n"
        + "".join(f"    {line}\n" for line in text.splitlines())
        + "    os._exit(0)\n"
        + "os.read(read_end, 1)\ntell(f'daemon={pid}')\n"
        + f"say(f'MAINPID={{pid}}\\nREADY=1')\n{leave}"
    )


SESSIONS = pytest.mark.parametrize(
    "session", ["os.setsid()", "os.setpgid(0, 0)", "pass"], ids=["own session", "own group", "same group"]
)


@SESSIONS
def test_a_program_that_hands_over_stays_up_with_its_new_pid(turned: Turn, session: str) -> None:
    container = turned(speaker("web", daemon("live()", session=session))).begin()
    old = container.pid("web")
    pid = int(container.value("daemon"))
    container.run_until(lambda: container.pid("web") == pid)
    assert isinstance(container.phase("web"), Running)
    assert container.life("web").generation == 1
    assert container.life("web").last_exit is None
    assert own_children() == [pid]
    assert old != pid
    container.shut_down()
    assert is_gone(pid)


@SESSIONS
@pytest.mark.parametrize(("end", "code", "number"), [("os._exit(7)", 7, None), ("os.kill(os.getpid(), 9)", None, 9)])
def test_the_end_of_the_new_main_process_is_the_programs_end(
    turned: Turn, session: str, end: str, code: int | None, number: int | None
) -> None:
    text = f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nsignal.sigwait([signal.SIGUSR1])\n{end}"
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
    container = turned(speaker("web", blocked + daemon(text, session=session))).begin()
    pid = int(container.value("daemon"))
    container.run_until(lambda: container.pid("web") == pid)
    os.kill(pid, signal.SIGUSR1)
    container.run_until(lambda: isinstance(container.phase("web"), Fatal))
    last = container.life("web").last_exit
    assert last is not None
    assert (last.code, last.signal) == (code, number)
    container.shut_down()


@SESSIONS
@pytest.mark.parametrize("scope", Scope, ids=lambda scope: str(scope.value))
def test_a_stop_reaches_the_new_main_process(turned: Turn, session: str, scope: Scope) -> None:
    end = "def end(*_): tell('stopped'); os._exit(0)\nsignal.signal(signal.SIGTERM, end)\n"
    stop = (SignalStep(signal.SIGTERM, 2 * LIMIT, scope),)
    container = turned(speaker("web", end + daemon("live()", session=session), stop=stop)).begin()
    pid = int(container.value("daemon"))
    container.run_until(lambda: container.pid("web") == pid)
    container.shut_down()
    assert container.told.count("stopped") == 1
    assert isinstance(container.phase("web"), Stopped)


@SESSIONS
def test_a_new_main_process_that_will_not_stop_is_killed_with_its_tree(turned: Turn, session: str) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    text = "child = os.fork()\nif child: tell(f'child={child}')\nlive()"
    stop = (SignalStep(signal.SIGTERM, 0.05),)
    container = turned(speaker("web", deaf + daemon(text, session=session), stop=stop)).begin()
    pid, child = int(container.value("daemon")), int(container.value("child"))
    container.run_until(lambda: container.pid("web") == pid)
    container.shut_down()
    assert own_children() == []
    assert is_gone(pid)
    assert is_gone(child)


SECOND = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); signal.sigwait([signal.SIGUSR1])\n"


def test_a_new_main_process_may_hand_over_as_well(turned: Turn) -> None:
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
    inner = SECOND + daemon("live()").replace("daemon=", "second=")
    container = turned(speaker("web", blocked + daemon(inner))).begin()
    first = int(container.value("daemon"))
    container.run_until(lambda: container.pid("web") == first)
    os.kill(first, signal.SIGUSR1)
    second = int(container.value("second"))
    container.run_until(lambda: container.pid("web") == second)
    assert isinstance(container.phase("web"), Running)
    container.shut_down()


def test_a_successor_may_hand_over_before_its_predecessor_is_gone(turned: Turn) -> None:
    """The second one is a child of the first until that is gone, and so cannot be supinit's before."""
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
    leave = "barrier(); tell('named')\n"
    inner = SECOND + daemon("live()", leave + "live()").replace("daemon=", "second=")
    container = turned(speaker("web", blocked + daemon(inner, leave + "os._exit(0)"))).begin()

    def listen_until_named(times: int) -> None:
        """Everything but reaping."""

        def is_named() -> bool:
            container.engine.listen()
            container.pump.turn()
            return container.told.count("named") == times

        sleep_until(is_named)

    listen_until_named(1)
    old = container.pid("web")
    first = next(int(line.removeprefix("daemon=")) for line in container.told if line.startswith("daemon="))
    os.kill(first, signal.SIGUSR1)
    listen_until_named(2)
    sleep_until(lambda: is_gone(old))
    container.turn()
    assert isinstance(container.phase("web"), Running)
    assert container.pid("web") == first
    container.shut_down()


def test_a_successor_that_its_parent_has_buried_is_none(turned: Turn) -> None:
    """Nobody would ever hear of its end."""
    text = "os.kill(os.getpid(), 9)"
    container = turned(speaker("web", daemon(text, "barrier(); os.waitpid(pid, 0); os._exit(3)"))).begin()
    container.run_until(lambda: isinstance(container.phase("web"), Fatal))
    last = container.life("web").last_exit
    assert last is not None
    assert last.code == 3
    container.shut_down()


def test_a_successor_that_died_first_is_still_the_one_whose_end_counts(turned: Turn) -> None:
    """Both are dead when supinit comes to look: the child is handed to it only with its parent's reaping."""
    container = turned(speaker("web", daemon("os._exit(7)", "barrier(); os._exit(0)"))).begin()
    old = container.pid("web")
    heard = False
    while not heard:  # everything but reaping
        container.engine.listen()
        container.pump.turn()
        heard = is_gone(old)
    container.run_until(lambda: isinstance(container.phase("web"), Exited | Fatal))
    last = container.life("web").last_exit
    assert last is not None
    assert (last.code, last.signal) == (7, None)
    container.shut_down()


def test_who_leaves_at_once_after_naming_its_successor_is_heard(turned: Turn) -> None:
    container = turned(speaker("web", daemon("live()", "os._exit(0)"))).begin()
    old = container.pid("web")
    sleep_until(lambda: is_gone(old))
    container.turn()
    assert isinstance(container.phase("web"), Running)
    container.shut_down()


@pytest.mark.parametrize("who", ["the bystander", "itself", "its dead child", "nobody"])
def test_a_successor_that_is_none_of_its_tree_is_passed_over(turned: Turn, nursery: Nursery, who: str) -> None:
    bystander = nursery.start("sleep", "1000")
    name = {"the bystander": str(bystander), "itself": "os.getpid()", "its dead child": "dead", "nobody": "4194303"}[
        who
    ]
    text = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\ndead = os.fork()\n"
        "if dead == 0: os._exit(0)\nos.wait()\n"
        f"say(f'MAINPID={{{name}}}\\nREADY=1'); barrier(); tell('taken'); signal.sigwait([signal.SIGUSR1]); os._exit(7)"
    )
    container = turned(speaker("web", text), program("other")).begin()
    container.run_until_told("taken")
    container.run_until_up("web")
    os.kill(container.pid("web"), signal.SIGUSR1)
    container.run_until(lambda: isinstance(container.phase("web"), Fatal))
    last = container.life("web").last_exit
    assert last is not None
    assert last.code == 7
    assert not is_gone(bystander)
    container.shut_down()
