"""`supinit`: parse the command line. Imports only what the start of the first program needs."""

from __future__ import annotations

import gc
import os
import sys

from supervisor.errors import ConfigError, SpawnError, StartError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

DEFAULT_CONFIG = "/etc/supinit.yaml"
USAGE = """\
usage: supinit [-c FILE]                     run the program table
       supinit [-c FILE] [--] COMMAND ARG…   run COMMAND as the main program, beside the table if there is one
       supinit --check [-c FILE]             validate the table and print the plan; nothing is started
       supinit --check --expand              print the table with includes merged and presets expanded instead
       supinit --check --engine NAME         print what compose, ecs, kubernetes or nomad has to be told instead
       supinit --drill [-c FILE]             start the table, stop it once it is up, and report what went wrong
       supinit --compile [-c FILE]           write FILE.compiled, from which supinit starts faster
       supinit --schema                      print the JSON Schema of the configuration
       supinit convert PATH                  convert a supervisord.conf, Procfile, compose.yaml, s6-overlay tree, …
options:
  -c, --config FILE        the table; default: $SUPINIT_CONFIG, else /etc/supinit.yaml
  -s, --subreaper          adopt orphans when not PID 1 (with a table, supinit always does)
  -g, --process-group      COMMAND without a table: signal its whole process group, in a session of its own
  -r, --rewrite FROM:TO    COMMAND without a table: forward TO for FROM; TO 0 drops it
      --profile NAME       start the programs of this profile, too, as $SUPINIT_PROFILES does; repeatable
      --single-child       COMMAND without a table: signal nothing but the child (the default)
      --remap-exit CODE    COMMAND without a table: exit with 0 for this exit code, such as 143 for Java; repeatable
      --timeout TIME       --drill: how long everything may take to become ready and healthy (60s)
      --log-format FORMAT  plain or json: format of supinit's own messages
      --log-level LEVEL    debug, info, warning or error: least severe level to log
      --version            print the version
  -h, --help               print this help
"""
EXIT_USAGE, EXIT_CONFIG = 64, 78
CHOICES = {
    "--engine": ("compose", "ecs", "kubernetes", "nomad"),
    "--log-format": ("plain", "json"),
    "--log-level": ("debug", "info", "warning", "error"),
}
VALUES = ("--config", "--profile", "--remap-exit", "--rewrite", "--timeout", *CHOICES)
FLAGS = (
    *("--subreaper", "--process-group", "--single-child"),
    *("--check", "--compile", "--drill", "--expand", "--schema", "--version", "--help"),
)
LETTERS = {"c": "--config", "g": "--process-group", "h": "--help", "r": "--rewrite", "s": "--subreaper"}
SINGLE_ONLY = ("--process-group", "--remap-exit", "--rewrite", "--single-child")


def main() -> NoReturn:
    """Run supinit. Ends the process without Python's cleanup, because the end of PID 1 is the end of the container."""
    gc.disable()  # until the loop runs: a start allocates much and frees little
    code = _main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # None where the descriptor is closed
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
    except BrokenPipeError:
        return 1  # the reader of the plan has seen enough
    except StartError as error:
        sys.stderr.write(f"supinit: {error}\n")
        return EXIT_CONFIG


class CommandLine:
    """The parsed command line. Flags have an empty value. Rewrites are in order. An empty command means none."""

    __slots__ = ("command", "options", "profiles", "remapped", "rewrites")

    def __init__(self) -> None:
        self.profiles: list[str] = []
        self.options: dict[str, str] = {}
        self.rewrites: list[str] = []
        self.remapped: list[str] = []
        self.command: tuple[str, ...] = ()


