"""What supinit itself was started with, unchanged."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def inherited_environment() -> Mapping[str, str]:
    """Return the environment with the LC_CTYPE that it had before Python changed it (PEP 538)."""
    if os.environ.get("LC_CTYPE") not in COERCED:
        return os.environ
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = os.fsdecode(file.read()).split("\0")
    except OSError:
        return os.environ
    own = [entry.partition("=")[2] for entry in entries if entry.startswith("LC_CTYPE=")]
    others = {name: value for name, value in os.environ.items() if name != "LC_CTYPE"}
    return {**others, "LC_CTYPE": own[0]} if own else others
