"""`supinit`: read the command line, and nothing that the start of the first program does not need."""

from __future__ import annotations

import gc
import os
import sys

from supervisor.errors import ConfigError, StartError, SupinitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DEFAULT_CONFIG = "/etc/supinit.yaml"
USAGE = """\
usage: supinit [-c FILE]                     run the program table
       supinit [-c FILE] [--] COMMAND ARG…   run the table, if there is one, beside COMMAND as the main program
       supinit --check [-c FILE]             validate the table and print the plan; nothing is started
       supinit --check --expand              print the table with includes and presets written out instead
       supinit --schema                      print the JSON Schema of the configuration
       supinit convert FILE                  print the table that a supervisord.conf or a Procfile amounts to
options:
  -c, --config FILE        the table; default: $SUPINIT_CONFIG, else /etc/supinit.yaml
  -s, --subreaper          adopt orphans when not PID 1 (with a table, supinit always does)
  -g, --process-group      COMMAND without a table: signal its whole process group, in a session of its own
  -r, --rewrite FROM:TO    COMMAND without a table: forward TO for FROM; TO 0 drops it
      --single-child       COMMAND without a table: signal nothing but the child (the default)
      --log-format FORMAT  plain or json: how supinit's own messages look
      --log-level LEVEL    debug, info, warning or error
      --version            print the version
  -h, --help               print this
"""
EXIT_USAGE, EXIT_CONFIG = 64, 78
CHOICES = {"--log-format": ("plain", "json"), "--log-level": ("debug", "info", "warning", "error")}
VALUES = {"-c": "--config", "-r": "--rewrite"} | {
    name: name for name in ("--config", "--rewrite", "--log-format", "--log-level")
}
FLAGS = {"-s": "--subreaper", "-g": "--process-group", "-h": "--help"} | {
    flag: flag
    for flag in (
        *("--subreaper", "--process-group", "--single-child"),
        *("--check", "--expand", "--schema", "--version", "--help"),
    )
}
SINGLE_ONLY = ("--process-group", "--rewrite", "--single-child")


class UsageError(SupinitError):
    """The command line is wrong (exit code 64)."""


def main() -> NoReturn:
    """Run supinit. Ends the process without Python's own clean-up: as PID 1, its end is the container's."""
    gc.disable()  # until the loop is up: a start allocates much and frees little
    code = _main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)


def _main(arguments: list[str]) -> int:
    try:
        return _run(parse(arguments))
    except UsageError as error:
        sys.stderr.write(f"supinit: {error}\n{USAGE}")
        return EXIT_USAGE
    except ConfigError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        return EXIT_CONFIG
    except StartError as error:
        sys.stderr.write(f"supinit: {error}\n")
        return EXIT_CONFIG


class CommandLine:
    """Options by their long names, flags with an empty value; rewrites in the order given; the command, or ()."""

    __slots__ = ("command", "options", "rewrites")

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        self.rewrites: list[str] = []
        self.command: tuple[str, ...] = ()


def parse(arguments: list[str]) -> CommandLine:
    """Return what the command line asks for. Raises UsageError."""
    line = CommandLine()
    options = line.options
    rest = list(arguments)
    while rest and not line.command:
        word = rest.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in VALUES:
            if not equals:
                if not rest:
                    raise UsageError(f"{name} needs a value")
                value = rest.pop(0)
            if VALUES[name] == "--rewrite":
                line.rewrites.append(value)
            options[VALUES[name]] = value
        elif word in FLAGS:
            options[FLAGS[word]] = ""
        elif word == "--":
            if not rest:
                raise UsageError("no command follows --")
            line.command = tuple(rest)
        elif word.startswith("-"):
            raise UsageError(f"unknown option {word}")
        elif word == "convert":
            if len(rest) != 1 or rest[0].startswith("-"):
                raise UsageError("convert takes one FILE (a program of that name: supinit -- convert)")
            options["convert"] = rest.pop()
        else:
            line.command = (word, *rest)
    if "--expand" in options and "--check" not in options:
        raise UsageError("--expand goes with --check")
    for name, allowed in CHOICES.items():
        if options.get(name, allowed[0]) not in allowed:
            raise UsageError(f"{name} is one of {', '.join(allowed)}")
    return line


def _run(line: CommandLine) -> int:
    options = line.options
    if "--help" in options:
        sys.stdout.write(USAGE)
        return 0
    if "--version" in options:
        from supervisor import __version__

        sys.stdout.write(f"supinit {__version__}\n")
        return 0
    if "--schema" in options:
        from supervisor.cli.schema import print_schema

        return print_schema()
    if "convert" in options:
        from supervisor.cli.convert import print_converted

        return print_converted(options["convert"])
    config = options.get("--config") or os.environ.get("SUPINIT_CONFIG")
    if "--check" in options:
        from supervisor.cli.check import check

        return check(config or DEFAULT_CONFIG, expanded="--expand" in options)
    if line.command and config is None and not os.path.exists(DEFAULT_CONFIG):
        raise UsageError("a single command without a table is not supported yet")
    for name in SINGLE_ONLY:
        if name in options:
            raise UsageError(f"{name} goes with a command and no table")
    if line.command:
        raise UsageError("a main program beside the table is not supported yet")
    from supervisor.boot import Options, run

    return run(Options(config or DEFAULT_CONFIG, options.get("--log-format"), options.get("--log-level")))
