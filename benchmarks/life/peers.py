"""What a user would pick instead, and how each runs the children: as its own documentation says, output and all.

Those from PyPI and npm are in folders of their own, the others are Debian's. One that is not there is a gap.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.life.box import Box, Command
from benchmarks.life.contender import Contender

Write = Callable[[Box, Sequence[Command], str], Sequence[str]]
"""As Prepare, but given the path of the peer's command."""

FROM_PYPI = "--install-peers installs it"


class Peers:
    """The peers whose commands are in `folder`, or else on the PATH."""

    def __init__(self, folder: Path) -> None:
        self._path = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

    def supervisors(self) -> list[Contender]:
        """Return those that run many programs."""
        return [
            self.supervisord(),
            self._peer("circus", "circusd", FROM_PYPI, _circus, most=100),
            self._peer("honcho", "honcho", FROM_PYPI, _honcho, most=100),
            self._peer("s6", "s6-svscan", "it is Debian's package s6", _s6),
            self._peer("runit", "runsvdir", "it is Debian's package runit", _runit, stop=signal.SIGHUP),
            self._peer("dinit", "dinit", "not packaged before Debian 13", _dinit),
            self._peer("pm2", "pm2-runtime", "npm install pm2 in a folder, whose .bin is on the PATH", _pm2, most=20),
            Contender("Pebble", _none, "missing: it is in no Debian package, on PyPI or npm"),
        ]

    def supervisord(self) -> Contender:
        return self._peer("supervisord", "supervisord", FROM_PYPI, _supervisord)

    def single(self) -> list[Contender]:
        """Return those that run one command."""
        return [
            self._peer(name, name, f"it is Debian's package {name}", _before, most=1)
            for name in ("tini", "dumb-init", "catatonit")
        ]

    def find(self, command: str) -> str | None:
        return shutil.which(command, path=self._path)

    def _peer(
        self, name: str, command: str, remedy: str, write: Write, most: int = 1000, stop: int = signal.SIGTERM
    ) -> Contender:
        path = self.find(command)
        if path is None:
            return Contender(name, _none, f"missing: {remedy}")
        return Contender(name, lambda box, children: write(box, children, path), most=most, stop=stop)


def _none(box: Box, children: Sequence[Command]) -> Sequence[str]:
    raise AssertionError("a gap is not started")


def _before(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    return [path, "--", *children[0]]


def _supervisord(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    lines = ["[supervisord]", "nodaemon=true", "user=root", "pidfile=supervisord.pid", "logfile=/dev/null"]
    lines += ["logfile_maxbytes=0", "[unix_http_server]", "file=supervisor.sock", "[supervisorctl]"]
    lines += [f"serverurl=unix://{box.folder}/supervisor.sock", "[rpcinterface:supervisor]"]
    lines += ["supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"]
    for number, child in enumerate(children):
        lines += [f"[program:p{number}]", f"command={shlex.join(child)}", "autorestart=true"]
        for stream in ("stdout", "stderr"):
            lines += [f"{stream}_logfile=/dev/{stream}", f"{stream}_logfile_maxbytes=0"]
    return [path, "-c", _file(box, "supervisord.conf", lines)]


def _circus(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    lines = ["[circus]", "endpoint=ipc://endpoint", "pubsub_endpoint=ipc://pubsub", "statsd=false"]
    for number, child in enumerate(children):
        lines += [f"[watcher:p{number}]", f"cmd={shlex.join(child)}"]
        lines += [f"{stream}_stream.class=StdoutStream" for stream in ("stdout", "stderr")]
    return [path, "--log-level", "ERROR", _file(box, "circus.ini", lines)]


def _honcho(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    lines = [f"p{number}: exec {shlex.join(child)}" for number, child in enumerate(children)]
    return [path, "start", "-f", _file(box, "Procfile", lines)]


def _s6(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    return [path, "-c", "1000", _scripts(box, children)]


def _runit(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    return [path, "-P", _scripts(box, children)]


def _dinit(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    folder = box.folder / "services"
    folder.mkdir()
    for number, child in enumerate(children):
        lines = ["type = process", f"command = {shlex.join(child)}", "restart = true", "restart-delay = 0"]
        (folder / f"p{number}").write_text("\n".join(lines) + "\n")
    waits = [f"waits-for = p{number}" for number in range(len(children))]
    (folder / "boot").write_text("\n".join(["type = internal", *waits]) + "\n")
    return [path, "-m", "-q", "-d", str(folder), "-p", str(box.folder / "dinit.sock")]


def _pm2(box: Box, children: Sequence[Command], path: str) -> Sequence[str]:
    apps = [
        {"name": f"p{number}", "script": child[0], "args": list(child[1:]), "interpreter": "none", "exec_mode": "fork"}
        for number, child in enumerate(children)
    ]
    file = _file(box, "ecosystem.config.json", [json.dumps({"apps": apps})])
    return ["env", f"PM2_HOME={box.folder}/pm2", path, "start", file]


def _scripts(box: Box, children: Sequence[Command]) -> str:
    """Write a directory for each service, with a script that becomes the child."""
    folder = box.folder / "services"
    for number, child in enumerate(children):
        script = folder / f"p{number}" / "run"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\nexec {shlex.join(child)}\n")
        script.chmod(0o755)
    return str(folder)


def _file(box: Box, name: str, lines: Sequence[str]) -> str:
    file = box.folder / name
    file.write_text("\n".join(lines) + "\n")
    return str(file)
