"""How many descriptors supinit may open: as many as the hard limit allows. Its children get its old limit back.

The last ones are a reserve for the control socket, health checks and /proc: no program is started with them, because a
supinit without descriptors can neither be asked nor see what it has to end.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

RESERVE = 128
"""Descriptors that starts leave alone, or a quarter of the limit where that is less."""


def raise_limit() -> int | None:
    """Raise the soft RLIMIT_NOFILE to the hard one; return what it was. None: it was as high already."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return None
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def shortage() -> str | None:
    """Return why no program can be started, as a sentence: nothing but the reserve is left. None: one can be."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    lowest = _lowest_free()
    if lowest is not None and lowest < limit - min(RESERVE, limit // 4):
        return None
    return f"all of supinit's {limit} file descriptors are in use: raise the container's hard limit nofile"


def _lowest_free() -> int | None:
    """Return the number that the next descriptor would get, below which all are in use. None: there is none."""
    try:
        descriptor = os.open("/", os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    os.close(descriptor)
    return descriptor


def set_limit(soft: int) -> None:
    """Set the soft limit of this process, up to the hard one."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


class InheritedLimit:
    """Lowers the soft limit while a child is started that inherits it. None: it stays as it is."""

    def __init__(self, soft: int | None) -> None:
        self._soft = soft
        self._before: int | None = None

    def __enter__(self) -> None:
        if self._soft is not None:
            import resource

            self._before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            set_limit(self._soft)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            set_limit(self._before)
