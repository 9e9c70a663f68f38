"""`watch`: the files whose changes reload or restart a program."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, Made
from supervisor.config.scalars import ABSOLUTE_PATH, duration, words
from supervisor.config.sections import Key, Section
from supervisor.core.program import ProgramType
from supervisor.core.watch import Watch, WatchAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.kinds import Schema
    from supervisor.config.sections import SectionReading

_WATCH = Section(
    Key(
        "path",
        ABSOLUTE_PATH,
        "A file, or a directory with everything below it. It need not exist yet.",
        is_required=True,
    ),
    Key("action", words(WatchAction), "What a change does to the program.", "reload"),
    Key("debounce", duration(), "Act after the files have been unchanged for this long.", "500ms"),
    make=Watch,
)
WATCHES = ListOf(
    ByShape(scalar=Made(ABSOLUTE_PATH, Watch), mapping=_WATCH), unique=lambda watch: watch.path.rstrip("/")
)


class WatchedIsAlive:
    """`watch` requires a long-running process; for a reload, the program must say how it reloads."""

    def check(self, place: SectionReading) -> None:
        watches = place.values.get("watch", ())
        if watches and place.values.get("type") is ProgramType.ONESHOT:
            sentence = "cannot be used with type: oneshot, which has no process to reload or restart"
            place.problem_with("watch", sentence, "type: service, type: forking")
        reloads = any(watch.action is WatchAction.RELOAD for watch in watches)
        if reloads and not {"reload_signal", "reload_command"} & place.given.keys():
            place.warn_about(
                "watch",
                "it does not say how the program reloads, so it gets SIGHUP: write reload_signal or reload_command, "
                "or action: restart where it cannot reload",
            )

    def json_schema(self) -> Schema:
        is_oneshot = {"required": ["type"], "properties": {"type": {"const": ProgramType.ONESHOT.value}}}
        return {"if": is_oneshot, "then": {"properties": {"watch": {"anyOf": [{"type": "null"}, {"maxItems": 0}]}}}}
