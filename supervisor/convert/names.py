"""Names that a table takes, none of them twice."""

from __future__ import annotations

import re

_ODD = re.compile(r"[^A-Za-z0-9_.-]+")
_RESERVED = ("all", "supinit")


class Names:
    def __init__(self) -> None:
        self._given: set[str] = set(_RESERVED)

    def give(self, wanted: str) -> str:
        """Return the wanted name, or the nearest one that is allowed and free."""
        name = base = _ODD.sub("-", wanted).lstrip("_.-") or "program"
        number = 1
        while name in self._given:
            number += 1
            name = f"{base}-{number}"
        self._given.add(name)
        return name
