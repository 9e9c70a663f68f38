"""How the instances of a program are replaced: Compose's deploy.update_config."""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record


class Order(Enum):
    """Which of the two processes of an instance comes first when it is replaced."""

    STOP_FIRST = "stop-first"
    START_FIRST = "start-first"


class FailureAction(Enum):
    """What a rolling restart or update does when a new instance fails."""

    PAUSE = "pause"
    CONTINUE = "continue"
    ROLLBACK = "rollback"


class UpdateConfig(Record):
    """How instances are replaced one after the other (Compose's deploy.update_config)."""

    order: Order = Order.STOP_FIRST
    parallelism: int = 1
    """Instances that are replaced at a time. 0: all of them."""
    delay: float = 0.0
    """Seconds between an instance that is up and the next one."""
    monitor: float = 5.0
    """Seconds for which the end, or the bad health, of a new instance that was up counts as a failure."""
    failure_action: FailureAction = FailureAction.PAUSE
