"""The client of a running supinit: `Client` blocks, `AsyncClient` is for asyncio; both are typed and documented.

Owns: the client's side of the control socket. supctl, the tests and other people's Python all use it.
In: method calls. Out: the API's JSON as typed dictionaries (`answers`), or one of the exceptions in `errors`.
`wire` speaks HTTP, `requests` builds what is sent. Modules load on first use: a health check needs only `wire`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.client.aio import AsyncClient
    from supervisor.client.blocking import Client
    from supervisor.client.errors import ClientError, RefusedError, UnreachableError
    from supervisor.client.mirror import Gap, Mirror

_HOMES = {
    "AsyncClient": "aio",
    "Client": "blocking",
    "ClientError": "errors",
    "Gap": "mirror",
    "Mirror": "mirror",
    "RefusedError": "errors",
    "UnreachableError": "errors",
}

__all__ = ["AsyncClient", "Client", "ClientError", "Gap", "Mirror", "RefusedError", "UnreachableError"]


def __getattr__(name: str) -> object:
    """Import a class when it is used first (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
