"""The blocking client.

```python
from supervisor.client import Client, RefusedError

client = Client()
client.wait("healthy", timeout=30)
for entry in client.status()["programs"]:
    print(entry["name"], entry["state"])
try:
    client.restart("web", timeout=60)
except RefusedError as error:
    print(error.code, error.message)
for event in client.events("web", follow=True):
    print(event["time"], event["event"])
```
"""

from __future__ import annotations

from contextlib import closing
from time import monotonic, sleep
from typing import TYPE_CHECKING

from supervisor.client import requests
from supervisor.client.errors import ClientError
from supervisor.client.mirror import Following, Mirror
from supervisor.client.wire import PIECE, TEXT, connect, exchange, receive, request, socket_path

if TYPE_CHECKING:
    from collections.abc import Generator
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


class Client:
    """Talks to one supinit. Each call uses a connection of its own, so threads may share a client.

    A name is a program (`"web"`), an instance (`"web:2"`), `"all"`, or a shell's pattern (`"web*"`). If one of several
    is unknown, nothing is touched.

    Every method raises `RefusedError` where supinit says no and `UnreachableError` where it does not answer.
    """

    def __init__(self, path: str | None = None, *, patience: float | None = 10.0) -> None:
        """`path` is the control socket; by default it is found as supctl does, by $SUPINIT_SOCKET and $SUPINIT_RUN_DIR.

        `patience` is how many seconds supinit may take to answer, beyond the `timeout` of a call that waits; None: no
        limit. It does not apply to streams that follow.
        """
        self.path = path or socket_path()
        self._patience = patience

    # ---- what there is

    def status(self, *names: str) -> Status:
        """Return the container, with the entries of the named instances, by default of all."""
        status: Status = self._ask(requests.status(names))
        return status

    def programs(self, *names: str) -> list[Entry]:
        """Return the entries of the named instances, in the order of naming."""
        return self._entries(requests.programs(names))

    def why(self, *names: str) -> Why:
        """Return why the named instances, by default all, are not up."""
        answer: Why = self._ask(requests.why(names))
        return answer

    def plan(self) -> list[PlannedProgram]:
        """Return the programs of the table, in its order, with what they depend on."""
        programs: list[PlannedProgram] = self._ask(requests.plain("GET", "/v1/plan"))["programs"]
        return programs

    def usage(self) -> Usage:
        """Return what the instances use. Ask no more often than every `interval_seconds`."""
        usage: Usage = self._ask(requests.plain("GET", "/v1/usage"))
        return usage

    def version(self) -> Version:
        """Return supinit's version and the container's revision."""
        version: Version = self._ask(requests.plain("GET", "/v1/version"))
        return version

    def tree(self) -> list[Branch]:
        """Return every process of the container: programs first, orphans last."""
        branches: list[Branch] = self._ask(requests.plain("GET", "/v1/tree"))["branches"]
        return branches

    def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        response = self._exchange(requests.plain("GET", "/metrics", TEXT))
        if response.status >= 400:
            raise requests.refusal(response)
        return response.body.decode()

    def probe(self, goal: Literal["live", "ready", "health"], *names: str, max_age: float | None = None) -> Verdict:
        """Return what /livez, /readyz or /healthz says. `names` and `max_age` (seconds) are for `health` alone."""
        verdict: Verdict = requests.read_verdict(self._exchange(requests.probe(goal, names, max_age)))
        return verdict

    # ---- changes

    def start(self, *names: str, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Start, and wait until all are up: RUNNING and healthy, or completed. Return their entries.

        `timeout` (seconds) ends the wait, not the start: RefusedError with the code `timeout`. A start that can no
        longer succeed raises it with `failed`; `details["programs"]` has the entries. `wait=False` returns at once.
        """
        return self._entries(requests.change("start", names, wait, timeout))

    def stop(self, *names: str, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Stop, and wait until no process is left. The rest is as for `start`."""
        return self._entries(requests.change("stop", names, wait, timeout))

    def restart(
        self, *names: str, rolling: bool = False, wait: bool = True, timeout: float | None = None
    ) -> list[Entry]:
        """Replace the processes, and wait until the new ones are up: all at once, or `rolling`, a few at a time.

        The rest is as for `start`.
        """
        return self._entries(requests.change("restart", names, wait, timeout, rolling))

    def scale(self, name: str, instances: int, *, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Change the number of instances of a program, and wait until new ones are up and the others are gone."""
        return self._entries(requests.scale(name, instances, wait, timeout))

    def reload(self, *names: str, wait: bool = True, timeout: float | None = None) -> list[Entry]:
        """Make programs read their configuration again; wait until the signal is sent or the command has ended."""
        return self._entries(requests.change("reload", names, wait, timeout))

    def signal(self, signal: str | int, *names: str) -> list[Entry]:
        """Send a signal (`"SIGUSR1"`, `"USR1"` or `10`) to the main processes."""
        return self._entries(requests.signal(signal, names))

    def update(self, *, dry_run: bool = False, wait: bool = True, timeout: float | None = None) -> Difference:
        """Have the configuration read again and applied; return what that changes.

        Raises RefusedError with the code `invalid_configuration` for a table with problems (`details["problems"]`, a
        sentence each); then nothing has changed.
        """
        difference: Difference = self._ask(requests.update(dry_run, wait, timeout))
        return difference

    def shutdown(self) -> None:
        """Begin the ordered shutdown, as SIGTERM does, and return at once."""
        self._ask(requests.plain("POST", "/v1/shutdown"))

    def wait(self, goal: Goal = "healthy", *names: str, timeout: float | None = None) -> None:
        """Return as soon as the goal is met by the container, or by the named programs.

        Raises RefusedError: `timeout` after so many seconds, `failed` where it cannot be met any more.
        """
        self._ask(requests.wait(goal, names, timeout))

    # ---- streams

    def logs(
        self,
        *names: str,
        last: int | None = None,
        stream: Literal["stdout", "stderr"] | None = None,
        since: str | float | None = None,
        follow: bool = False,
    ) -> Generator[LogLine, None, None]:
        """Yield the kept output, by default of all programs, in the order of time; with `follow`, then what comes.

        `last`: only so many lines, of all together. `since`: seconds ago, a duration such as `"5m"`, or a date.
        Raises RefusedError with the code `broken_off` where lines come faster than they are taken. The stream ends with
        the container. Close the iterator to end it earlier.
        """
        return self._stream(requests.logs(names, last, stream, since, follow), follow)

    def events(
        self, *names: str, last: int | None = None, since: int | str | None = None, follow: bool = False
    ) -> Generator[Event, None, None]:
        """Yield what has happened, oldest first; with `follow`, then what happens. The rest is as for `logs`.

        `since`: the id of the last event that you have (0: from the first), a duration such as `"5m"`, or a date.
        Raises RefusedError with the code `gone` where events after that id are no longer kept: read `status`, and
        follow since its `last_event_id`.
        """
        return self._stream(requests.events(names, last, since, follow), follow)

    def mirror(self, *, patience: float | None = 10.0) -> Generator[Mirror, None, None]:
        """Yield a mirror of the container: at once, and after each event that has changed it.

        A connection that breaks is made again, and the mirror goes on with the next event. Where events were missed, it
        is made anew, and its `last` is a `Gap`. `patience` is how many seconds supinit may be unreachable before
        UnreachableError is raised, and the iterator ends with the container; None: it goes on for ever, through
        restarts of the container. Close the iterator to end it earlier.
        """
        following = Following(Mirror(self.status(), self.plan()), patience)
        yield following.mirror
        while not following.is_over:
            try:
                if following.needs_status:
                    yield following.renew(self.status(), self.plan())
                with closing(self.events(since=following.mirror.last_id, follow=True)) as events:
                    for event in events:
                        if not following.take(event):
                            break
                        yield following.mirror
            except ClientError as error:
                sleep(following.pause_after(error, monotonic()))

    # ---- the socket

    def _entries(self, what: Request) -> list[Entry]:
        entries: list[Entry] = self._ask(what)["programs"]
        return entries

    def _ask(self, what: Request) -> Any:
        return requests.read(self._exchange(what))

    def _exchange(self, what: Request) -> Response:
        limit = None if what.waits is None or self._patience is None else what.waits + self._patience
        try:
            return exchange(connect(self.path, limit), what.method, what.target, what.accept, what.body)
        except OSError as error:
            raise requests.unreachable(self.path, error) from error

    def _stream(self, what: Request, follow: bool) -> Generator[Any, None, None]:
        lines, parser = requests.Lines(), receive()
        try:
            connection = connect(self.path, self._patience)
            try:
                connection.sendall(request(what.method, what.target, what.accept))
                if follow:
                    connection.settimeout(None)
                piece = next(parser)
                while True:
                    if piece:
                        yield from lines.cut(piece)
                        piece = parser.send(b"")
                        continue
                    data = connection.recv(PIECE)
                    if not data:
                        raise ConnectionError("it closed the connection")
                    piece = parser.send(data)
            except StopIteration as end:
                requests.check_end(end.value)
            finally:
                connection.close()
        except OSError as error:
            raise requests.unreachable(self.path, error) from error
