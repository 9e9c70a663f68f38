"""The sections of a supervisord.conf that are no programs: what they say for all programs, and what is lost."""

from __future__ import annotations

from supervisor.convert.document import Block
from supervisor.convert.given import Given
from supervisor.convert.program import Common, read_mask, read_text
from supervisor.convert.variables import environment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.expansion import ExpansionScope
    from supervisor.convert.findings import Findings
    from supervisor.convert.ini import IniSection

LEVELS = {
    "blat": "debug", "blather": "debug", "trac": "debug", "trace": "debug", "debg": "debug", "debug": "debug",
    "info": "info", "warn": "warning", "warning": "warning", "erro": "error", "error": "error", "crit": "error",
    "critical": "error",
}  # fmt: skip
_OWN_LOG = "supinit's own messages go to stderr (supervisor.log), and the container's engine keeps them"
LOST = {
    **dict.fromkeys(("logfile", "logfile_maxbytes", "logfile_backups"), _OWN_LOG),
    "pidfile": "there is no pid file: supinit is PID 1 of its container",
    "silent": "supervisor.log.level says how much supinit tells",
    "identifier": "nothing asks for it",
    "childlogdir": "output goes to the container's own, where no log.file is given",
    "nocleanup": "there are no files to clean up",
    "minfds": "limits are a program's: ulimits: {nofile: N}, where the container's own are too low",
    "minprocs": "limits are a program's: ulimits: {nproc: N}, where the container's own are too low",
    "strip_ansi": "lines stay as they are",
    "profile_options": "nothing is profiled",
}
SECTIONS = {
    "unix_http_server": "supctl finds supinit's socket by itself; supervisor.socket, socket_mode and socket_group",
    "inet_http_server": "there is no remote control; supervisor.metrics.listen shows health and metrics over TCP",
    "supervisorctl": "supctl needs no configuration",
    "ctlplugin": "supctl has no plugins",
    "rpcinterface": "there is no XML-RPC: the control socket speaks HTTP and JSON",
    "eventlistener": "supctl events -f tells what happens; a program that fails for good ends the container by itself",
    "group": "there are no groups: a pattern, as in supctl restart 'web*', takes several programs",
}
_HTTPOK = "healthcheck: {http: {url: URL}, on_unhealthy: restart} does what httpok does"
_MAIN_INTERFACE = "rpcinterface:supervisor"


def read_settings(section: IniSection, scope: ExpansionScope, settings: Block, findings: Findings) -> Common:
    """Return what [supervisord] says for all programs; what it says of supinit itself is set in `settings`."""
    given = Given(section, scope, settings, findings)
    level = given.value("loglevel", _read_level, "info")
    if level != "info":
        settings.entries["log"] = {"level": level}
    if not given.flag("nodaemon", True):
        given.lose("nodaemon", "supinit stays in the foreground")
    for name, reason in LOST.items():
        given.lose(name, reason)
    user = read_text(given, "user")
    common = Common(
        environment_of(given, twice=True),
        "" if user in ("root", "0") else user,
        read_mask(given),
        read_text(given, "directory"),
    )
    given.finish()
    return common


def _read_level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise ValueError(text)
    return LEVELS[text.lower()]


def lose_section(section: IniSection, document: Block, findings: Findings) -> None:
    """Say that nothing of a section is carried over. The main RPC interface is what every control socket has."""
    if section.name == _MAIN_INTERFACE:
        return
    reason = SECTIONS.get(section.kind, "is no section of supervisord's")
    command = section.options.get("command")
    if section.kind == "eventlistener" and command is not None and "httpok" in command.text:
        reason = _HTTPOK
    names = "" if section.kind == "eventlistener" else ", ".join(section.options)
    sentence = f"[{section.name}] {names}".rstrip() + f": {reason}"
    findings.warn(section.place, sentence)
    document.note(sentence)