def parse(arguments: list[str]) -> CommandLine:
    """Parse the command line. Raises UsageError."""
    line = CommandLine()
    options = line.options
    rest = list(arguments)
    while rest and not line.command:
        word = rest.pop(0)
        if word == "--":
            if not rest:
                raise UsageError("no command given after --")
            line.command = tuple(rest)
        elif word.startswith("-"):
            for name, value in _read(word, rest):
                if name == "--rewrite":
                    line.rewrites.append(value)
                elif name == "--remap-exit":
                    line.remapped.append(value)
                elif name == "--profile":
                    line.profiles.append(value)
                options[name] = value
        elif word == "convert":
            if len(rest) != 1 or rest[0].startswith("-"):
                raise UsageError("convert takes one PATH (to run a program of that name: supinit -- convert)")
            options["convert"] = rest.pop()
        else:
            line.command = (word, *rest)
    if "--expand" in options and "--check" not in options:
        raise UsageError("--expand requires --check")
    if "--engine" in options and ("--check" not in options or "--expand" in options):
        raise UsageError("--engine requires --check, without --expand")
    if "--timeout" in options and "--drill" not in options:
        raise UsageError("--timeout goes with --drill")
    if "--process-group" in options and "--single-child" in options:
        raise UsageError("--process-group and --single-child cannot be used together")
    for name, allowed in CHOICES.items():
        if options.get(name, allowed[0]) not in allowed:
            raise UsageError(f"{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}")
    return line


def _read(word: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the options in one word, as getopt_long(3) reads it. A value may be taken from `rest`."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if name in VALUES:
            yield name, value if equals else _value(name, rest)
        elif word in FLAGS:
            yield word, ""
        else:
            raise UsageError(f"unknown option {word}")
        return
    letters = word[1:] or "-"
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter not in LETTERS:
            raise UsageError(f"unknown option -{letter}" + (f" in {word}" if len(word) > 2 else ""))
        name, value = LETTERS[letter], ""
        if name in VALUES:
            value, letters = letters or _value(f"-{letter}", rest), ""
        yield name, value


def _value(name: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"option {name} requires a value")
    return rest.pop(0)


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
        import json

        from supervisor.config.schema import json_schema

        json.dump(json_schema(), sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    if "convert" in options:
        from supervisor.cli.convert import print_converted

        return print_converted(options["convert"])
    if line.profiles:
        named = os.environ.get("SUPINIT_PROFILES")
        os.environ["SUPINIT_PROFILES"] = ",".join((*((named,) if named else ()), *line.profiles))
    config = options.get("--config") or os.environ.get("SUPINIT_CONFIG") or None
    if "--check" in options:
        from supervisor.cli.check import check

        return check(config or DEFAULT_CONFIG, "--expand" in options, line.command, options.get("--engine"))
    if "--drill" in options:
        from supervisor.cli.drill import TIMEOUT, drill

        code = drill(config or DEFAULT_CONFIG, options.get("--timeout", TIMEOUT), line.command)
        if code or "--compile" not in options:
            return code
    if "--compile" in options:
        from supervisor.config.compiler import write_compiled

        sys.stdout.write(f"{write_compiled(config or DEFAULT_CONFIG, os.environ)}\n")
        return 0
    if line.command and config is None and not os.path.exists(DEFAULT_CONFIG):
        return _run_command(line)
    for name in SINGLE_ONLY:
        if name in options:
            raise UsageError(f"{name} requires a command without a table")
    config = config or DEFAULT_CONFIG
    opening = None
    if not line.command:
        from supervisor.opening import open_table

        opening = open_table(config)
    from supervisor.boot import Options, run

    return run(Options(config, options.get("--log-format"), options.get("--log-level"), line.command), opening)


def _run_command(line: CommandLine) -> int:
    from supervisor.cli.rewriting import parse_exit_codes, parse_rewrites
    from supervisor.process.foreground import say
    from supervisor.process.single import run
    from supervisor.process.subreaper import become_subreaper, is_init

    options = line.options
    rewrites, remapped = parse_rewrites(line.rewrites), parse_exit_codes(line.remapped)
    adopts = is_init() or ("--subreaper" in options and become_subreaper())
    if not adopts and options.get("--log-level") != "error":
        why = "the kernel refused -s" if "--subreaper" in options else "use -s to reap them"
        say(f"not PID 1: orphans will not be reaped ({why})")
    try:
        return run(line.command, rewrites, "--process-group" in options, remapped)
    except SpawnError as error:
        say(f"the command {error}")
        return error.code or 126
