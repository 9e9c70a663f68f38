"""What supinit itself was started with, unchanged."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def inherited_environment() -> Mapping[str, str]:
    """Return the environment without the LC_CTYPE that Python adds where the locale is C (PEP 538)."""
    if os.environ.get("LC_CTYPE") not in COERCED:
        return os.environ
    try:
        with open("/proc/self/environ", "rb") as file:
            variables = os.fsdecode(file.read()).split("\0")
    except OSError:
        return os.environ
    return {name: value for name, equals, value in (text.partition("=") for text in variables) if equals}
