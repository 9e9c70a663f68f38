"""/v1/tree: whose each process is, and the drawing of it."""

from __future__ import annotations

import asyncio

import pytest

from supervisor.core.tree import Branch, Member, Owner, OwnerKind

from .dialogue import Reply, served
from .steered import SteeredContainer, service


def member(pid: int, parent: int, *command: str, state: str = "sleeping") -> Member:
    return Member(pid, parent, state, command, 1.5, 3 * 1024 * 1024)


WEB = Branch(
    Owner(OwnerKind.PROGRAM, ("web", 1)),
    (
        member(20, 1, "uwsgi"),
        member(11, 1, "stray"),
        member(21, 20, "a"),
        member(22, 20, "b"),
        member(23, 21, "c", "d"),
    ),
)
DB = Branch(Owner(OwnerKind.PROGRAM, ("db", 1)), (member(10, 1, "db", "\x1b[2J", "x\ny"),))
SUPINIT = Branch(Owner(OwnerKind.SUPINIT), (member(1, 0, "supinit", state="running"),))
PROBE = Branch(Owner(OwnerKind.PROBE, ("web", 2)), (member(30, 1, "curl"),))
COMMAND = Branch(Owner(OwnerKind.COMMAND, ("gone", 1)), (member(31, 1, "nginx", "-s", "quit"),))
ENTERED = Branch(Owner(OwnerKind.ENTERED), (member(40, 0, "bash"),))
ORPHANS = Branch(Owner(OwnerKind.ORPHANS), (member(50, 1, "[lost]", state="zombie"),))


def ask(path: str, *branches: Branch, query: str = "", accept: str | None = None) -> Reply:
    async def scenario() -> Reply:
        container = SteeredContainer(service("web", scale=2), service("db"))
        container.branches = branches
        async with served(container, path) as control:
            return await control.ask("GET", f"/v1/tree{query}", accept=accept)

    return asyncio.run(scenario())


def test_all_branches_are_drawn_programs_first_in_the_order_of_the_table_and_orphans_last(socket_path: str) -> None:
    reply = ask(socket_path, ORPHANS, ENTERED, DB, COMMAND, PROBE, SUPINIT, WEB, accept="text/plain")
    assert reply.text == (
        "NAME             PID  PPID  STATE      CPU  MEMORY  COMMAND\n"
        "web:1             20     1  sleeping  1.5s    3.0M  uwsgi\n"
        "                  21    20  sleeping  1.5s    3.0M  ├─ a\n"
        "                  23    21  sleeping  1.5s    3.0M  │  └─ c d\n"
        "                  22    20  sleeping  1.5s    3.0M  └─ b\n"
        "                  11     1  sleeping  1.5s    3.0M  stray\n"
        "db                10     1  sleeping  1.5s    3.0M  db  [2J x y\n"
        "supinit            1     0  running   1.5s    3.0M  supinit\n"
        "probe of web:2    30     1  sleeping  1.5s    3.0M  curl\n"
        "command of gone   31     1  sleeping  1.5s    3.0M  nginx -s quit\n"
        "entered           40     0  sleeping  1.5s    3.0M  bash\n"
        "orphans           50     1  zombie    1.5s    3.0M  [lost]\n"
    )


def test_json_has_each_parent_before_its_children_and_the_command_as_it_is(socket_path: str) -> None:
    branches = ask(socket_path, DB, WEB).json["branches"]
    assert [(b["kind"], b["program"], b["instance"]) for b in branches] == [("program", "web", 1), ("program", "db", 1)]
    assert [process["pid"] for process in branches[0]["processes"]] == [20, 21, 23, 22, 11]
    assert branches[1]["processes"] == [
        {
            "pid": 10,
            "ppid": 1,
            "state": "sleeping",
            "command": ["db", "\x1b[2J", "x\ny"],
            "cpu_seconds": 1.5,
            "memory_bytes": 3 * 1024 * 1024,
        }
    ]


@pytest.mark.parametrize("width", [1, 10, 40, 60, 80])
def test_no_line_is_longer_than_the_terminal_is_wide(socket_path: str, width: int) -> None:
    long = Branch(Owner(OwnerKind.PROGRAM, ("db", 1)), (member(10, 1, "x" * 200),))
    lines = ask(socket_path, WEB, long, query=f"?columns={width}", accept="text/plain").text.splitlines()
    assert max(map(len, lines)) == width


def test_a_chain_of_processes_is_drawn_to_some_depth_only(socket_path: str) -> None:
    chain = Branch(Owner(OwnerKind.PROGRAM, ("db", 1)), tuple(member(pid, pid - 1, "x") for pid in range(10, 1500)))
    lines = ask(socket_path, chain, accept="text/plain").text.splitlines()
    assert (len(lines), max(map(len, lines)) < 120) == (1491, True)
