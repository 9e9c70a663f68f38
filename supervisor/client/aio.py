"""The client for asyncio. It has the methods of `blocking.Client` as coroutines, and streams as async iterators.

```python
from contextlib import aclosing
from supervisor.client import AsyncClient

client = AsyncClient()
await client.wait("healthy", timeout=30)
async with aclosing(client.events(follow=True)) as events:
    async for event in events:
        print(event["time"], event["event"])
```

Cancelling a call closes its connection. That ends a wait; what was asked for continues.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING

from supervisor.client import requests
from supervisor.client.errors import ClientError
from supervisor.client.mirror import Following, Mirror
from supervisor.client.wire import PIECE, TEXT, receive, request, socket_path

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any, Literal

    from supervisor.client.answers import (
        Branch,
        Difference,
        Entry,
        Event,
        Goal,
        LogLine,
        PlannedProgram,
        Status,
        Usage,
        Verdict,
        Version,
        Why,
    )
    from supervisor.client.requests import Request
    from supervisor.client.wire import Response


class AsyncClient:
    """Talks to one supinit from a running event loop. Calls may run at the same time, each on its own connection."""

    def __init__(self, path: str | None = None, *, patience: float | None = 10.0) -> None:
        """See `blocking.Client`."""
        self.path = path or socket_path()
        self._patience = patience

    async def status(self, *names: str) -> Status:
        """Return the container, with the entries of the named instances, by default of all."""
        status: Status = await self._ask(requests.status(names))
        return status

    async def programs(self, *names: str) -> list[Entry]:
        """Return the entries of the named instances, in the order of naming."""
        return await self._entries(requests.programs(names))

    async def why(self, *names: str) -> Why:
        """Return why the named instances, by default all, are not up."""
        answer: Why = await self._ask(requests.why(names))
        return answer

    async def plan(self) -> list[PlannedProgram]:
        """Return the programs of the table, in its order, with what they depend on."""
        programs: list[PlannedProgram] = (await self._ask(requests.plain("GET", "/v1/plan")))["programs"]
        return programs

    async def usage(self) -> Usage:
        """Return what the instances use. Ask no more often than every `interval_seconds`."""
        usage: Usage = await self._ask(requests.plain("GET", "/v1/usage"))
        return usage

    async def version(self) -> Version:
        """Return supinit's version and the container's revision."""
        version: Version = await self._ask(requests.plain("GET", "/v1/version"))
        return version

    async def tree(self) -> list[Branch]:
        """Return every process of the container: programs first, orphans last."""
        branches: list[Branch] = (await self._ask(requests.plain("GET", "/v1/tree")))["branches"]
        return branches

    async def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        response = await self._exchange(requests.plain("GET", "/metrics", TEXT))
        if response.status >= 400:
            raise requests.refusal(response)
        return response.body.decode()

    async def probe(
        self, goal: Literal["live", "ready", "health"], *names: str, max_age: float | None = None
    ) -> Verdict:
        """Return what /livez, /readyz or /healthz says. `names` and `max_age` (seconds) are for `health` alone."""
        verdict: Verdict = requests.read_verdict(await self._exchange(requests.probe(goal, names, max_age)))
        return verdict

    async def start(self, *names: str, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Start, and wait until all are up. See `blocking.Client.start` for `timeout` (seconds) and what is raised."""
        return await self._entries(requests.change("start", names, wait, timeout))

    async def stop(self, *names: str, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Stop, and wait until no process is left."""
        return await self._entries(requests.change("stop", names, wait, timeout))

    async def restart(
        self, *names: str, rolling: bool = False, wait: bool = True, timeout: float | None = None
    ) -> list[Entry]:
        """Replace the processes, and wait until the new ones are up: all at once, or `rolling`, a few at a time.

        The rest is as for `start`.
        """
        return await self._entries(requests.change("restart", names, wait, timeout, rolling))

    async def scale(self, name: str, instances: int, *, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Change the number of instances of a program, and wait until new ones are up and the others are gone."""
        return await self._entries(requests.scale(name, instances, wait, timeout))

    async def reload(self, *names: str, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Make programs read their configuration again; wait until the signal is sent or the command has ended."""
        return await self._entries(requests.change("reload", names, wait, timeout))

    async def signal(self, signal: str | int, *names: str) -> list[Entry]:
        """Send a signal to the main processes."""
        return await self._entries(requests.signal(signal, names))

    async def update(self, *, dry_run: bool = False, wait: bool = True, timeout: float | None = None) -> Difference:
        """Have the configuration read again and applied; return what that changes."""
        difference: Difference = await self._ask(requests.update(dry_run, wait, timeout))
        return difference

    async def shutdown(self) -> None:
        """Begin the ordered shutdown, as SIGTERM does, and return at once."""
        await self._ask(requests.plain("POST", "/v1/shutdown"))

    async def wait(self, goal: Goal = "healthy", *names: str, timeout: float | None = None) -> None:
        """Return as soon as the goal is met by the container, or by the named programs."""
        await self._ask(requests.wait(goal, names, timeout))

    def logs(
        self,
        *names: str,
        last: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        since: str | float | None = None,
        follow: bool = False,
    ) -> AsyncGenerator[LogLine, None]:
        """Yield the kept output in the order of time; with `follow`, then what comes. See `blocking.Client.logs`."""
        return self._stream(requests.logs(names, last, stream, since, follow), follow)

    def events(
        self, *names: str, last: int | None = None, since: int | str | None = None, follow: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Yield what has happened, oldest first; with `follow`, then what happens. See `blocking.Client.events`."""
        return self._stream(requests.events(names, last, since, follow), follow)

    async def mirror(self, *, patience: float | None = 10.0) -> AsyncGenerator[Mirror, None]:
        """Yield a mirror of the container, at once and after each event. See `blocking.Client.mirror`."""
        following = Following(Mirror(await self.status(), await self.plan()), patience)
        yield following.mirror
        while not following.is_over:
            try:
                if following.needs_status:
                    yield following.renew(await self.status(), await self.plan())
                async with aclosing(self.events(since=following.mirror.last_id, follow=True)) as events:
                    async for event in events:
                        if not following.take(event):
                            break
                        yield following.mirror
            except ClientError as error:
                await asyncio.sleep(following.pause_after(error, monotonic()))

    # ---- the socket

    async def _entries(self, what: Request) -> list[Entry]:
        entries: list[Entry] = (await self._ask(what))["programs"]
        return entries

    async def _ask(self, what: Request) -> Any:
        return requests.read(await self._exchange(what))

    async def _exchange(self, what: Request) -> Response:
        limit = None if what.waits is None or self._patience is None else what.waits + self._patience
        parser = receive()
        try:
            async with asyncio.timeout(limit):
                reader, writer = await asyncio.open_unix_connection(self.path)
                try:
                    writer.write(request(what.method, what.target, what.accept, what.body))
                    next(parser)
                    while True:
                        parser.send(await _more(reader))
                except StopIteration as end:
                    response: Response = end.value
                finally:
                    writer.close()
        except OSError as error:
            raise requests.unreachable(self.path, error) from error
        return response

    async def _stream(self, what: Request, follow: bool) -> AsyncGenerator[Any, None]:
        lines, parser = requests.Lines(), receive()
        limit = None if follow else self._patience
        try:
            async with asyncio.timeout(self._patience):
                reader, writer = await asyncio.open_unix_connection(self.path)
            try:
                writer.write(request(what.method, what.target, what.accept))
                piece = next(parser)
                while True:
                    for line in lines.cut(piece):
                        yield line
                    if piece:
                        piece = parser.send(b"")
                        continue
                    async with asyncio.timeout(limit):
                        data = await _more(reader)
                    piece = parser.send(data)
            except StopIteration as end:
                requests.check_end(end.value)
            finally:
                writer.close()
        except OSError as error:
            raise requests.unreachable(self.path, error) from error


async def _more(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(PIECE)
    if not data:
        raise ConnectionError("it closed the connection")
    return data
