"""What a user would pick instead: where each peer is found, and how it is run for the log benchmarks.

supervisord and circus are in a virtual environment of their own, since supervisord and supinit claim the same import
name; s6-log (Debian's s6), svlogd (runit) and cat are those of the system.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.logs.contender import MAX_SIZE, Contender, Scene
from benchmarks.logs.measuring import SETTINGS

PACKAGES = ("supervisor", "circus", "honcho")

Logger = Callable[[Scene, str], Sequence[str]]
"""The command that reads a child's output on its stdin."""


def own_folder() -> Path:
    """Return where the commands of the peers from PyPI are, once they are installed."""
    return Path.home() / ".cache" / "supinit-benchmarks" / "peers" / "bin"


def install() -> Path:
    """Install the peers that come from PyPI, and return the folder of their commands."""
    folder = own_folder()
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder.parent)], check=True)
    subprocess.run([str(folder / "pip"), "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
    return folder


class Peers:
    """The peers whose commands are in `folder`, or else on the PATH."""

    def __init__(self, folder: Path) -> None:
        self._path = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))

    def supervisord(self) -> Contender:
        return self._contender("supervisord", "supervisord", "--install-peers installs it", _supervisord)

    def circus(self) -> Contender:
        return self._contender("circus", "circusd", "--install-peers installs it", _circus)

    def s6_log(self) -> Contender:
        return self._logger("s6-log", "Debian's package s6", _s6_log)

    def svlogd(self) -> Contender:
        return self._logger("svlogd", "Debian's package runit", _svlogd)

    def cat(self) -> Contender:
        return self._logger("cat", "coreutils", lambda _, cat: [cat])

    def _logger(self, name: str, package: str, logger: Logger) -> Contender:
        return self._contender(name, name, f"it is in {package}", lambda scene, path: _pipe(scene, logger(scene, path)))

    def _contender(
        self, name: str, command: str, remedy: str, start: Callable[[Scene, str], Sequence[int]]
    ) -> Contender:
        path = shutil.which(command, path=self._path)
        if path is None:
            return Contender(name, None, f"missing: {remedy}")
        return Contender(name, lambda scene: start(scene, path))


def _supervisord(scene: Scene, path: str) -> Sequence[int]:
    file, size = ("/dev/stdout", 0) if scene.log is None else (str(scene.log), MAX_SIZE)
    settings = ["[supervisord]", "nodaemon=true", "silent=true", "pidfile=supervisord.pid"]
    settings += ["logfile=/dev/null", "logfile_maxbytes=0"]
    for number, child in enumerate(scene.children):
        settings += [f"[program:p{number}]", f"command={shlex.join(child)}", "autorestart=false", "startsecs=0"]
        settings += [f"stdout_logfile={file}", f"stdout_logfile_maxbytes={size}"]
        settings += [f"stdout_logfile_backups={scene.keep}", "stderr_logfile=NONE"]
    return _run(scene, "supervisord.conf", settings, path, "-c")


def _circus(scene: Scene, path: str) -> Sequence[int]:
    settings = ["[circus]", "endpoint=ipc://endpoint", "pubsub_endpoint=ipc://pubsub", "statsd=false"]
    for number, child in enumerate(scene.children):
        settings += [f"[watcher:p{number}]", f"cmd={shlex.join(child)}", "respawn=false"]
        if scene.log is None:
            settings += ["stdout_stream.class=StdoutStream"]
            continue
        settings += ["stdout_stream.class=FileStream", f"stdout_stream.filename={scene.log}"]
        settings += [f"stdout_stream.max_bytes={MAX_SIZE}", f"stdout_stream.backup_count={scene.keep}"]
    return _run(scene, "circus.ini", settings, path, "--log-level", "ERROR")


def _run(scene: Scene, name: str, settings: Sequence[str], *command: str) -> Sequence[int]:
    """Start a supervisor with a file of settings, whose name is its last argument."""
    (scene.folder / name).write_text("\n".join(settings) + "\n")
    return [scene.processes.start([*command, name], stdout=scene.stdout)]


def _s6_log(scene: Scene, path: str) -> Sequence[str]:
    if scene.log is None:
        return [path, "1"]
    return [path, f"s{MAX_SIZE}", f"n{scene.keep}", str(scene.log.parent)]


def _svlogd(scene: Scene, path: str) -> Sequence[str]:
    assert scene.log is not None
    (scene.log.parent / SETTINGS).write_text(f"s{MAX_SIZE}\nn{scene.keep}\n")
    return [path, str(scene.log.parent)]


def _pipe(scene: Scene, logger: Sequence[str]) -> Sequence[int]:
    """Start each child with a logger of its own behind it, as s6, runit and a shell do."""
    stdout = scene.stdout
    if scene.log is not None:
        stdout = os.open(scene.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    pids = []
    for child in scene.children:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        scene.processes.start(child, stdout=write_end)
        pids.append(scene.processes.start(logger, stdin=read_end, stdout=stdout))
        os.close(read_end)
        os.close(write_end)
    if stdout != scene.stdout:
        os.close(stdout)
    return pids
