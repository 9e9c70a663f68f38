"""The interface of a store, independent of the database.

A lease belongs to one program in one namespace. Its token grows by one each time it is granted, and its owner is a name
that only one helper has. All times come from the database, so differences between the containers' clocks do no harm.
"""

from __future__ import annotations

import time

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Store(Protocol):
        """One connection to a database. Every method raises StoreError; the connection cannot be used after that."""

        def claim(self, seen: int) -> Claimed:
            """Take the lease if nobody holds it and the key is not recorded, in one atomic step.

            `seen`: the greatest token that this helper has seen. The lease is not taken if the store knows less.
            """
            ...

        def recorded_orders(self) -> list[str]:
            """Return the orders of all records. Call it while the lease is held."""
            ...

        def renew(self, token: int) -> bool:
            """Extend the lease. Return False if another helper has it."""
            ...

        def record(self, token: int, duration: float) -> bool:
            """Record success and give the lease back, in one atomic step. Return False if another helper has it."""
            ...

        def release(self) -> None:
            """Give the lease back, if it is still held."""
            ...

        def close(self) -> None: ...


class StoreError(Exception):
    """The store cannot be used. The text is a clause for the operator, without secrets."""


class Request(Record):
    """What is to run once, and where."""

    program: str
    key: str
    order: str | None
    namespace: str
    lease: float
    host: str
    url: str
    address: str
    owner: str
    password: str | None = None
    password_file: str | None = None

    @property
    def name(self) -> str:
        """The name of the lease."""
        return f"{self.namespace}:{self.program}" if self.namespace else self.program


class Granted(Record):
    """The lease is held now."""

    token: int


class Taken(Record):
    """Another container holds the lease. `since`: an RFC 3339 date."""

    host: str
    since: str
    token: int


class Forgotten(Record):
    """The store has lost its data, for example because Redis was restarted without persistence."""


class Done(Record):
    """The key is recorded already."""


Claimed = Granted | Taken | Done | Forgotten


def utc(seconds: float) -> str:
    """Return a moment as an RFC 3339 date."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
