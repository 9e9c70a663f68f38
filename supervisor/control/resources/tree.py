"""Every process of the container: programs first, as the table has them, then supinit's own, and orphans last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.http.message import Request, Response, json_response, text_response
from supervisor.control.resources.columns import Columns
from supervisor.control.resources.naming import label
from supervisor.control.resources.parameters import read_width
from supervisor.core.tree import OwnerKind
from supervisor.core.wording import printable, short_size, short_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervisor.control.console import Console
    from supervisor.core.plan import Plan
    from supervisor.core.tree import Branch, Member, Owner

COLUMNS = Columns(
    headings=("NAME", "PID", "PPID", "STATE", "CPU", "MEMORY", "COMMAND"),
    dropped=("PPID", "STATE", "CPU", "MEMORY"),
    numbers=frozenset({"PID", "PPID", "CPU", "MEMORY"}),
)
DEEPEST = 60
"""Characters that the lines of a tree may take; deeper processes are drawn there, too."""


async def tree(console: Console, request: Request) -> Response:
    branches = _ordered(console.container.plan, await console.container.tree())
    await asyncio.sleep(0)  # others first: with thousands of processes, each step takes some milliseconds
    if not request.wants_text:
        return json_response({"branches": [_branch(branch) for branch in branches]})
    rows = [row for branch in branches for row in _rows(console.container.plan, branch)]
    return text_response("\n".join(COLUMNS.lay_out(rows, read_width(request))))


def _ordered(plan: Plan, branches: Sequence[Branch]) -> list[Branch]:
    kinds, places = tuple(OwnerKind), {instance: place for place, instance in enumerate(plan.instances)}

    def place(branch: Branch) -> tuple[int, int]:
        instance = branch.owner.instance
        return kinds.index(branch.owner.kind), places.get(instance, len(places)) if instance is not None else 0

    return sorted(branches, key=place)


def _branch(branch: Branch) -> dict[str, object]:
    name, instance = branch.owner.instance or (None, None)
    processes = [_process(member) for _, member in _drawn(branch.members)]
    return {"kind": branch.owner.kind.value, "program": name, "instance": instance, "processes": processes}


def _process(member: Member) -> dict[str, object]:
    return {
        "pid": member.pid,
        "ppid": member.parent,
        "state": member.state,
        "command": list(member.command),
        "cpu_seconds": member.cpu_seconds,
        "memory_bytes": member.memory_bytes,
    }


def _rows(plan: Plan, branch: Branch) -> Iterator[dict[str, str]]:
    """Yield a row for each process; the first one has the name."""
    name = _name(plan, branch.owner)
    for lines, member in _drawn(branch.members):
        yield {
            "NAME": name,
            "PID": str(member.pid),
            "PPID": str(member.parent),
            "STATE": member.state,
            "CPU": short_time(member.cpu_seconds),
            "MEMORY": short_size(member.memory_bytes),
            "COMMAND": lines + printable(" ".join(member.command)),
        }
        name = ""


def _name(plan: Plan, owner: Owner) -> str:
    if owner.instance is None:
        return owner.kind.value
    known = label(plan, owner.instance) if owner.instance[0] in plan.programs else owner.instance[0]
    return known if owner.kind is OwnerKind.PROGRAM else f"{owner.kind.value} of {known}"


def _drawn(members: Sequence[Member]) -> Iterator[tuple[str, Member]]:
    """Yield each process after its parent, with the lines that lead to it; a process without a parent here has none."""
    children: dict[int, list[Member]] = {}
    pids = {member.pid for member in members}
    for member in members:
        children.setdefault(member.parent if member.parent in pids else 0, []).append(member)
    pending = [("", "", member) for member in reversed(children.get(0, ()))]
    while pending:
        lines, below, member = pending.pop()
        yield lines, member
        last = True
        for child in reversed(children.get(member.pid, ())):
            further = below if len(below) >= DEEPEST else below + ("   " if last else "│  ")
            pending.append((below + ("└─ " if last else "├─ "), further, child))
            last = False
