"""Whom a request is about. One unknown name among several, and nothing is touched."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId

ALL = "all"
WILDCARDS = "*?["
LISTED = 12
"""Names in an error at most."""


def resolve(plan: Plan, names: Iterable[str]) -> tuple[InstanceId, ...]:
    """Return what is named as `web`, `web:2`, `all` or `web*:1`, each instance once, in the order of naming.

    Raises Refused for the first name, or pattern, that there is none of.
    """
    found: dict[InstanceId, None] = {}
    for name in names:
        found.update(dict.fromkeys(resolve_one(plan, name)))
    return tuple(found)


def resolve_one(plan: Plan, name: str) -> tuple[InstanceId, ...]:
    """Return the instances that one name stands for."""
    if name == ALL:
        return plan.instances
    if name in plan.programs:
        return plan.programs[name].instances
    if any(char in WILDCARDS for char in name):
        return _matching(plan, name)
    program, _, number = name.rpartition(":")
    if program not in plan.programs:
        raise RequestError(404, "no_such_program", f"cannot find a program {name!r}; there are: {_known(plan)}")
    if number.isascii() and number.isdecimal() and 1 <= int(number[:9]) <= plan.programs[program].scale:
        return ((program, int(number)),)
    last = plan.programs[program].scale
    raise RequestError(404, "no_such_program", f"cannot find instance {number!r} of {program}; it has 1 to {last}")


def _matching(plan: Plan, pattern: str) -> tuple[InstanceId, ...]:
    """Return the instances that a shell's pattern stands for: `web*` and `*` by name, `web:*` by number as well."""
    program, colon, number = pattern.rpartition(":")
    if not colon:
        program, number = pattern, "*"
    found = tuple(i for i in plan.instances if fnmatchcase(i[0], program) and fnmatchcase(str(i[1]), number))
    if not found:
        raise RequestError(404, "no_such_program", f"cannot find a program like {pattern!r}; there are: {_known(plan)}")
    return found


def _known(plan: Plan) -> str:
    """Return the names that there are, as many as one line can bear."""
    names = list(plan.programs)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "none") + more


def label(plan: Plan, instance: InstanceId) -> str:
    """Return what an operator calls an instance: its number only where there are several."""
    name, number = instance
    return f"{name}:{number}" if plan.programs[name].scale > 1 else name
