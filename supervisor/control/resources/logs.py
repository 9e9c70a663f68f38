"""The output of programs: the kept lines in the order of time, then those that follow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from supervisor.control.http.message import NDJSON, TEXT, Request, RequestError, Response
from supervisor.control.http.stream import Stream
from supervisor.control.resources.naming import label, resolve
from supervisor.control.resources.parameters import read_choice, read_count, read_flag, read_since
from supervisor.core.lanes import first_lane
from supervisor.core.output import STREAMS, LogQuery

if TYPE_CHECKING:
    from supervisor.control.console import Console
    from supervisor.core.program import InstanceId

TOO_SLOW = "lines came faster than they were taken; name fewer programs"


def logs(console: Console, request: Request) -> Response:
    """Return lines as NDJSON, as `log.mode: json` has them, or as text, prefixed with the name if there are several."""
    query = _read_query(console, request)
    stream = Stream(partial(console.container.read_logs, query), read_flag(request, "follow"), TOO_SLOW)
    return Response(200, b"", NDJSON if query.as_json else TEXT, stream=stream)


def _read_query(console: Console, request: Request) -> LogQuery:
    names = request.query.get("name", ())
    instances = resolve(console.container.plan, names)
    plan = console.container.plan
    for name, _ in instances:
        if plan.programs[name].log.passes_by:
            mode = plan.programs[name].log.mode.value
            sentence = f"cannot show the output of {name}: with log.mode {mode} it does not come through supinit"
            raise RequestError(409, "not_kept", sentence)
    stream = read_choice(request, "stream", STREAMS)
    return LogQuery(
        labels={first_lane(instance): label(plan, instance) for instance in instances or _kept(console)},
        streams=STREAMS if stream is None else (stream,),
        last=read_count(request, "n"),
        since=read_since(console, request.last("since")),
        as_json=not request.wants_text,
        is_colored=read_flag(request, "color"),
        is_stamped=read_flag(request, "timestamps"),
    )


def _kept(console: Console) -> tuple[InstanceId, ...]:
    plan = console.container.plan
    return tuple(instance for instance in plan.instances if not plan.programs[instance[0]].log.passes_by)
