"""The owners of real processes, with this process in the place of supinit."""

from __future__ import annotations

import os
import signal

import pytest

from supervisor.core.tree import Branch, Owner, OwnerKind
from supervisor.process.environment import marks_of
from supervisor.process.process_tree import SLICE, ProcessTree

from .nursery import Nursery, elsewhere, marks, sleep_until

WEB, DB = ("web", 1), ("db", 2)
MARKS = {instance: marks_of(instance, "own") for instance in (WEB, DB)}
pytestmark = pytest.mark.usefixtures("adopting")


def branches(owners: dict[int, Owner], more_marks: frozenset[bytes] = frozenset()) -> dict[Owner, Branch]:
    process_tree = ProcessTree()
    for _ in process_tree.read({WEB: MARKS[WEB] | more_marks, DB: MARKS[DB]}, owners.keys()):
        pass
    return {branch.owner: branch for branch in process_tree.branches(owners)}


def pids(branch: Branch) -> list[int]:
    return [member.pid for member in branch.members]


def is_sleep(pid: int) -> bool:
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read() == "sleep\n"


def test_a_program_owns_its_main_process_first_and_its_descendants_in_any_session(nursery: Nursery) -> None:
    main = nursery.start("sh", "-c", "sleep 1000 & echo $!; setsid sleep 1001 & echo $!; wait")
    first, second = (int(line) for line in nursery.ear.lines(2))
    sleep_until(lambda: is_sleep(first) and is_sleep(second))
    web = branches({main: Owner(OwnerKind.PROGRAM, WEB)})[Owner(OwnerKind.PROGRAM, WEB)]
    assert pids(web) == [main, first, second]
    assert [member.parent for member in web.members] == [os.getpid(), main, main]
    assert web.members[1].command == ("sleep", "1000")
    assert web.members[1].memory_bytes > 100_000


@pytest.mark.parametrize("leaves", ["", "setsid "], ids=["its session", "its variables"])
def test_an_adopted_process_is_known_by(nursery: Nursery, leaves: str) -> None:
    main = nursery.start("sh", "-c", f"({leaves}sleep 1000 & echo $!); exec sleep 1001", environment=marks(WEB))
    stray = int(nursery.ear.line())
    sleep_until(lambda: is_sleep(stray) and is_sleep(main))
    found = branches({main: Owner(OwnerKind.PROGRAM, WEB)})
    assert pids(found[Owner(OwnerKind.PROGRAM, WEB)]) == [main, stray]
    assert Owner(OwnerKind.ORPHANS) not in found


def test_an_adopted_process_without_variables_is_known_by_its_pipe(nursery: Nursery) -> None:
    main = nursery.start("sh", "-c", "(env -i /usr/bin/setsid sleep 1000 & echo $!); exec sleep 1001")
    stray = int(nursery.ear.line())
    sleep_until(lambda: is_sleep(stray) and is_sleep(main))
    pipe = frozenset((b"pipe:[%d]" % os.fstat(nursery.ear.write_end).st_ino,))
    assert pids(branches({main: Owner(OwnerKind.PROGRAM, DB)}, pipe)[Owner(OwnerKind.PROGRAM, WEB)]) == [stray]


def test_a_process_without_an_owner_is_an_orphan_with_its_descendants(nursery: Nursery) -> None:
    main = nursery.start("sh", "-c", "(setsid sh -c 'sleep 1000 & echo $$ $!; wait' &); exec sleep 1001")
    orphan, child = map(int, nursery.ear.line().split())
    sleep_until(lambda: is_sleep(child) and is_sleep(main))
    found = branches({main: Owner(OwnerKind.PROGRAM, WEB)})
    assert (pids(found[Owner(OwnerKind.PROGRAM, WEB)]), pids(found[Owner(OwnerKind.ORPHANS)])) == (
        [main],
        [orphan, child],
    )


def test_the_marks_of_another_supinit_have_no_owner(nursery: Nursery) -> None:
    stray = nursery.settle("sleep", "1000", environment=marks(WEB, "another"))
    assert pids(branches({})[Owner(OwnerKind.ORPHANS)]) == [stray]


def test_supinit_and_its_probes_are_not_shown_as_part_of_a_program(nursery: Nursery) -> None:
    main = nursery.settle("sleep", "1000", environment=marks(WEB))
    probe = nursery.start("sh", "-c", "sleep 1001 & echo $!; wait", environment=marks(WEB))
    below = int(nursery.ear.line())
    found = branches({main: Owner(OwnerKind.PROGRAM, WEB), probe: Owner(OwnerKind.PROBE, WEB)})
    assert pids(found[Owner(OwnerKind.PROGRAM, WEB)]) == [main]
    assert pids(found[Owner(OwnerKind.PROBE, WEB)]) == [probe, below]
    assert pids(found[Owner(OwnerKind.SUPINIT)]) == [os.getpid()]


def test_a_zombie_and_a_stopped_process_are_shown_as_such(nursery: Nursery) -> None:
    main = nursery.start("sh", "-c", "sleep 1001 & echo $!; exec sleep 1000")
    dead = int(nursery.ear.line())
    sleep_until(lambda: is_sleep(main) and is_sleep(dead))
    os.kill(dead, signal.SIGKILL)
    os.kill(main, signal.SIGSTOP)

    def states() -> list[tuple[str, tuple[str, ...]]]:
        web = branches({main: Owner(OwnerKind.PROGRAM, WEB)})[Owner(OwnerKind.PROGRAM, WEB)]
        assert pids(web) == [main, dead]
        return [(member.state, member.command) for member in web.members]

    sleep_until(lambda: states() == [("stopped", ("sleep", "1000")), ("zombie", ("[sleep]",))])


def test_the_tree_is_read_in_slices(nursery: Nursery) -> None:
    for _ in range(3 * SLICE):
        nursery.start("sleep", "1000")
    assert sum(1 for _ in ProcessTree().read(MARKS, ())) > 3


def test_a_subreaper_shows_only_its_descendants(nursery: Nursery) -> None:
    def shown() -> tuple[bool, bool]:
        pid = nursery.start("sleep", "1000")
        found = [pid for branch in branches({}).values() for pid in pids(branch)]
        return pid in found, os.getppid() in found

    assert elsewhere(shown) == (True, False)
