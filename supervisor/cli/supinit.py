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
usage: supinit [-c FILE]            run the program table
       supinit --check [-c FILE]    validate it and print the plan; nothing is started
       supinit --check --expand     print the table with includes and presets written out instead
       supinit --schema             print the JSON Schema of the configuration
options:
  -c, --config FILE        the table; default: $SUPINIT_CONFIG, else /etc/supinit.yaml
  -s, --subreaper          adopt orphans when not PID 1 (with a table, supinit always does)
      --log-format FORMAT  plain or json: how supinit's own messages look
      --log-level LEVEL    debug, info, warning or error
      --version            print the version
  -h, --help               print this
"""
EXIT_USAGE, EXIT_CONFIG = 64, 78
CHOICES = {"--log-format": ("plain", "json"), "--log-level": ("debug", "info", "warning", "error")}
VALUES = {"-c": "--config", "--config": "--config", "--log-format": "--log-format", "--log-level": "--log-level"}
FLAGS = {"-s": "--subreaper", "-h": "--help"} | {
    flag: flag for flag in ("--subreaper", "--check", "--expand", "--schema", "--version", "--help")
}


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


def parse(arguments: list[str]) -> dict[str, str]:
    """Return the options by their long names, flags with an empty value. Raises UsageError."""
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in VALUES:
            if not equals:
                if not rest:
                    raise UsageError(f"{name} needs a value")
                value = rest.pop(0)
            options[VALUES[name]] = value
        elif word in FLAGS:
            options[FLAGS[word]] = ""
        elif word == "--" or not word.startswith("-"):
            raise UsageError("a main program beside the table is not supported yet")
        else:
            raise UsageError(f"unknown option {word}")
    if "--expand" in options and "--check" not in options:
        raise UsageError("--expand goes with --check")
    for name, allowed in CHOICES.items():
        if options.get(name, allowed[0]) not in allowed:
            raise UsageError(f"{name} is one of {', '.join(allowed)}")
    return options


def _run(options: dict[str, str]) -> int:
    config = options.get("--config") or os.environ.get("SUPINIT_CONFIG") or DEFAULT_CONFIG
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
    if "--check" in options:
        from supervisor.cli.check import check

        return check(config, expanded="--expand" in options)
    from supervisor.boot import Options, run

    return run(Options(config, options.get("--log-format"), options.get("--log-level")))
