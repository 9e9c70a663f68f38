"""What a oneshot with `once.store` asks of its store: first whether it is to run, and then to record how it ended.

A helper process holds the lease (leases.py). What it reports is in lease_reports.py.
"""

from __future__ import annotations

from supervisor.core.actions import Claim, TellStore
from supervisor.core.life import Blame, Claiming, Goal
from supervisor.core.once import TELL_LIMIT, cannot_use
from supervisor.core.record import replace
from supervisor.core.stop_sequence import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.life import Life, Sweeping
    from supervisor.core.once import Once
    from supervisor.core.program import Program
    from supervisor.core.stop_sequence import Transition

CONTACT_LIMIT = 30.0
"""Seconds within which the store has to answer for the first time."""


def claim(once: Once, life: Life, since: float, now: float, was_held: bool) -> Transition:
    """Ask for the lease of the process that is to be spawned. The life has its generation."""
    phase = Claiming(now + CONTACT_LIMIT, f"asks {once.place} whether it is to run", was_held)
    return enter(life, phase, since), (Claim(life.generation),)


def no_answer(program: Program) -> Blame:
    """Return why a start has failed: its store has not answered."""
    place = "its store" if program.once is None else program.once.place
    return Blame(cannot_use(place, f"no answer within {CONTACT_LIMIT:g} s"))


def tell_store(program: Program, life: Life, phase: Sweeping, jitter: float, now: float) -> Transition:
    """Tell the store how a run has ended, once no process of it is left."""
    succeeded = not phase.asked and phase.blame is None and phase.exit.code in program.success_exit_codes
    deadline = now + TELL_LIMIT * phase.pace
    if succeeded and life.goal is Goal.UP and phase.run.lease is not None:
        deadline = max(deadline, phase.run.lease.until)  # a database that is restarting may be back by then
    told = replace(phase, deadline=deadline, jitter=jitter, hook="", tells_store=True)
    return replace(life, phase=told), (TellStore(life.generation, succeeded),)


def hurry_telling(life: Life, phase: Sweeping, now: float) -> Life:
    """Wait no longer than a stop may wait for the store."""
    return replace(life, phase=replace(phase, deadline=min(phase.deadline, now + TELL_LIMIT)))
