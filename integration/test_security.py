"""What a program that runs as another user can do to supinit and to the other programs (docs/security.md)."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Run
from integration.container import SUPCTL, Container
from integration.processes import arguments_of, is_alive, stat_of
from integration.waiting import sleep_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as another user")

INTRUDER, VICTIM = 4242, 4343
SECRET = "correct-horse-battery-staple"
SLEEP = ["sleep", "1000"]
LAST: dict[str, Any] = {"depends_on": ["victim", "root"]}
PYTHON = "/usr/bin/python3"  # other users cannot always reach the interpreter of this environment
START = "import errno, json, os, signal, socket, sys, time\n"
TRY = """
def attempt(act, *arguments):
    try:
        return f"done: {act(*arguments)}"
    except OSError as error:
        return errno.errorcode[error.errno]

def arguments_of(pid):
    try:
        return open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:  # it has just ended
        return b""
"""


def intruder(script: str, *arguments: object, **keys: Any) -> dict[str, Any]:
    """Return a program of another user that runs a script and prints what came of it."""
    words = [PYTHON, "-I", "-c", (START + TRY + script).replace("$", "$$"), *map(str, arguments)]
    return {"command": words, "user": f"{INTRUDER}:{INTRUDER}", "restart": "no", "shutdown_on": "never", **keys}


def victim(**keys: Any) -> dict[str, Any]:
    return {"command": SLEEP, "user": f"{VICTIM}:{VICTIM}", "min_uptime": "0s", **keys}


def outcome(container: Container, name: str = "intruder") -> Any:
    """Return what the script of the intruder has printed: one line of JSON."""
    container.expect(f"{name} | ")
    sleep_until(lambda: any(line.startswith(f"{name} | ") for line in container.out.lines), 15, container.output)
    return json.loads(next(line for line in container.out.lines if line.startswith(f"{name} | ")).partition(" | ")[2])


def where(run: Run, folder: Path, programs: dict[str, Any], **settings: Any) -> Container:
    return run(programs, settings={"run_dir": str(folder / "run"), **settings})


def reachable(container: Container, folder: Path) -> Container:
    container.run_dir = folder / "run"
    container.socket = container.run_dir / "control.sock"
    return container


# ---- the control socket and the port


@pytest.mark.parametrize(("mode", "expected"), [("0600", "EACCES"), ("0666", "403")])
def test_the_control_socket_is_closed_to_it(run: Run, folder: Path, mode: str, expected: str) -> None:
    script = """
