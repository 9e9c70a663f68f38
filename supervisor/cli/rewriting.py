"""`-r FROM:TO`: which signal is forwarded in place of which."""

from __future__ import annotations

from supervisor.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable
else:
    import _signal as signal  # without the enums: a start is to cost little, also with -r TERM:QUIT


def parse_rewrites(texts: Iterable[str]) -> dict[int, int]:
    """Return what is forwarded, 0 for nothing, by what comes; the last word on a signal counts. Raises UsageError."""
    return dict(_parse(text) for text in texts)


def _parse(text: str) -> tuple[int, int]:
    come, colon, sent = text.partition(":")
    if not colon:
        raise UsageError(f"cannot rewrite {text}: it is FROM:TO, as in TERM:QUIT or 15:0")
    number = _signal(text, come)
    if number in (signal.SIGKILL, signal.SIGSTOP):
        raise UsageError(f"cannot rewrite {text}: {come} never comes to a process")
    if number == signal.SIGCHLD:
        raise UsageError(f"cannot rewrite {text}: {come} is supinit's own and never forwarded")
    return number, 0 if sent == "0" else _signal(text, sent)


def _signal(text: str, word: str) -> int:
    """Read "SIGTERM", "term", "15" or "RTMIN+3"."""
    name = word.upper().removeprefix("SIG")
    number: int | None = int(word) if word.isdecimal() else None
    if name.isalnum() and number is None:
        number = getattr(signal, f"SIG{name}", None)
    elif number is None:
        from supervisor.core.signals import parse_signal

        number = parse_signal(word)
    if number not in signal.valid_signals():
        raise UsageError(f"cannot rewrite {text}: there is no signal {word or 'without a name'}")
    return int(number)
