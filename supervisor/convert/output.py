"""Where a program's output goes: supervisord has a place for each of its two streams, a program of ours has one log."""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Block
    from supervisor.convert.given import Given

STREAMS = ("stdout", "stderr")
_FOLDERS = ("/dev/fd/", "/proc/self/fd/", "/proc/1/fd/")
CONSOLES = {
    **{f"/dev/{stream}": stream for stream in STREAMS},
    **{f"{folder}{number}": stream for folder in _FOLDERS for number, stream in enumerate(STREAMS, 1)},
}
"""The container's own two streams, by their paths."""
MAX_BYTES, BACKUPS = 50 * 1024**2, 10
MOST_KEPT = 1000
NEVER = "1000000gb"
"""A size that no file has: it is never rotated."""


class Target(Record):
    stream: str
    kind: str
    """console, file, none, or auto: a file of supervisord's own choice."""
    path: str = ""
    """As it is written in a table; for the console, the stream that it is."""


def set_output(given: Given, program: Block) -> None:
    """Set `log`, and say what it cannot do."""
    out, err = (_target(given, stream) for stream in STREAMS)
    for target in (out, err):
        if target.kind == "console" and target.path != target.stream:
            given.lose(f"{target.stream}_logfile", f"{target.stream} goes to the container's {target.stream}", "log")
    if given.flag("redirect_stderr"):
        if err.kind != "auto":
            given.lose("stderr_logfile", "is not used with redirect_stderr")
        if out.kind in ("console", "auto"):
            given.lose("redirect_stderr", "stderr stays apart, on the container's stderr", "log")
        err = Target("stderr", out.kind, out.path)
    targets = (out, err)
    files = [target for target in targets if target.kind == "file"]
    if files:
        _set_file(given, program, files[0], targets)
    elif out.kind == err.kind == "none":
        program.entries["log"] = {"mode": "none"}
    else:
        for target in targets:
            if target.kind == "none":
                given.lose(f"{target.stream}_logfile", "the streams are dropped both (log: {mode: none}) or not at all")
    _lose_rotation(given, files[0].stream if files else "")
    _lose_events(given)


def _target(given: Given, stream: str) -> Target:
    name = f"{stream}_logfile"
    text = given.text(name, twice=True)
    if text is None:
        return Target(stream, "auto")
    literal = text.literal
    word = None if literal is None else literal.lower()
    if word == "syslog":
        given.lose(name, "there is no syslog: it goes to the container's output")
        return Target(stream, "console", stream)
    if word in ("", "none", "off", "/dev/null"):
        return Target(stream, "none")
    if word == "auto":
        return Target(stream, "auto")
    if literal in CONSOLES:
        return Target(stream, "console", CONSOLES[literal])
    return Target(stream, "file", text.at_home.written)


def _set_file(given: Given, program: Block, chosen: Target, targets: tuple[Target, ...]) -> None:
    is_shown = any(target.kind == "console" for target in targets)
    size = given.size(f"{chosen.stream}_logfile_maxbytes", MAX_BYTES)
    keep = max(0, given.value(f"{chosen.stream}_logfile_backups", int, BACKUPS))
    mode = {} if is_shown else {"mode": "none"}
    program.entries["log"] = {**mode, "file": chosen.path, "max_size": _size(size), "keep": min(keep, MOST_KEPT)}
    if keep > MOST_KEPT:
        given.lose(f"{chosen.stream}_logfile_backups", f"no more than {MOST_KEPT} are kept", "log")
    for target in targets:
        if target != chosen and (target.kind, target.path) != ("file", chosen.path):
            reason = f"a program has one file: {chosen.path} gets both streams"
            given.lose(f"{target.stream}_logfile", reason, "log")


def _size(size: int) -> str:
    if size <= 0 or size > 10**15:
        return NEVER
    for unit, factor in (("mb", 1024**2), ("kb", 1024)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _lose_rotation(given: Given, stream_with_file: str) -> None:
    for stream in STREAMS:
        if stream != stream_with_file:
            for name, default in ((f"{stream}_logfile_maxbytes", MAX_BYTES), (f"{stream}_logfile_backups", BACKUPS)):
                if given.size(name, 0) not in (0, default):
                    given.lose(name, "there is no file of this stream alone")


def _lose_events(given: Given) -> None:
    for stream in STREAMS:
        if given.size(f"{stream}_capture_maxbytes", 0):
            given.lose(f"{stream}_capture_maxbytes", "there is no capture mode; log.multiline keeps messages together")
        if given.flag(f"{stream}_events_enabled"):
            given.lose(f"{stream}_events_enabled", "output is no event; supctl logs -f follows it")
        if given.flag(f"{stream}_syslog"):
            given.lose(f"{stream}_syslog", "there is no syslog: the container's engine takes the output")
