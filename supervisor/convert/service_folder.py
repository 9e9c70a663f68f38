"""Convert one service directory of s6 or runit: run, finish, log/run, check, down and the files that tune it."""

from __future__ import annotations

import os
import re

from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import Findings, Location
from supervisor.convert.loggers import log_of
from supervisor.convert.scripts import Script, set_command, warn_of_environment
from supervisor.convert.servers import suggest_preset, suggestion
from supervisor.convert.sources import read_text
from supervisor.core.signals import parse_signal, signal_name

FINISH = "{} is not run after each end of the program"
ENDS = "its finish script ends the container, which shutdown_on: exit does"
OUTPUT = "output goes to the container's streams; the logger is not needed"
_ENDS_CONTAINER = re.compile(
    r"s6-svscanctl\s+-[a-z]*[tb6]|/basedir/bin/halt|\bhalt\b|container-results/exitcode|kill\s+(-\w+\s+)?1\b"
)
_NOT_NEEDED = ("nosetsid", "max-death-tally", "lock-fd", "flag-essential", "supervise", "event")
_KNOWN = (
    "run", "finish", "type", "down", "check", "data", "env", "log", "notification-fd", "timeout-kill", "down-signal",
    "timeout-finish", "timeout-up", "timeout-down", "dependencies", "dependencies.d", "producer-for", "consumer-for",
    "pipeline-name", "up", "contents", "contents.d", "control", "conf", *_NOT_NEEDED,
)  # fmt: skip


def path_in_image(path: str) -> str:
    """Return where a file of a source tree lies in the image: from its last folder named etc on."""
    path = os.path.abspath(path)
    parts = path.split("/")
    if "etc" not in parts:
        return path
    return "/" + "/".join(parts[len(parts) - 1 - parts[::-1].index("etc") :])


def read_script(path: str, draft: Draft) -> Script | None:
    """Return a script, or None where there is no such file that can be read."""
    if not os.path.isfile(path):
        return None
    try:
        text = read_text(path, draft.findings)
    except OSError as error:
        draft.lose(Location(path, 1), f"cannot read {path}: {error.strerror or error}")
        return None
    return None if text is None else Script(text, path_in_image(path), Location(path, 1))


def convert_folder(folder: str, draft: Draft) -> Block | None:
    """Return the program that a service directory runs; None without a run script. Losses become comments."""
    script = read_script(os.path.join(folder, "run"), draft)
    if script is None:
        return None
    program = Block()
    words = set_command(script, program, draft)
    warn_of_environment(script, draft)
    if preset := suggest_preset(words):
        program.note(suggestion(preset))
    _set_readiness(folder, program)
    _set_stop(folder, program, draft)
    _set_log(folder, program, draft)
    _set_end(folder, program, draft)
    for name in sorted(os.listdir(folder)):
        if name in _NOT_NEEDED:
            draft.findings.group(script.place, "not needed under supinit", os.path.basename(folder), name)
        elif name not in _KNOWN:
            draft.findings.group(script.place, "files that only their script uses", os.path.basename(folder), name)
    return program


def value_of(folder: str, name: str) -> str:
    """Return the first line of a file that holds one value; empty where there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.readline(4096).strip()
    except OSError:
        return ""


def milliseconds(text: str) -> str:
    """Return a file's number of milliseconds as a duration; empty where there is none, or none is meant."""
    number = int(text) if text.isdigit() else 0
    return "" if not number else f"{number // 1000}s" if number % 1000 == 0 else f"{number}ms"


def _set_readiness(folder: str, program: Block) -> None:
    descriptor = value_of(folder, "notification-fd")
    check = os.path.join(folder, "check")
    health = program.entries.get("healthcheck")
    if isinstance(health, dict) and health.get("test") == "./data/check":
        health["test"] = f"{path_in_image(folder)}/data/check"
    elif descriptor.isdigit() and health is None:
        program.entries["ready"] = {"notify": {"fd": int(descriptor)}}
    if os.path.isfile(check) and health is None:
        program.entries["healthcheck"] = {"test": path_in_image(check)}


def _set_stop(folder: str, program: Block, draft: Draft) -> None:
    if wait := milliseconds(value_of(folder, "timeout-kill")):
        program.entries["stop_grace_period"] = wait
    text = value_of(folder, "down-signal")
    signal = parse_signal(text) if text else None
    if signal is not None:
        program.entries["stop_signal"] = signal_name(signal)
    control = os.path.join(folder, "control", "t")
    if os.path.isfile(control):
        wait = str(program.entries.pop("stop_grace_period", "10s"))
        program.entries["stop"] = [{"command": path_in_image(control), "wait": wait}]
    if os.path.isdir(os.path.join(folder, "control")):
        for name in sorted(os.listdir(os.path.join(folder, "control"))):
            if name != "t":
                place = Location(os.path.join(folder, "control", name), 1)
                draft.lose(place, f"control/{name} has no counterpart", program)


def _set_log(folder: str, program: Block, draft: Draft) -> None:
    script = read_script(os.path.join(folder, "log", "run"), draft)
    if script is None:
        return
    logger = Block()
    words = set_command(script, logger, Draft(Findings()))
    log = log_of(words or re.findall(r"[^\s\"']+", script.text))
    if log is None:
        draft.findings.group(script.place, OUTPUT, os.path.basename(folder), "log/run")
    else:
        own = program.entries.get("log")
        program.entries["log"] = {**log, **(own if isinstance(own, dict) else {})}


def _set_end(folder: str, program: Block, draft: Draft) -> None:
    finish = read_script(os.path.join(folder, "finish"), draft)
    if finish is None:
        return
    code = "\n".join(line for line in finish.text.splitlines() if not line.lstrip().startswith("#")).strip()
    if _ENDS_CONTAINER.search(code):
        program.entries |= {"restart": "no", "shutdown_on": "exit"}
        draft.mention(finish.place, ENDS, program, "shutdown_on")
    elif code and not re.fullmatch(r"(exit 0|true|:)", code):
        draft.lose(finish.place, FINISH.format(finish.path), program)
