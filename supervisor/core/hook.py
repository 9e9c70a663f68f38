"""Hooks and runtime directories, as the operator asked for them."""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Credentials, SecretFile


class HookKind(Enum):
    """When a hook runs."""

    PRE_START = "pre_start"
    POST_START = "post_start"
    PRE_STOP = "pre_stop"
    POST_STOP = "post_stop"


class Hook(Record):
    """A command that runs in the context of a program. None: as the program has it."""

    command: tuple[str, ...]
    timeout: float = 60.0
    credentials: Credentials | None = None
    environment: tuple[tuple[str, str | SecretFile | None], ...] = ()
    working_dir: str | None = None

    @property
    def label(self) -> str:
        """The command as one line, cut where it is long."""
        line = " ".join(" ".join(self.command).split())
        return line if len(line) <= 60 else line[:59] + "…"


class HookStep(Record):
    """A pre_stop hook. Unlike after a command step, the next step follows as soon as the hook has ended."""

    hook: Hook

    @property
    def wait(self) -> float:
        return self.hook.timeout


class RuntimeDirectory(Record):
    """A directory that is made before the first start, and owned by the program's user."""

    path: str
    mode: int = 0o755
