"""What reads bytes from outside. Each target takes any bytes and raises only if something is wrong with supinit."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from supervisor.client import wire
from supervisor.config.load import load
from supervisor.convert.formats import convert
from supervisor.core.healthcheck import FastCgiProbe, HttpProbe, Probe, UwsgiProbe
from supervisor.core.notice import parse_notice
from supervisor.core.output import Output
from supervisor.core.program import LogMode, LogSettings, Program, Table
from supervisor.errors import ConfigError, SpawnError
from supervisor.health.probes import ProbeResult, ask
from supervisor.logs.pipe import Pipe
from supervisor.logs.syslog_message import parse_message
from supervisor.logs.tails import Tails
from supervisor.process import env_file, procfs
from supervisor.process.connections import parse as parse_connection
from supervisor.process.pid_files import read_pid

from ..control.dialogue import served
from ..control.steered import SteeredContainer, service
from ..logs.plumbing import Basket

ENVIRON = {"HOME": "/root", "A": "b"}


class Fuzz:
    """A folder, and an event loop for the targets that need one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = asyncio.Runner()
        self._answer = b""
        self._servers: list[asyncio.Server] = []
        self.targets: dict[str, Callable[[bytes], None]] = {
            "table": self.table,
            "supervisord": lambda data: self.conversion("supervisord.conf", data),
            "procfile": lambda data: self.conversion("Procfile", data),
            "compose": lambda data: self.conversion("compose.yaml", data),
            "systemd": lambda data: self.conversion("web.service", data),
            "run-script": self.run_script,
            "env-file": self.env_file,
            "request": self.request,
            "answer-to-supctl": self.answer_to_supctl,
            "notify": self.notify,
            "syslog": self.syslog,
            "http": lambda data: self.probe(HttpProbe(f"http+unix://{self.socket_url}/healthz"), data),
            "fastcgi": lambda data: self.probe(FastCgiProbe(self.socket), data),
            "uwsgi": lambda data: self.probe(UwsgiProbe(self.socket), data),
            "output": self.output,
            "proc": self.proc,
        }

    # ---- files

    def table(self, data: bytes) -> None:
        path = self.folder / "supinit.yaml"
        path.write_bytes(data)
        try:
            assert isinstance(load(str(path), ENVIRON), Table)
        except ConfigError as error:
            assert error.problems and all(problem.startswith(f"{path}:") for problem in error.problems), error.problems

    def conversion(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.write_bytes(data)
        self.convert(path)

    def run_script(self, data: bytes) -> None:
        """A service folder of runit or s6: the script is a shell's, or execline's."""
        folder = self.folder / "services" / "web"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run").write_bytes(data)
        (folder / "run").chmod(0o755)
        self.convert(folder.parent)

    def convert(self, path: Path) -> None:
        try:
            table = convert(str(path), ENVIRON).table
        except ConfigError as error:
            assert error.problems
            return
        self.table(table.encode("utf-8", "surrogateescape"))

    def env_file(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        for is_raw in (False, True):
            try:
                variables = (
                    env_file.parse_raw("env", text, ENVIRON) if is_raw else env_file.parse("env", text, ENVIRON, {})
                )
            except SpawnError as error:
                assert str(error).startswith("cannot read env_file env:")
            else:
                assert all(isinstance(value, str) for value in variables.values())
        path = self.folder / "pid"
        path.write_bytes(data)
        try:
            assert read_pid(str(path)) > 1
        except OSError:
            pass

    # ---- HTTP

    def request(self, data: bytes) -> None:
        """Whatever is sent to the control socket, others are answered, and nothing fails inside."""
        self.runner.run(self._request(data))

    async def _request(self, data: bytes) -> None:
        path = str(self.folder / "control.sock")
        async with served(SteeredContainer(service("web"), service("db", scale=2)), path, patience=0.2) as control:
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(data)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 10)
            except ConnectionError:
                pass
            finally:
                writer.transport.abort()
            assert (await control.ask("GET", "/livez")).status in (200, 503)
            assert control.faults == [], control.log

    def answer_to_supctl(self, data: bytes) -> None:
        parser = wire.receive()
        try:
            next(parser)
            for at in range(0, max(len(data), 1), 100):
                parser.send(data[at : at + 100])
            parser.throw(ConnectionError("the end"))
        except (StopIteration, OSError):
            pass

    # ---- datagrams

    def notify(self, data: bytes) -> None:
        notice = parse_notice(data)
        if notice is not None and notice.status is not None:
            assert notice.status.isprintable()

    def syslog(self, data: bytes) -> None:
        message = parse_message(data)
        assert message.severity.isalpha()

    # ---- probed servers

    @property
    def socket(self) -> str:
        return str(self.folder / "app.sock")

    @property
    def socket_url(self) -> str:
        return self.socket.replace("/", "%2F")

    def probe(self, probe: Probe, data: bytes) -> None:
        self._answer = data
        result = self.runner.run(self._probe(probe))
        assert isinstance(result, ProbeResult)
        assert "Error(" not in result.detail, result.detail

    async def _probe(self, probe: Probe) -> ProbeResult:
        if not self._servers:
            self._servers.append(await asyncio.start_unix_server(self._serve, self.socket))
        return await ask(probe, 10, lambda words, limit: self._no_command())

    async def _no_command(self) -> ProbeResult:
        raise AssertionError("no command is asked for")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(self._answer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    # ---- output and /proc

    def output(self, data: bytes) -> None:
        """In whatever pieces it comes: as it is, cut where it is too long, or one object for each line."""
        whole = piped(data, "prefix").replace(CUT, b"")
        assert whole.removesuffix(b"\n") == data.replace(CUT, b"").removesuffix(b"\n")
        for line in piped(data, "json").split(b"\n")[:-1]:
            assert json.loads(line)["program"] == "web"

    def proc(self, data: bytes) -> None:
        """Text in /proc has names and variables that programs choose."""
        name = data[:15]
        (self.folder / "stat").write_bytes(b"4321 (" + name + b") S 7 8 9 0 -1" + b" 1" * 40 + b"\n")
        with patch.object(os, "open", self._open_elsewhere):
            process = procfs.read_process(4321)
            assert process is not None and (process.parent, process.group, process.session) == (7, 8, 9)
            (self.folder / "stat").write_bytes(data)
            procfs.name_of(4321)
            procfs.variables_of(4321)
        for line in data.split(b"\n"):
            parse_connection(line)

    def _open_elsewhere(self, path: str, flags: int) -> int:
        return REAL_OPEN(str(self.folder / "stat") if path.startswith("/proc/4321") else path, flags)

    def close(self) -> None:
        for server in self._servers:
            server.close()
        self.runner.close()


REAL_OPEN = os.open
CUT = b" [cut]\n"


def piped(data: bytes, mode: str) -> bytes:
    program = Program("web", ("true",), log=LogSettings(mode=LogMode(mode), max_line=100))
    basket, instance = Basket(), ("web", 1)
    tail = Tails().of(instance)
    tail.limit = program.log.tail
    pipe = Pipe(-1, instance, 0, Output(instance), tail)
    pipe.connect(program, [basket], None)
    size = 1 + len(data) % 97
    for at in range(0, len(data), size):
        pipe.take(data[at : at + size])
    pipe.finish()
    return basket.take()


@contextmanager
def fuzzing() -> Iterator[Fuzz]:
    folder = Path(tempfile.mkdtemp(prefix="supinit-fuzz-"))
    fuzz = Fuzz(folder)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(fuzz.close)
        yield fuzz
