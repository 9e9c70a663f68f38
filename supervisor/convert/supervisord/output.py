"""Convert where output goes: supervisord has one log file for each stream, supinit one for both."""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Block
    from supervisor.convert.supervisord.options import Options

STREAMS = ("stdout", "stderr")
_FOLDERS = ("/dev/fd/", "/proc/self/fd/", "/proc/1/fd/")
CONSOLES = {
    **{f"/dev/{stream}": stream for stream in STREAMS},
    **{f"{folder}{number}": stream for folder in _FOLDERS for number, stream in enumerate(STREAMS, 1)},
}
"""Paths of the container's stdout and stderr."""
STDERR_TO_CONSOLE = "stderr goes to the container's stderr; supervisord kept it in a file of its own"
ONE_FILE = "a program has one log file, that of {}, for both streams"
IN_ONE_FILE = "the log file gets {} as well; supervisord kept it in a file of its own"
MAX_BYTES, BACKUPS = 50 * 1024**2, 10
MOST_KEPT = 1000
NEVER = "1000000gb"
"""A size that no file reaches: no rotation."""


class Target(Record):
    stream: str
    kind: str
    """console, file, none, or auto (a file that supervisord names and removes)."""
    path: str = ""
    """As written in a table; for the console, the name of the stream."""


def set_output(options: Options, program: Block) -> None:
    """Set `log`, and report what it cannot express."""
    out, err = (_target(options, stream) for stream in STREAMS)
    for target in (out, err):
        if target.kind == "console" and target.path != target.stream:
            options.mention(
                f"{target.stream}_logfile", f"{target.stream} goes to the container's {target.stream}", "log"
            )
    is_joined = options.flag("redirect_stderr")
    if is_joined:
        options.group("stderr_logfile")
        err = Target("stderr", out.kind, out.path)
    targets = (out, err)
    files = [target for target in targets if target.kind == "file"]
    if files:
        _set_file(options, program, files[0], targets)
    elif out.kind == err.kind == "none":
        program.entries["log"] = {"mode": "none"}
    else:
        for target in targets:
            if target.kind == "none":
                options.mention(f"{target.stream}_logfile", "log.mode: none drops both streams, so this one is shown")
        if out.kind == "console" and err.kind == "auto" and "stderr_logfile" not in options:
            options.group("stdout_logfile", STDERR_TO_CONSOLE)
    if is_joined and program.entries.get("log") != {"mode": "none"}:
        log = program.entries.setdefault("log", {})
        if isinstance(log, dict):
            log["redirect_stderr"] = True
    _lose_rotation(options, files[0].stream if files else "")
    _lose_events(options)


def _target(options: Options, stream: str) -> Target:
    name = f"{stream}_logfile"
    text = options.text(name, twice=True)
    if text is None:
        return Target(stream, "auto")
    literal = text.literal
    word = None if literal is None else literal.lower()
    if word == "syslog":
        options.lose(name, "there is no syslog; it goes to the container's output")
        return Target(stream, "console", stream)
    if word in ("", "none", "off", "/dev/null"):
        return Target(stream, "none")
    if word == "auto":
        return Target(stream, "auto")
    if literal in CONSOLES:
        return Target(stream, "console", CONSOLES[literal])
    return Target(stream, "file", text.at_home.written)


def _set_file(options: Options, program: Block, chosen: Target, targets: tuple[Target, ...]) -> None:
    is_shown = any(target.kind == "console" for target in targets)
    size = options.size(f"{chosen.stream}_logfile_maxbytes", MAX_BYTES)
    keep = max(0, options.value(f"{chosen.stream}_logfile_backups", int, BACKUPS))
    mode = {} if is_shown else {"mode": "none"}
    program.entries["log"] = {**mode, "file": chosen.path, "max_size": _size(size), "keep": min(keep, MOST_KEPT)}
    if keep > MOST_KEPT:
        options.mention(f"{chosen.stream}_logfile_backups", f"at most {MOST_KEPT} files are kept", "log")
    for target in targets:
        if target != chosen and (target.kind, target.path) != ("file", chosen.path):
            name = f"{target.stream}_logfile"
            if name in options:
                options.group(name, ONE_FILE.format(chosen.stream))
            else:
                options.group(f"{chosen.stream}_logfile", IN_ONE_FILE.format(target.stream))


def _size(size: int) -> str:
    if size <= 0 or size > 10**15:
        return NEVER
    for unit, factor in (("mb", 1024**2), ("kb", 1024)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _lose_rotation(options: Options, stream_with_file: str) -> None:
    for stream in STREAMS:
        if stream != stream_with_file:
            for name, default in ((f"{stream}_logfile_maxbytes", MAX_BYTES), (f"{stream}_logfile_backups", BACKUPS)):
                if options.size(name, 0) not in (0, default):
                    options.group(name)


def _lose_events(options: Options) -> None:
    for stream in STREAMS:
        if options.size(f"{stream}_capture_maxbytes", 0):
            options.mention(f"{stream}_capture_maxbytes", "there is none; log.multiline keeps lines together")
        if options.flag(f"{stream}_events_enabled"):
            options.group(f"{stream}_events_enabled")
        if options.flag(f"{stream}_syslog"):
            options.lose(f"{stream}_syslog", "there is no syslog; the container engine collects the output")