def ask(request):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    connection.sendall(f"{request} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
    return connection.recv(4096).split()[1].decode()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
requests = ("GET /v1/status", "GET /v1/logs", "GET /metrics", "GET /v1/programs/victim/context",
            "POST /v1/programs/victim/stop", "POST /v1/update", "POST /v1/shutdown")
print(json.dumps(sorted({attempt(ask, request).removeprefix("done: ") for request in requests})), flush=True)
"""
    programs = {"victim": victim(), "intruder": intruder(script, folder / "run" / "control.sock")}
    container = reachable(where(run, folder, programs, socket_mode=mode), folder)
    assert outcome(container) == [expected]
    assert container.programs()["victim"]["state"] == "RUNNING"


def test_run_dir_can_be_read_and_not_changed(run: Run, folder: Path) -> None:
    """It was made with mode 0777, as Kubernetes makes an emptyDir."""
    script = """
os.chdir(sys.argv[1])
while not os.path.exists("ready") or not os.path.exists("control.sock"):
    time.sleep(0.01)
print(json.dumps({
    "made": attempt(open, "x", "w"), "removed": attempt(os.unlink, "ready"), "moved": attempt(os.rename, "health", "h"),
    "socket": attempt(os.unlink, "control.sock"), "planted": attempt(os.symlink, "/etc/passwd", "health/other"),
    "aged": attempt(os.utime, "health/victim", (1, 1)), "listed": attempt(os.listdir, "notify/private"),
    "seen": sorted(os.listdir("health")),
}), flush=True)
time.sleep(1000)
"""
    (folder / "run").mkdir()
    (folder / "run").chmod(0o777)
    notified = victim(ready={"notify": "systemd"}, shutdown_on="never")
    programs = {"victim": victim(), "notified": notified, "intruder": intruder(script, folder / "run", min_uptime="0s")}
    found = outcome(where(run, folder, programs))
    assert set(found["seen"]) >= {"victim"}
    assert {key: found[key] for key in found if key != "seen"} == dict.fromkeys(
        ("made", "removed", "moved", "socket", "planted", "listed"), "EACCES"
    ) | {"aged": "EPERM"}


# ---- signals and notifications


def test_it_can_signal_neither_supinit_nor_others(run: Run, folder: Path) -> None:
    script = """
others = [int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != os.getpid()]
print(json.dumps(sorted({attempt(os.kill, pid, signal.SIGKILL) for pid in others})), flush=True)
time.sleep(1000)
"""
    root = {"command": SLEEP, "min_uptime": 0}
    container = where(run, folder, {"victim": victim(), "root": root, "intruder": intruder(script, **LAST)})
    assert outcome(container) == ["EPERM"]


def test_what_it_tells_the_notify_socket_of_another_program_is_refused(run: Run, folder: Path) -> None:
    script = """
mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for words in ("READY=1", "STATUS=a lie", "STOPPING=1", "MAINPID=1", f"MAINPID={os.getpid()}", "WATCHDOG=trigger"):
    mouth.sendto(words.encode(), sys.argv[1])
print(json.dumps("told"), flush=True)
time.sleep(1000)
"""
    path = folder / "run" / "notify" / "victim.1"
    programs = {
        "victim": victim(ready={"notify": "systemd", "timeout": "60s"}),
        "intruder": intruder(script, path, depends_on=["victim"]),
    }
    container = reachable(where(run, folder, programs), folder)
    assert outcome(container) == "told"
    container.expect("program.notice_refused program=victim")
    entry = container.programs()["victim"]
    assert (entry["state"], entry["status_text"], stat_name(entry["pid"], container)) == ("STARTING", None, "sleep")


def stat_name(pid: int, container: Container) -> str:
    """Return the command of a process, by its pid in the namespace."""
    text = subprocess.run(
        ["nsenter", "-t", str(container.init), "-p", "-m", "cat", f"/proc/{pid}/comm"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return text.strip()


def test_a_syslog_message_with_the_name_of_another_program_is_its_own_line(run: Run, folder: Path) -> None:
    script = """
mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    try:
        mouth.sendto(b"<10>Jan  1 00:00:00 victim[1]: a lie", sys.argv[1])
        break
    except OSError:
        time.sleep(0.01)
print(json.dumps("told"), flush=True)
time.sleep(1000)
"""
    path = folder / "log"
    container = where(run, folder, {"victim": victim(), "intruder": intruder(script, path)}, syslog=str(path))
    container.expect("a lie")
    (line,) = [line for line in (*container.out.lines, *container.err.lines) if "a lie" in line]
    assert line.startswith("intruder | ")


# ---- pids and marks


@pytest.mark.parametrize("whose", ["victim", "supinit"])
def test_a_pid_file_that_names_a_foreign_process_is_not_believed(run: Run, folder: Path, whose: str) -> None:
    theirs = folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, INTRUDER, INTRUDER)
    script = """
pids = [name for name in os.listdir("/proc") if name.isdecimal()]
pids = [pid for pid in pids if b"1000\\0" in arguments_of(pid)]
victims = [pid for pid in pids if os.stat(f"/proc/{pid}").st_uid == int(sys.argv[2])]
open(sys.argv[1], "w").write(victims[0] if sys.argv[3] == "victim" else "1")
if os.fork() == 0:
    time.sleep(1000)
"""
    path = theirs / "pid"
    forking = intruder(script, path, VICTIM, whose, type="forking", pid_file=str(path), ready={"timeout": "1s"})
    programs = {"victim": victim(), "intruder": forking | {"depends_on": ["victim"]}}
    container = reachable(where(run, folder, programs), folder)
    pid = container.programs()["victim"]["pid"]
    container.await_state("intruder", "FATAL")
    reason = container.programs()["intruder"]["reason"]
    assert "is not one that the command has left behind" in reason or "its first line is not a pid" in reason
    assert container.supctl("stop", "intruder").returncode == 0
    assert container.programs()["victim"]["pid"] == pid


def test_marks_of_another_program_only_harm_who_carries_them(run: Run, folder: Path) -> None:
    """Forged variables make a process part of the other program: it ends with it, and nothing else does."""
    script = """
environment = dict(os.environ, SUPINIT_PROGRAM="victim", SUPINIT_INSTANCE="1")
pid = os.posix_spawn("/bin/sleep", ["sleep", "4321"], environment, setsid=True)
print(json.dumps(pid), flush=True)
time.sleep(1000)
"""
    programs = {"victim": victim(shutdown_on="never"), "intruder": intruder(script)}
    container = reachable(where(run, folder, programs), folder)
    outcome(container)
    before = container.programs()
    assert container.supctl("restart", "victim").returncode == 0
    after = container.programs()
    assert after["victim"]["pid"] != before["victim"]["pid"]
    assert after["intruder"]["pid"] == before["intruder"]["pid"]
    container.signal(signal.SIGTERM)
    assert container.end() == 0


# ---- /proc and secrets


def test_what_proc_shows_of_others_are_their_arguments_and_no_secret(run: Run, folder: Path) -> None:
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "secret").chmod(0o600)
    script = """
shown = {"arguments": "", "environ": [], "output": []}
for name in os.listdir("/proc"):
    if name.isdecimal() and int(name) != os.getpid():
        shown["arguments"] += arguments_of(name).decode()
        shown["environ"].append(attempt(open, f"/proc/{name}/environ"))
        shown["output"].append(attempt(os.open, f"/proc/{name}/fd/1", os.O_WRONLY))
print(json.dumps(shown), flush=True)
time.sleep(1000)
"""
    hidden = {"environment": {"PASSWORD": {"file": str(folder / "secret")}}}
    programs = {
        "victim": victim(**hidden),
        "root": {"command": SLEEP, "min_uptime": 0, **hidden},
        "intruder": intruder(script, **LAST),
    }
    container = where(run, folder, programs)
    found = outcome(container)
    assert SECRET not in found["arguments"]
    assert (set(found["environ"]), set(found["output"])) == ({"EACCES"}, {"EACCES"})


def test_a_secret_is_in_the_environment_of_its_program_and_nowhere_else(run: Run, folder: Path) -> None:
    (folder / "secret").write_text(SECRET + "\n")
    hidden = {"environment": {"PASSWORD": {"file": str(folder / "secret")}}, "restart_delay": {"initial": "10ms"}}
    programs = {
        "web": {"command": ["sh", "-c", 'test -n "$$PASSWORD" && exec sleep 1000'], **hidden},
        "failing": {"command": ["/nowhere"], "shutdown_on": "never", **hidden},
    }
    container = reachable(run(programs, "--log-level", "debug", settings={"run_dir": str(folder / "run")}), folder)
    container.await_state("web", "RUNNING")
    (folder / "secret").write_text(SECRET + "2\n")
    container.request("POST", "/v1/update")
    container.await_state("web", "RUNNING")
    paths = ("/v1/status", "/v1/tree", "/v1/events", "/v1/logs", "/metrics", "/v1/version", "/v1/programs/web")
    answers = [str(container.request("GET", path)) for path in paths]
    everything = "\n".join([*answers, container.out.text, container.err.text, *arguments_of(container.init)])
    assert SECRET not in everything
    assert SECRET in container.supctl("run", "web", "--", "printenv", "PASSWORD").stdout  # for who controls supinit


# ---- output


def test_a_line_that_imitates_another_program_has_the_prefix_of_its_own(run: Run, folder: Path) -> None:
    script = """
print("victim | all is well")
print("supinit | container.ended code=0")
print("victim | on stderr", file=sys.stderr)
sys.stdout.write("without an end")
"""
    container = where(run, folder, {"victim": victim(), "intruder": intruder(script)})
    container.expect("without an end")
    lines = [line for line in (*container.out.lines, *container.err.lines) if "all is well" in line or " | on " in line]
    lines += [line for line in container.out.lines if "container.ended" in line or "without" in line]
    assert lines and all(line.startswith("intruder | ") for line in lines)


def test_a_json_line_that_imitates_another_program_is_data_of_its_own(run: Run, folder: Path) -> None:
    script = 'print(json.dumps({"program": "supinit", "event": "container.ended", "stream": "stderr"}), flush=True)'
    log = {"log": {"mode": "json"}}
    container = where(run, folder, {"victim": victim(), "intruder": intruder(script, **log)})
    container.expect("container.ended")
    entry = json.loads(container.out.lines[0])
    assert (entry["program"], entry["stream"], entry["data"]["program"]) == ("intruder", "stdout", "supinit")


ESCAPES = "\x1b]0;owned\x07\x1b[2J\rvictim \x9b31m"


def test_nothing_that_supctl_prints_acts_on_the_terminal(run: Run, folder: Path) -> None:
    script = f"""
mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
mouth.sendto(b"READY=1\\nSTATUS=" + {ESCAPES!r}.encode(), os.environ["NOTIFY_SOCKET"])
print({ESCAPES!r}, flush=True)
os.execv("/bin/sh", [{ESCAPES!r}, "-c", "sleep 1000; exit 1"])
"""
    crash = intruder(f"print({ESCAPES!r}); sys.exit(9)")
    programs = {"intruder": intruder(script, ready={"notify": "systemd"}), "crashing": crash, "victim": victim()}
    container = reachable(where(run, folder, programs), folder)
    container.await_state("intruder", "RUNNING")
    container.await_state("crashing", "FATAL")
    for words in (["status"], ["tree"], ["why"], ["events"], ["logs"], ["stop", "nobody-here\x1b[2J"]):
        text = on_a_terminal([SUPCTL, "-s", str(container.socket), *words])
        assert text, words
        active = re.sub("\x1b\\[[0-9;]*m", "", text.replace("\r\n", "\n"))
        active = active.replace("\r\x1b[K", "")  # supctl's own: the line that shows progress ends
        bad = [char for char in active if not char.isprintable() and char not in "\n\t"]
        assert bad == [], (words, text)


def on_a_terminal(command: list[str]) -> str:
    """Run a command on a terminal of its own and return what it prints."""
    parent, child = pty.openpty()
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        text = b""
        while True:
            try:
                data = os.read(parent, 65536)
            except OSError:  # EIO: the last one has closed the terminal (pty(7))
                break
            text += data
            if not data:
                break
        process.wait(30)
    os.close(parent)
    return text.decode()


# ---- files in directories of its own


def test_a_link_in_place_of_its_log_file_leads_nowhere(run: Run, folder: Path) -> None:
    theirs = folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, INTRUDER, INTRUDER)
    precious = folder / "shadow"
    precious.write_text("root:x\n")
    precious.chmod(0o600)
    script = """
print("before", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
os.unlink(sys.argv[1])
os.symlink(sys.argv[2], sys.argv[1])
print(json.dumps("intruder:x:0:0"), flush=True)
time.sleep(1000)
"""
    log = {"log": {"file": str(theirs / "log")}}
    container = where(run, folder, {"victim": victim(), "intruder": intruder(script, theirs / "log", precious, **log)})
    container.expect("is a link that uid 4242 has made")
    assert precious.read_text() == "root:x\n"


def test_its_processes_end_with_its_program_even_in_a_session_of_their_own(run: Run, folder: Path) -> None:
    """What gives up everything by which it could be known lives on until the container ends, and is an orphan."""
    script = """
for environment, descriptors in ((dict(os.environ), ()), ({}, (1, 2))):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in descriptors:
                os.dup2(os.open("/dev/null", os.O_RDWR), number)
            os.execve("/bin/sleep", ["sleep", "9876" if environment else "9877"], environment)
        os._exit(0)
    os.wait()
while sum(b"987" in arguments_of(name) for name in os.listdir("/proc") if name.isdecimal()) < 3:
    time.sleep(0.01)
print(json.dumps("born"), flush=True)
time.sleep(1000)
"""
    container = reachable(where(run, folder, {"victim": victim(), "intruder": intruder(script)}), folder)
    assert outcome(container) == "born"
    known, unknown = (alive_in(container, word) for word in ("9876", "9877"))
    assert known and unknown
    assert container.supctl("stop", "intruder").returncode == 0
    assert not any(map(is_alive, known))
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert not any(map(is_alive, unknown))


def alive_in(container: Container, word: str) -> list[int]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return [pid for pid in pids if arguments_of(pid)[:2] == ["sleep", word] and stat_of(pid) is not None]
