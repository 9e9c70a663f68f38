"""Convert [supervisord], and report the sections that have no counterpart."""

from __future__ import annotations

from supervisor.convert.document import Block
from supervisor.convert.supervisord.environment import environment_of
from supervisor.convert.supervisord.options import Options
from supervisor.convert.supervisord.program import Common, read_mask, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.draft import Draft
    from supervisor.convert.supervisord.expansion import ExpansionScope
    from supervisor.convert.supervisord.ini import IniSection

LEVELS = {
    "blat": "debug", "blather": "debug", "trac": "debug", "trace": "debug", "debg": "debug", "debug": "debug",
    "info": "info", "warn": "warning", "warning": "warning", "erro": "error", "error": "error", "crit": "error",
    "critical": "error",
}  # fmt: skip
_OWN_LOG = "supinit logs to stderr (supervisor.log), which the container engine keeps"
LOST = {
    **dict.fromkeys(("logfile", "logfile_maxbytes", "logfile_backups"), _OWN_LOG),
    "pidfile": "supinit writes no pid file: it is PID 1",
    "silent": "supervisor.log.level sets how much supinit logs",
    "identifier": "nothing uses it",
    "childlogdir": "without log.file, output goes to the container's stdout and stderr",
    "nocleanup": "there are no log files to clean up",
    "minfds": "set limits per program, where the container's are too low: ulimits: {nofile: N}",
    "minprocs": "set limits per program, where the container's are too low: ulimits: {nproc: N}",
    "strip_ansi": "lines are not changed",
    "profile_options": "there is no profiler",
}
SECTIONS = {
    "unix_http_server": "supctl finds the socket by itself; to change it: supervisor.socket, socket_mode, socket_group",
    "inet_http_server": "there is no control over TCP; supervisor.metrics.listen serves health and metrics",
    "supervisorctl": "supctl needs no configuration",
    "ctlplugin": "supctl has no plugins",
    "rpcinterface": "there is no XML-RPC: the control socket speaks HTTP and JSON",
    "eventlistener": "supctl events -f shows state changes; a program that fails for good ends the container",
    "group": "there are no groups; supctl takes patterns, as in supctl restart 'web*'",
}
_HTTPOK = "healthcheck: {http: {url: URL}, on_unhealthy: restart} replaces httpok"
_MAIN_INTERFACE = "rpcinterface:supervisor"


def read_settings(section: IniSection, scope: ExpansionScope, draft: Draft) -> Common:
    """Return what [supervisord] sets for all programs. Set in the table what it sets for supinit itself."""
    settings = Block()
    options = Options(section, scope, settings, draft.findings)
    level = options.value("loglevel", _read_level, "info")
    if level != "info":
        settings.entries["log"] = {"level": level}
    if not options.flag("nodaemon", True):
        options.lose("nodaemon", "supinit stays in the foreground")
    for name, reason in LOST.items():
        options.lose(name, reason)
    user = read_text(options, "user")
    common = Common(
        environment_of(options, twice=True),
        "" if user in ("root", "0") else user,
        read_mask(options),
        read_text(options, "directory"),
    )
    options.finish()
    for note in settings.notes.pop("", ()):
        draft.document.note(f"[supervisord] {note}")
    if settings.entries:
        draft.document.entries["supervisor"] = settings
    return common


def _read_level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise ValueError(text)
    return LEVELS[text.lower()]


def lose_section(section: IniSection, draft: Draft) -> None:
    """Report a section as lost. The main RPC interface is not a loss: every control socket has one."""
    if section.name == _MAIN_INTERFACE:
        return
    reason = SECTIONS.get(section.kind, "is not a section of supervisord")
    command = section.options.get("command")
    if section.kind == "eventlistener" and command is not None and "httpok" in command.text:
        reason = _HTTPOK
    names = "" if section.kind == "eventlistener" else ", ".join(section.options)
    draft.lose(section.place, f"[{section.name}] {names}".rstrip() + f": {reason}")
