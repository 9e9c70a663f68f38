"""What instances use, added up."""

from __future__ import annotations

from supervisor.core.lanes import SecondLane
from supervisor.core.tree import Usage, by_instance

ONE, TWO = Usage(1.0, 100, 2), Usage(2.0, 50, 3)


def test_the_old_process_and_the_new_one_of_an_instance_are_added_up() -> None:
    apart = {("web", 1): ONE, ("web", 2): TWO}
    assert by_instance(apart) is apart
    both = {("web", 1): ONE, ("web", SecondLane(1)): TWO, ("web", SecondLane(2)): ONE}
    assert by_instance(both) == {("web", 1): Usage(3.0, 150, 5), ("web", 2): ONE}
