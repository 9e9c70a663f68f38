"""supctl, the client: its commands, and how a command line is read. `cli/ctl` has what the commands do.

`healthcheck` runs every few seconds in every container, so nothing is imported that it does not need, argparse least of
all. tests/cli/test_supctl_imports.py lists what must not be.
"""

from __future__ import annotations

import sys

from supervisor.cli.ctl.call import WRONG_USE, Call, complain
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Subcommand(Record):
    """One command. `options`: each with the name of its value, "" for one without. `short`: -x for --xyz."""

    run: str
    """The function that does it, as "module:function" below cli/ctl; imported only when the command is given."""
    words: str
    summary: str
    options: Mapping[str, str] = {}
    least_words: int = 0
    most_words: int | None = None
    short: Mapping[str, str] = {}

    @property
    def usage(self) -> str:
        letters = {name: letter for letter, name in self.short.items()}
        options = "".join(
            f" [{'-' + letters[name] if name in letters else '--' + name}{' ' + value if value else ''}]"
            for name, value in self.options.items()
        )
        return f"{options} {self.words}".rstrip() if self.words else options


EVENTS = {"follow": "", "lines": "N", "since": "TIME"}
LOGS = {"follow": "", "lines": "N", "stream": "stdout|stderr", "since": "TIME", "timestamps": ""}
WATCH = {"watch": "[SECONDS]"}
"""In brackets: a value that may be left out."""
WAITING = {"no-wait": "", "timeout": "TIME"}
COMMANDS = {
    "status": Subcommand("showing:status", "[NAME...]", "show what is up; exit code 3 if something is not", WATCH),
    "top": Subcommand("top:top", "[NAME...]", "watch programs in a full-screen table"),
    "why": Subcommand("showing:why", "[NAME...]", "say why something is not up; exit code 3 if so"),
    "start": Subcommand("programs:change", "NAME...", "start, and wait until it is up", WAITING, 1),
    "stop": Subcommand("programs:change", "NAME...", "stop, and wait until it is gone", WAITING, 1),
    "restart": Subcommand(
        "programs:change", "NAME...", "replace the process, and wait for the new one", {"rolling": "", **WAITING}, 1
    ),
    "scale": Subcommand("programs:scale", "NAME=N...", "change the number of instances", WAITING, 1),
    "reload": Subcommand("programs:change", "NAME...", "make it read its configuration again", WAITING, 1),
    "signal": Subcommand("programs:signal", "SIGNAL NAME...", "send a signal to the main process", {}, 2),
    "logs": Subcommand(
        "logs:logs",
        "[NAME...]",
        "show the end of the programs' output",
        LOGS,
        short={"f": "follow", "n": "lines", "t": "timestamps"},
    ),
    "events": Subcommand(
        "logs:events",
        "[NAME...]",
        "show what has happened in the container",
        EVENTS,
        short={"f": "follow", "n": "lines"},
    ),
    "tree": Subcommand("showing:tree", "", "show every process of the container, by program", {}, 0, 0),
    "run": Subcommand("run:run", "NAME -- COMMAND...", "run a command as the program would", {}, 2),
    "healthcheck": Subcommand(
        "probing:healthcheck", "[NAME...]", "exit code 0 if healthy, 1 if not", {"max-age": "TIME"}
    ),
    "wait": Subcommand(
        "probing:wait",
        "[NAME...]",
        "wait until it is ready, healthy or stopped",
        {"for": "ready|healthy|stopped", "timeout": "TIME"},
    ),
    "update": Subcommand(
        "programs:update", "", "read the configuration again and apply it", {"dry-run": "", **WAITING}, 0, 0
    ),
    "shutdown": Subcommand("showing:shutdown", "", "stop the container, in order", {}, 0, 0),
    "metrics": Subcommand("showing:metrics", "", "print the metrics as Prometheus text", {}, 0, 0),
    "version": Subcommand("showing:version", "", "print supinit's version and the container's revision", {}, 0, 0),
    "completion": Subcommand("completion:completion", "bash|zsh|fish", "print the shell's completion script", {}, 1),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run supctl and return its exit code."""
    call = parse(sys.argv[1:] if arguments is None else arguments)
    if isinstance(call, Wrong):
        return complain(f"{call.sentence}; see supctl --help", WRONG_USE)
    if call.command == "help":
        sys.stdout.write(manual(call.words))
        return 0
    try:
        code = load(COMMANDS[call.command].run)(call)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has gone; what is buffered must not fail again at exit
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except KeyboardInterrupt:
        return 128 + 2


def load(function: str) -> Callable[[Call], int]:
    """Import the function that "module:function" names."""
    module, _, name = function.partition(":")
    loaded = __import__(f"supervisor.cli.ctl.{module}", fromlist=(name,))
    run: Callable[[Call], int] = getattr(loaded, name)
    return run


class Wrong(Record):
    """A wrong command line, and the sentence that says why."""

    sentence: str


def parse(arguments: Sequence[str]) -> Call | Wrong:
    """Read a command line. Options may stand anywhere before a `--`."""
    rest, words, options = list(arguments), list[str](), dict[str, str]()
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            words += rest
            break
        if argument in ("-h", "--help"):
            return Call("help", tuple(words))
        if not argument.startswith("-") or argument == "-":
            words.append(argument)
            continue
        command = words[0] if words else None
        name, value = _split_option(argument, _short_of(command))
        taken = _options_of(command).get(name)
        if taken is None:
            return Wrong(f"unknown option {argument}" + (f" of {command}" if command else ""))
        if taken.startswith("[") and value is None:
            value = rest.pop(0) if rest and rest[0][:1].isdecimal() else ""
        if taken and value is None:
            if not rest:
                return Wrong(f"{argument} needs a value: {taken}")
            value = rest.pop(0)
        elif not taken and value is not None and not argument.startswith("--"):
            rest.insert(0, f"-{value}")  # -fn100 is -f -n100
        elif not taken and value is not None:
            return Wrong(f"{argument.partition('=')[0]} takes no value")
        options[name] = (taken and value) or ""
    return _call(words, options)


def _split_option(argument: str, short: Mapping[str, str]) -> tuple[str, str | None]:
    """Return ("timeout", "5s") for --timeout=5s and ("socket", "x") for -sx; None where no value is attached."""
    if not argument.startswith("--"):
        return short.get(argument[1], ""), argument[2:] or None
    name, equals, value = argument.removeprefix("--").partition("=")
    return name, value if equals else None


def _options_of(command: str | None) -> Mapping[str, str]:
    known = COMMANDS.get(command) if command is not None else None
    return {"socket": "PATH", "json": "", **(known.options if known is not None else {})}


def _short_of(command: str | None) -> Mapping[str, str]:
    known = COMMANDS.get(command) if command is not None else None
    return {"s": "socket", **(known.short if known is not None else {})}


def _call(words: Sequence[str], options: dict[str, str]) -> Call | Wrong:
    """Check the number of words."""
    if not words:
        return Wrong("no command given")
    name, rest = words[0], tuple(words[1:])
    if name == "help":
        return Call("help", rest)
    command = COMMANDS.get(name)
    if command is None:
        return Wrong(f"unknown command {name!r}")
    words_named = rest[: command.least_words or None]
    if "" in words_named and "NAME" in command.words:
        return Wrong(f"the name given to {name} is empty")
    if len(rest) < command.least_words:
        return Wrong(f"{name} needs {command.words}")
    if command.most_words is not None and len(rest) > command.most_words:
        return Wrong(f"unexpected argument {rest[command.most_words]!r} of {name}")
    socket, as_json = options.pop("socket", None), options.pop("json", None) is not None
    return Call(name, rest, options, socket, as_json)


def manual(words: Sequence[str] = ()) -> str:
    """Return the help for a command, or for all."""
    if words and words[0] in COMMANDS:
        command = COMMANDS[words[0]]
        return f"usage: supctl {words[0]}{command.usage}\n\n{command.summary}\n"
    lines = [f"  {f'{name} {command.words}':<24}  {command.summary}" for name, command in COMMANDS.items()]
    return MANUAL.format(commands="\n".join(lines))


MANUAL = """\
usage: supctl [-s SOCKET] [--json] COMMAND

{commands}

supctl help COMMAND shows its options. TIME is 30, 500ms or 1m30s.
NAME is a program, NAME:2 an instance of it, all every program, 'web*' every
one that matches.
SOCKET: -s, else $SUPINIT_SOCKET, else control.sock in $SUPINIT_RUN_DIR, else
/run/supinit/control.sock.
Exit codes: 0 done, 1 failed, 2 wrong use, 3 not all up, 4 no such program,
69 supinit cannot be reached, 77 not permitted.
"""


if __name__ == "__main__":
    sys.exit(main())
