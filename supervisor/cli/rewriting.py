"""Single-command mode: signals that are forwarded as another one, and exit codes that are turned into 0."""

from __future__ import annotations

from supervisor.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Collection, Iterable
else:
    import _signal as signal  # without the enums, so that -r does not slow the start down


def parse_rewrites(texts: Iterable[str]) -> dict[int, int]:
    """Map each received signal to the one to forward, 0 for none. The last rewrite wins. Raises UsageError."""
    return dict(_parse(text) for text in texts)


def parse_exit_codes(texts: Collection[str]) -> frozenset[int]:
    """Return the exit codes for which supinit exits with 0. Raises UsageError."""
    for text in texts:
        if not (text.isascii() and text.isdecimal() and int(text) <= 255):
            raise UsageError(f"cannot remap the exit code {text}: write a number from 0 to 255")
    return frozenset(map(int, texts))


def _parse(text: str) -> tuple[int, int]:
    received, colon, sent = text.partition(":")
    if not colon:
        raise UsageError(f"cannot rewrite {text}: write FROM:TO, as in TERM:QUIT or 15:0")
    number = _signal(text, received)
    if number in (signal.SIGKILL, signal.SIGSTOP):
        raise UsageError(f"cannot rewrite {text}: {received} cannot be caught")
    if number == signal.SIGCHLD:
        raise UsageError(f"cannot rewrite {text}: supinit itself handles {received} and never forwards it")
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
        raise UsageError(f"cannot rewrite {text}: {f'unknown signal {word}' if word else 'a signal is missing'}")
    return int(number)
