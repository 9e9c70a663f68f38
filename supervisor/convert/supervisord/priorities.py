"""Turn priorities into dependencies.

supervisord starts groups in the order of their priorities, and within a group its programs in the order of theirs,
without waiting. It stops them in reverse order. So each program depends, with the condition started, on the ones
just before it.
"""

from __future__ import annotations

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Rank(Record):
    """A program's position. One without a group forms its own, with the same name and priority."""

    names: tuple[str, ...]
    """Names in the table: several where instances differ."""
    group: str
    group_priority: int
    priority: int


def before(rank: Rank, ranks: Sequence[Rank]) -> tuple[str, ...]:
    """Return the names that a program starts after, and stops before."""
    own = [other for other in ranks if other.group == rank.group]
    lower = [other.priority for other in own if other.priority < rank.priority]
    if lower:
        return _names(other for other in own if other.priority == max(lower))
    lower = [other.group_priority for other in ranks if other.group_priority < rank.group_priority]
    if not lower:
        return ()
    others = [other for other in ranks if other.group_priority == max(lower)]
    last = {other.group: max(mate.priority for mate in others if mate.group == other.group) for other in others}
    return _names(other for other in others if other.priority == last[other.group])


def _names(ranks: Iterable[Rank]) -> tuple[str, ...]:
    return tuple(name for rank in ranks for name in rank.names)
