"""The `log:` sections: the output of a program, and supinit's own messages."""

from __future__ import annotations

from supervisor.config.kinds import Choice, ListOf, OrNull
from supervisor.config.rules import NotInherited
from supervisor.config.scalars import FLAG, RATE, REGULAR_EXPRESSION, TEXT, duration, integer, size, words
from supervisor.config.sections import Key, Section
from supervisor.core.program import LogMode, LogSettings, OwnLog, WhenFull

LOG = Section(
    Key(
        "mode",
        words(LogMode),
        "prefix: NAME | line. raw: unchanged. json: one object per line. inherit: the program writes to the container's"
        " output itself. none: discarded.",
        "prefix",
    ),
    Key("file", TEXT, "A log file as well, of unchanged or JSON lines. With mode none, the file only."),
    Key("max_size", size(1), "Rotate the file before it exceeds this size.", "10mb"),
    Key("keep", integer(0, 1000), "Number of rotated files to keep. PATH.1 is the newest.", 5),
    Key("compress", Choice({"gzip": True}), "Compress rotated files, as PATH.1.gz. Default: no compression."),
    Key("max_line", size(1), "Split longer lines into pieces and mark each piece.", "64kb"),
    Key("tail", size(4096), "Amount of recent output to keep for supctl logs.", "64kb"),
    Key(
        "when_full", words(WhenFull), "When the reader of the output stalls: block the program, or drop lines.", "block"
    ),
    Key("rate_limit", RATE, "Limit on the output per second. when_full applies to what exceeds it."),
    Key(
        "redact",
        ListOf(REGULAR_EXPRESSION),
        "Text that matches one of these is replaced with [redacted].",
        [],
    ),
    Key(
        "multiline",
        REGULAR_EXPRESSION,
        "Matches the first line of a message. Lines that do not match are joined to the message.",
    ),
    Key(
        "redirect_stderr",
        FLAG,
        "true: stdout and stderr share one pipe, which keeps their order. Both go to the container's stdout.",
        False,
    ),
    Key(
        "flush_after",
        OrNull(duration(), None, "which means never"),
        "Show a line without a newline, such as a prompt, after this long. Not with mode: json or redact.",
        "200ms",
    ),
    make=LogSettings,
    rules=(NotInherited("file", "when_full", "rate_limit", "redact", "multiline", "flush_after"),),
)

_LEVEL = Choice({level: level for level in ("debug", "info", "warning", "error")})
OWN_LOG = Section(
    Key("format", Choice({"plain": "plain", "json": "json"}), "Format of supinit's own messages.", "plain"),
    Key(
        "level",
        _LEVEL,
        "Least severe level to log.",
        "info",
    ),
    make=OwnLog,
)
