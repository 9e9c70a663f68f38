"""Two processes of one instance: while a program is replaced start-first, the new one runs beside the old one.

An instance has two lanes, and its processes run in one of them. The ids of both show the same number to everybody, in
$SUPINIT_INSTANCE, the status, events and metrics, but they are different ids for the core and the engine.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import InstanceId


class SecondLane(int):
    """The number of an instance in its second lane: it is shown like the number, and equal only to its like."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is SecondLane and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("second lane", int(self)))


def in_second_lane(instance: InstanceId) -> bool:
    return type(instance[1]) is SecondLane


def other_lane(instance: InstanceId) -> InstanceId:
    name, number = instance
    return (name, int(number)) if in_second_lane(instance) else (name, SecondLane(number))


def first_lane(instance: InstanceId) -> InstanceId:
    """Return the id for everything that both lanes share."""
    return instance[0], int(instance[1])
