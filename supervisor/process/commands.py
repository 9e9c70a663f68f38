"""Short commands beside the programs (exec probes, steps of a stop sequence): run once, watched, ended at their limit.

They go through the one spawner and the one reaper like everything else.
"""

from __future__ import annotations

import asyncio
import os
import signal

from supervisor.core.program import Scope
from supervisor.core.record import Record, replace
from supervisor.core.signals import signal_name
from supervisor.core.tree import Owner, OwnerKind
from supervisor.process.sweep import kill_stragglers, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.process.children import Children, Death
    from supervisor.process.spawn import Launch

TAIL = 4096
"""Bytes of a command's last output that are kept."""


class CommandResult(Record):
    """How a command ended; code and signal are None when it was ended at its limit. `output` is its output's tail."""

    code: int | None
    signal: int | None
    output: str

    @property
    def succeeded(self) -> bool:
        return self.code == 0

    @property
    def last_line(self) -> str:
        return self.output.rpartition("\n")[2]

    @property
    def ending(self) -> str | None:
        """How it ended by itself, as a predicate: "exited with code 7". None: it was ended at its limit."""
        if self.signal is not None:
            return f"was ended by {signal_name(self.signal)}"
        return None if self.code is None else f"exited with code {self.code}"


class Command:
    """Owner of a command's process, until its death is told to `finish`. `name` is what it counts as in the tree."""

    def __init__(self, name: Owner | None = None) -> None:
        self.name = name or Owner(OwnerKind.COMMAND)
        self._ended: asyncio.Future[Death] = asyncio.get_running_loop().create_future()

    def finish(self, death: Death) -> None:
        if not self._ended.done():
            self._ended.set_result(death)

    async def run(self, children: Children, launch: Launch, timeout: float) -> CommandResult:
        """Run the command; at the end of `timeout`, or when this is cancelled, nothing of its tree is left.

        `launch`'s stdout and stderr are replaced. Raises SpawnError.
        """
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        output = _Tail(read_end)
        try:
            pid = children.spawn(self, replace(launch, stdout=write_end, stderr=write_end))
            os.close(write_end)
            write_end = -1
            try:
                async with asyncio.timeout(timeout):
                    death = await asyncio.shield(self._ended)
            except TimeoutError:
                return CommandResult(None, None, output.text())
            finally:
                if not self._ended.done():
                    send(pid, signal.SIGKILL, Scope.TREE, _NO_MARKS, children.pids)
            kill_stragglers(pid, _NO_MARKS, children.pids)
            return CommandResult(death.code, death.signal, output.text())
        finally:
            if write_end >= 0:
                os.close(write_end)
            output.close()


_NO_MARKS = frozenset((b"\0",))
"""No process carries this variable: a command is known by its session and its descendants alone."""


class _Tail:
    """The last bytes that come out of a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = b""
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, TAIL)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return False
        self._kept = (self._kept + data)[-TAIL:]
        return True

    def text(self) -> str:
        for _ in range(16):
            if not self._read():
                break
        return self._kept.decode(errors="replace").strip()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
