"""Convert [supervisord], and report the sections that have no counterpart."""

from __future__ import annotations

from supervisor.convert.document import Block
from supervisor.convert.findings import NOT_NEEDED
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
_DEFAULTS: dict[str, str | None] = {
    "logfile": None, "logfile_maxbytes": "50mb", "logfile_backups": "10", "pidfile": None, "silent": "false",
    "identifier": "supervisor", "childlogdir": None, "nocleanup": "false", "strip_ansi": "false",
    "profile_options": None,
}  # fmt: skip
"""Keys that supinit does not need, with their defaults. None means that supervisord chooses."""
_LIMITS = {"minfds": ("nofile", "1024"), "minprocs": ("nproc", "200")}
NOT_NEEDED_SECTIONS = ("unix_http_server", "supervisorctl", "ctlplugin")
SECTIONS = {
    "inet_http_server": "there is no control over TCP; supervisor.metrics.listen serves health and metrics",
    "rpcinterface": "there is no XML-RPC: the control socket speaks HTTP and JSON",
    "group": "there are no groups; supctl takes patterns, as in supctl restart 'web*'",
}
_MAIN_INTERFACE = "rpcinterface:supervisor"


def read_settings(section: IniSection, scope: ExpansionScope, draft: Draft) -> Common:
    """Return what [supervisord] sets for all programs. Set in the table what it sets for supinit itself."""
    settings = Block()
    options = Options(section, scope, settings, draft.findings)
    level = options.value("loglevel", _read_level, "info")
    if level != "info":
        settings.entries["log"] = {"level": level}
    options.flag("nodaemon")  # supinit always stays in the foreground
    for name, default in _DEFAULTS.items():
        options.group(name, default=default)
    for name, (limit, default) in _LIMITS.items():
        reason = f"set limits per program, where the container's are too low: ulimits: {{{limit}: N}}"
        options.group(name, reason, default)
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
    if section.kind in NOT_NEEDED_SECTIONS:
        for option in section.options.values():
            draft.findings.group(option.place, NOT_NEEDED, f"[{section.name}]", option.name)
        return
    reason = SECTIONS.get(section.kind, "is not a section of supervisord")
    draft.mention(section.place, f"[{section.name}] {', '.join(section.options)}".rstrip() + f": {reason}")
