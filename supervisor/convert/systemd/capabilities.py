"""CapabilityBoundingSet=, AmbientCapabilities= and NoNewPrivileges= as cap_add, cap_drop and no_new_privileges."""

from __future__ import annotations

from supervisor.core.capabilities import ALL, NAMES, parse_capability

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def read_set(values: Iterable[str]) -> frozenset[str] | None:
    """Merge the assignments of one key (systemd.exec(5)). Return None if there are none.

    Raises ValueError for an unknown capability.
    """
    found: frozenset[str] | None = None
    for value in values:
        is_inverted = value.startswith("~")
        words = value.removeprefix("~").split()
        names = [parse_capability(word) for word in words]
        if None in names:
            raise ValueError(f"{words[names.index(None)]} is not a capability that supinit knows")
        given = frozenset(NAMES) if ALL in names else frozenset(name for name in names if name)
        if is_inverted and not words:
            found = frozenset(NAMES)
        elif is_inverted:
            found = (frozenset(NAMES) if found is None else found) - given
        else:
            found = (found or frozenset()) | given
    return found


def convert(bounding: frozenset[str] | None, ambient: frozenset[str], is_root: bool) -> dict[str, tuple[str, ...]]:
    """Return cap_add and cap_drop for these sets. Root has all of its bounding set; other users only what is added."""
    add = ambient if bounding is None or not is_root else bounding
    gone = frozenset(NAMES) - bounding if bounding is not None else frozenset()
    drop = _in_order(gone)
    if bounding is not None and bounding <= add:
        drop = (ALL,)
    keys = {"cap_drop": drop, "cap_add": () if is_root and bounding is None else _in_order(add)}
    return {key: names for key, names in keys.items() if names}


def _in_order(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in NAMES if name in names)
