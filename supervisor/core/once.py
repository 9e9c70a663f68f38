"""A oneshot that runs once per key among all containers that share a directory or a store, such as a migration.

What is decided here is the same for both: whether it need not run, and what is said about that.
"""

from __future__ import annotations

from supervisor.core.events import OTHER_CONTAINER
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.core.program import SecretFile

LEASE = 30.0
"""Seconds that a container holds its claim in a store after it has renewed it last."""
TELL_LIMIT = 2.0
"""Seconds that a store has to record how a run ended when supinit stops the program."""


class Store(Record):
    """A database that containers share."""

    url: str
    """It may have a password in it, so it is never shown."""
    address: str
    """The URL without user, password and options."""
    password: str | SecretFile | None = None
    """None: the URL contains it, or no password is needed."""

    @property
    def scheme(self) -> str:
        return self.address.partition(":")[0]


class Once(Record):
    """Run a oneshot once per key among all containers that share `dir`, or `store`; the other one is None."""

    key: str
    dir: str | None = None
    order: str | None = None
    store: Store | None = None
    namespace: str = ""
    """With a store: keeps applications that share it apart."""
    lease: float = LEASE

    @property
    def tell_time(self) -> float:
        """Seconds that a stop may take to give the lease back."""
        return TELL_LIMIT if self.store is not None else 0.0

    @property
    def place(self) -> str:
        """What the containers share, for the operator."""
        return self.store.address if self.store is not None else self.dir or ""


def cannot_use(place: str, problem: str) -> str:
    """Say why a directory or a store cannot be used, as a predicate."""
    return f"cannot use {place} for once: {problem}"


def holder_sentence(host: str, since: str) -> str:
    """Say who runs it now."""
    return f"{OTHER_CONTAINER}, held by {host} since {since}"


def reason_to_skip(key: str, order: str | None, is_recorded: bool, orders: Iterable[str]) -> str | None:
    """Return why it need not run, because its key or a greater order is recorded, or None if it must run."""
    if is_recorded:
        return f"was done before for {key}"
    if order is None:
        return None
    for recorded in orders:
        if _rank(recorded) > _rank(order):
            return f"was done for a later release ({recorded} is after {order})"
    return None


def _rank(order: str) -> tuple[int, float, str]:
    """Order numbers by value, with any number of digits, before other texts, which are compared as text."""
    for number in (int, float):
        try:
            value = number(order)
        except ValueError:
            continue
        if value == value:  # nan is not a number
            return 0, value, ""
    return 1, 0, order
