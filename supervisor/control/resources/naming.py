"""Names and patterns in requests. If one of several names is unknown, nothing is touched."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError
from supervisor.core.lanes import first_lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId

ALL = "all"
WILDCARDS = "*?["
LISTED = 12
"""Names that an error lists at most."""


def resolve(plan: Plan, names: Iterable[str]) -> tuple[InstanceId, ...]:
    """Return what is named as `web`, `web:2`, `all` or `web*:1`, each instance once, in the order of naming.

    Raises RequestError for the first name or pattern that matches nothing.
    """
    found: dict[InstanceId, None] = {}
    for name in names:
        found.update(dict.fromkeys(resolve_one(plan, name)))
    return tuple(found)


def named_or_all(plan: Plan, names: Sequence[str]) -> tuple[InstanceId, ...]:
    """Return what is named, or everything where nothing is. A program with `scale: 0` has no instance."""
    return resolve(plan, names) if names else plan.instances


def serving(plan: Plan, instances: Iterable[InstanceId]) -> tuple[InstanceId, ...]:
    """Return the processes that serve as these instances now, without instances that an update has removed."""
    now = {first_lane(instance): instance for instance in plan.instances}
    return tuple(now[first_lane(instance)] for instance in instances if first_lane(instance) in now)


def resolve_one(plan: Plan, name: str) -> tuple[InstanceId, ...]:
    """Return the instances that one name means. Raises RequestError if there is none."""
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
        return (plan.programs[program].instances[int(number) - 1],)
    last = plan.programs[program].scale
    there_are = f"1 to {last}" if last else "none (scale: 0)"
    raise RequestError(404, "no_such_program", f"cannot find instance {number!r} of {program}; it has {there_are}")


def _matching(plan: Plan, pattern: str) -> tuple[InstanceId, ...]:
    """Return the instances that match a shell pattern: `web*` and `*` by name, `web:*` by number as well."""
    program, colon, number = pattern.rpartition(":")
    if not colon:
        program, number = pattern, "*"
    found = tuple(i for i in plan.instances if fnmatchcase(i[0], program) and fnmatchcase(str(i[1]), number))
    if not found:
        raise RequestError(
            404, "no_such_program", f"cannot find a program that matches {pattern!r}; there are: {_known(plan)}"
        )
    return found


def _known(plan: Plan) -> str:
    """Return the names in the table, as many as fit one line."""
    names = list(plan.programs)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "none") + more


def label(plan: Plan, instance: InstanceId) -> str:
    """Return what an operator calls an instance: with its number only if there are several."""
    name, number = instance
    return f"{name}:{number}" if plan.programs[name].scale > 1 else name
