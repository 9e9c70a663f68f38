"""What a pause of supinit itself does to a container: every deadline moves by it."""

from __future__ import annotations

from supervisor.core.deadlines import postpone
from supervisor.core.shutdown import postpone_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.settling import Settling


def postpone_all(turn: Settling, seconds: float) -> None:
    """Move every deadline. Nothing else changes, so this is not a change of any instance."""
    turn.replace_lives({instance: postpone(life, seconds) for instance, life in turn.lives.items()})
    postpone_container(turn, seconds)
    if turn.rolls:
        from supervisor.core.roll import postpone_roll

        turn.rolls = {name: postpone_roll(roll, seconds) for name, roll in turn.rolls.items()}
    if turn.idle is not None:
        from supervisor.core.idle_watch import postpone_watch

        turn.idle = postpone_watch(turn.idle, seconds)
    if turn.files:
        from supervisor.core.file_changes import postpone_looks

        postpone_looks(turn, seconds)
    if turn.limits:
        from supervisor.core.restart_due import postpone_limits

        postpone_limits(turn, seconds)
