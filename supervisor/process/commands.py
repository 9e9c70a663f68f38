"""Short commands that are run for a program: exec probes, stop steps and reload commands.

They use the same spawner and reaper as the programs, and are killed with their whole tree at their timeout.
"""

from __future__ import annotations

import asyncio
import os

from supervisor.core.record import Record, replace
from supervisor.core.signals import end_sentence
from supervisor.core.tree import Owner, OwnerKind
from supervisor.process.children import NO_MARKS
from supervisor.process.executable import cannot_start
from supervisor.process.sweep import kill_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.core.program import Signal
    from supervisor.process.children import Children, Death
    from supervisor.process.spawn import Launch

TAIL = 4096
"""Bytes kept of the end of a command's output."""


class CommandResult(Record):
    """How a command ended. `code` and `signal` are both None where it was killed at its timeout."""

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
        """How it ended, as a predicate such as "exited with code 7". None: it was killed at its timeout."""
        ended_itself = self.signal is not None or self.code is not None
        return end_sentence(self.code, self.signal) if ended_itself else None


class Command:
    """One command, and the owner of its process until `finish` is called. `name`: its owner in the process tree."""

    def __init__(self, name: Owner | None = None) -> None:
        self.name = name or Owner(OwnerKind.COMMAND)
        self.marks = NO_MARKS
        self._ended: asyncio.Future[Death] = asyncio.get_running_loop().create_future()

    def finish(self, death: Death) -> None:
        if not self._ended.done():
            self._ended.set_result(death)

    async def run(self, children: Children, launch: Launch, timeout: float) -> CommandResult:
        """Run the command. When this returns or is cancelled, its whole tree has been killed.

        The stdout and stderr of `launch` are replaced. Raises SpawnError.
        """
        try:
            read_end, write_end = os.pipe2(os.O_CLOEXEC)
        except OSError as error:
            raise cannot_start(error) from None
        os.set_blocking(read_end, False)
        output = _Tail(read_end)
        try:
            if self.name.kind is OwnerKind.PROBE:
                launch = self._marked(launch, read_end)
            launch = replace(launch, stdout=write_end, stderr=write_end)
            code, signal = await self.wait(children, launch, timeout, (write_end,))
            return CommandResult(code, signal, output.text())
        finally:
            output.close()

    async def wait(
        self, children: Children, launch: Launch, timeout: float, ours: Iterable[int]
    ) -> tuple[int | None, Signal | None]:
        """Run the command as `run` does, with the output that `launch` names, and return its code and its signal.

        `ours`: descriptors to close once the process has them.
        """
        try:
            pid = children.spawn(self, launch)
        finally:
            for descriptor in ours:
                os.close(descriptor)
        try:
            async with asyncio.timeout(timeout):
                death = await asyncio.shield(self._ended)
        except TimeoutError:
            return None, None
        finally:
            if not self._ended.done():
                kill_tree(pid, self.marks, children.pids)
        return death.code, death.signal

    def _marked(self, launch: Launch, output: int) -> Launch:
        """Return the launch with a variable of its own, so that what a probe starts does not outlive it.

        A command of a stop or reload may leave a process to its program on purpose.
        """
        inode = os.fstat(output).st_ino
        self.marks = frozenset((f"{PROBE}={inode}".encode(), b"pipe:[%d]" % inode))
        return replace(launch, environment={**launch.environment, PROBE: str(inode)})


PROBE = "SUPINIT_PROBE"
"""The variable that the processes of a probe carry."""


class _Tail:
    """The last bytes read from a pipe."""

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
