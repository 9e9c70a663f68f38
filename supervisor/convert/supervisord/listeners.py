"""Tell event listeners apart by their events and command, and say what takes the place of each.

Most of them exist to end the container when a program fails, or to check a program's health. supinit does both itself.
Sources: supervisord's "Event Types"; superlance's httpok, memmon and crashmail; the listeners of public images.
"""

from __future__ import annotations

import re
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.convert.draft import Draft
    from supervisor.convert.supervisord.ini import IniSection

ALERTS = "for alerts, use supinit's metrics (supinit_program_state, supinit_program_exits_total) or supctl events -f"
FATAL = "is not needed: a program that fails for good ends the container"
OUTPUT = "is not needed: supinit passes output on, with the name of the program"
EXITED = "replaced by shutdown_on: exit with restart: no: the first program that ends for good ends the container"
EITHER = "is lost; if it stops supervisord: shutdown_on: exit and restart: no for each program"
DEPENDENCIES = "is lost: write depends_on with condition: healthy or completed instead"
MEMORY = "restart_when: {memory: LIMIT} for each program"

_INTERVALS = {"TICK_5": "5s", "TICK_60": "60s", "TICK_3600": "1h"}
_STOPS = re.compile(r"kill|shut_?down|stop|quit|exit|terminat|fatal|die\b|halt", re.IGNORECASE)
_STOPS_IN_SCRIPT = re.compile(r"\bkill\b|os\.kill|shutdown|supervisorctl|SIG(TERM|QUIT|INT|KILL)")
_ALERTERS = re.compile(r"crashmail|crashsms|fatalmail|slack|mail|notif|alert|sentry|telegram|webhook", re.IGNORECASE)
MAX_SCRIPT = 65536


def convert_listener(section: IniSection, draft: Draft, environ: Mapping[str, str]) -> bool:
    """Report one [eventlistener:x]. Return whether every program shall end the container when it ends."""
    events = {name.strip().upper() for name in _option(section, "events").split(",")} - {""}
    command = _option(section, "command")
    sentence, is_lost = _judge(events, command)
    ends = sentence in (EITHER, EXITED)
    if ends and not _ALERTERS.search(command) and (_STOPS.search(command) or _script_stops(command, section, environ)):
        sentence, is_lost = EXITED, False
    report = draft.lose if is_lost else draft.mention
    report(section.place, f"[{section.name}]: {sentence}")
    return sentence == EXITED


def _option(section: IniSection, name: str) -> str:
    option = section.options.get(name)
    return "" if option is None else " ".join(option.text.split())


def _judge(events: set[str], command: str) -> tuple[str, bool]:
    """Return a sentence about a listener, and whether something is lost without it."""
    words = _words(command)
    interval = next((_INTERVALS[name] for name in _INTERVALS if name in events), "60s")
    if any("dependent" in word and "startup" in word for word in words):
        return DEPENDENCIES, True
    if any(word.endswith("httpok") for word in words):
        return _httpok(words, interval), True
    if any(word.endswith("memmon") for word in words):
        return f"its memory limits are lost ({_shown(command)}); write {MEMORY}", True
    if events and all(name.startswith("PROCESS_LOG") for name in events):
        return OUTPUT, False
    if events and events <= _INTERVALS.keys():
        return _check(command, interval), True
    if _ALERTERS.search(command):
        return f"is lost; {ALERTS}", True
    if "PROCESS_STATE_EXITED" in events or events & {"PROCESS_STATE", "EVENT"}:
        return EITHER, True
    if "PROCESS_STATE_FATAL" in events:
        return f"{FATAL}; {ALERTS}", False
    return f"is lost; {ALERTS}", True


def _httpok(words: list[str], interval: str) -> str:
    """Return what to write for superlance's httpok: the URL is its last argument, -p names a program."""
    url = next((word for word in reversed(words) if "://" in word), "URL")
    names = [words[number + 1] for number, word in enumerate(words[:-1]) if word in ("-p", "--program")]
    check = f"{{http: {{url: {url!r}}}, interval: {interval}, on_unhealthy: restart}}"
    return f"its health check is lost; write for {', '.join(names) or 'each program'}: healthcheck: {check}"


def _check(command: str, interval: str) -> str:
    check = f"{{test: COMMAND, interval: {interval}, on_unhealthy: restart}}"
    return f"its health check is lost ({_shown(command)}); write for the program it watches: healthcheck: {check}"


def _script_stops(command: str, section: IniSection, environ: Mapping[str, str]) -> bool:
    """Whether a script that the command names, and that is there at conversion, sends signals or stops supervisord."""
    if "command" not in section.options:
        return False
    folder = section.options["command"].folder
    for word in _words(command):
        path = re.sub(r"%\(ENV_(\w+)\)s", lambda name: environ.get(name[1], ""), word.replace("%(here)s", folder))
        if not path.startswith("/"):
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                if _STOPS_IN_SCRIPT.search(file.read(MAX_SCRIPT)):
                    return True
        except OSError:
            continue
    return False


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _shown(command: str) -> str:
    return command if len(command) <= 60 else f"{command[:59]}…"
