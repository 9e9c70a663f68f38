"""supinit without a table, beside tini and dumb-init, which it replaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from integration.container import SUPINIT, Stream
from integration.processes import arguments_of, children_of, family_of, kill
from integration.waiting import sleep_until

Options = tuple[str, ...]

SUPINIT_ALONE: Options = (SUPINIT, "--log-level", "error")
TO_CHILD = {"supinit": SUPINIT_ALONE, "tini": ("tini",), "dumb-init": ("dumb-init", "--single-child")}
"""Each, when it signals nothing but its child."""
TO_GROUP = {"supinit": (*SUPINIT_ALONE, "-g"), "tini": ("tini", "-g"), "dumb-init": ("dumb-init",)}
"""Each, when it signals the whole group."""
PLAIN = {"supinit": SUPINIT_ALONE, "tini": ("tini",), "dumb-init": ("dumb-init",)}
"""Each, as it is without an option."""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SUPINIT_")}


def available(init: Options) -> Options:
    """Return what a command is put behind; skips the test where the peer is not installed."""
    if shutil.which(init[0]) is None:
        pytest.skip(f"{init[0]} is not installed (Debian's package {init[0]})")
    return (*init, "--")


class Run:
    """A command under an init that is any process of this machine; `child` is the command's pid."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self.out = Stream(process.stdout)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def child(self) -> int:
        sleep_until(self._has_started, 10, "the command is started")
        return children_of(self.pid)[0]

    def _has_started(self) -> bool:
        """Whether the child is executed: before, it is a copy of the init, which may not lead its group yet."""
        children = children_of(self.pid)
        return bool(children) and arguments_of(children[0]) not in ([], [""], arguments_of(self.pid))

    def expect(self, line: str) -> None:
        sleep_until(lambda: line in self.out.lines, 10, f"{line!r}, after {self.out.lines}")

    def end(self) -> int:
        return self.process.wait(20)


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[Run]:
    """Run an init with its command in a session of its own; nothing below it is left afterwards."""
    defaults: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": ENVIRONMENT, "start_new_session": True}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **defaults | options)
    run = Run(process)
    try:
        yield run
    finally:
        for pid in family_of(process.pid):
            kill(pid)
        process.wait(20)
