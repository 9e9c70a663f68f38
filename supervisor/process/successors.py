"""The processes that may take over from a main process (MAINPID= of sd_notify(3)).

A program that hands over names its successor while the old main process is still alive. The old process is then spared
the kill of its group, and at its death the newest successor that is supinit's child becomes the main process.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import InstanceId
    from supervisor.process.children import Children, Main

MAX_SUCCESSORS = 8
"""Successors that are remembered for one instance, the newest ones."""


class Successors:
    """The named successors of each instance, the newest last."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._named: dict[InstanceId, list[int]] = {}

    def add(self, instance: InstanceId, main_pid: int, successor: int) -> None:
        """Remember a successor that the main process, `main_pid`, has named."""
        others = [pid for pid in self._named.get(instance, ()) if pid != successor]
        self._named[instance] = [*others, successor][-MAX_SUCCESSORS:]
        self._children.spare(main_pid)

    def take_over(self, owner: Main) -> int | None:
        """Make the newest successor that can be one the main process of `owner`. None: there is none.

        A successor becomes supinit's child when its own parent ends. That parent may be another successor, so the
        others stay candidates.
        """
        successors = self._named.pop(owner.instance, [])
        successor = next((pid for pid in reversed(successors) if self._children.adopt(owner, pid)), None)
        others = [pid for pid in successors if pid != successor]
        if successor is not None and others:
            self._named[owner.instance] = others
            self._children.spare(successor)
        return successor

    def forget(self, instance: InstanceId) -> None:
        """Drop the successors of an instance: in a stop nobody takes over."""
        self._named.pop(instance, None)
