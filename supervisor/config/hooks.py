"""The hooks of a program, and its runtime directories."""

from __future__ import annotations

from supervisor.config.commands import COMMAND, COMMAND_TEXT, COMMAND_WORDS
from supervisor.config.environment import ENVIRONMENT
from supervisor.config.kinds import ByShape, ListOf, Made
from supervisor.config.scalars import ABSOLUTE_PATH, MODE, TEXT, USER, duration
from supervisor.config.sections import Key, Section
from supervisor.core.hook import Hook, RuntimeDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _hook(command: tuple[str, ...], user: Any = None, **given: Any) -> Hook:
    return Hook(command, credentials=user, **given)


def _simple_hook(command: tuple[str, ...]) -> Hook:
    if command[0].startswith("-"):
        raise ValueError("cannot begin with a dash: write a list of commands, such as [[nginx, -t]]")
    return Hook(command)


_HOOK = Section(
    Key("command", COMMAND, "Command to run. No shell is involved.", is_required=True),
    Key("user", USER, "User, and optionally group, to run as. Default: the program's."),
    Key("environment", ENVIRONMENT, "Environment variables besides the program's.", {}),
    Key("working_dir", TEXT, "Working directory. Default: the program's."),
    Key("timeout", duration(may_be_zero=False), "Kill it, with its whole process tree, after this long.", "60s"),
    make=_hook,
    foreign="HOOK_KEYS",
)
HOOKS = ListOf(
    ByShape(
        scalar=Made(COMMAND_TEXT, _simple_hook),
        sequence=Made(COMMAND_WORDS, _simple_hook),
        mapping=_HOOK,
    )
)

_DIRECTORY = Section(
    Key("path", ABSOLUTE_PATH, "Path of the directory.", is_required=True),
    Key("mode", MODE, "Its file mode.", "0755"),
    make=RuntimeDirectory,
)
_PATH = Made(ABSOLUTE_PATH, RuntimeDirectory)
RUNTIME_DIRECTORIES = ByShape(
    scalar=Made(_PATH, lambda directory: (directory,)),
    sequence=ListOf(ByShape(scalar=_PATH, mapping=_DIRECTORY)),
    mapping=Made(_DIRECTORY, lambda directory: (directory,)),
)
