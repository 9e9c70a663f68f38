"""The least that a PID 1 in asyncio has to do: start, reap, restart and stop. No pipes, no order, no table.

usage: reference.py COMMANDS, a file with a command a line. It is what supinit is held against; nobody should run it.
"""

import asyncio
import os
import shlex
import signal
import sys


class Init:
    def __init__(self, commands: list[list[str]]) -> None:
        self.commands = commands
        self.running: dict[int, list[str]] = {}
        self.is_stopping = False
        self.over = asyncio.Event()

    def start(self, command: list[str]) -> None:
        pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
        self.running[pid] = command

    def reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            command = self.running.pop(pid, None)
            if command is not None and not self.is_stopping:
                self.start(command)
        if self.is_stopping and not self.running:
            self.over.set()

    def pass_on(self, number: signal.Signals) -> None:
        self.is_stopping = self.is_stopping or number == signal.SIGTERM
        for pid in self.running:
            os.kill(pid, number)
        self.reap()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            loop.add_signal_handler(number, self.pass_on, number)
        for command in self.commands:
            self.start(command)
        self.reap()
        await self.over.wait()


async def main(file: str) -> None:
    with open(file) as lines:
        await Init([shlex.split(line) for line in lines]).run()


asyncio.run(main(sys.argv[1]))
