"""Rules about the keys of one section. Each reports violations, and describes itself as a JSON Schema.

A key that is null counts as not given.
"""

from __future__ import annotations

from supervisor.config.kinds import or_variable
from supervisor.core.program import LogMode, ProgramType, RestartWhen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.kinds import Schema
    from supervisor.config.sections import SectionReading

_IS_MAIN: Schema = {"required": ["stdin"], "properties": {"stdin": {"const": "inherit"}}}


class ExactlyOne:
    """Exactly one of these keys is given, unless the flag `unless` is true."""

    def __init__(self, *keys: str, unless: str = "") -> None:
        self.keys = keys
        self.unless = unless

    def check(self, place: SectionReading) -> None:
        if place.values.get(self.unless):
            return
        given = [key for key in self.keys if key in place.node.entries and not place.node.entries[key][1].is_null]
        if not given:
            place.problem(f"one of {', '.join(self.keys)} is required")
        for key in given[1:]:
            place.problem_with(key, f"cannot be used together with {given[0]}", f"one of {', '.join(self.keys)}")

    def json_schema(self) -> Schema:
        one_of: Schema = {"oneOf": [given(key) for key in self.keys]}
        is_true = or_variable({"enum": [True, "true", "yes", "on"]})
        unless: Schema = {"required": [self.unless], "properties": {self.unless: is_true}}
        return {"anyOf": [one_of, unless]} if self.unless else one_of


class Excludes:
    """None of the other keys can be used together with `key`, which is another way to say the same."""

    def __init__(self, key: str, *others: str) -> None:
        self.key = key
        self.others = others

    def check(self, place: SectionReading) -> None:
        for other in self.others:
            if self.key in place.given and other in place.given:
                place.problem_with(other, f"cannot be used together with {self.key}", "one of the two")

    def json_schema(self) -> Schema:
        return {"not": {"allOf": [given(self.key), {"anyOf": [given(other) for other in self.others]}]}}


class Needs:
    """`key` requires `other`."""

    def __init__(self, key: str, other: str) -> None:
        self.key = key
        self.other = other

    def check(self, place: SectionReading) -> None:
        if self.key in place.given and self.other not in place.given:
            place.problem_with(self.key, f"cannot be used without {self.other}")

    def json_schema(self) -> Schema:
        return {"if": given(self.key), "then": given(self.other)}


class TypeOnly:
    """The key requires one type of program."""

    def __init__(self, key: str, kind: ProgramType) -> None:
        self.key = key
        self.kind = kind

    def check(self, place: SectionReading) -> None:
        kind = place.values.get("type") if "type" in place.given else ProgramType.SERVICE
        if self.key in place.given and kind not in (None, self.kind):
            place.problem_with(self.key, f"cannot be used with type: {kind.value}", f"type: {self.kind.value}")

    def json_schema(self) -> Schema:
        is_right = {"required": ["type"], "properties": {"type": or_variable({"const": self.kind.value})}}
        return {"if": given(self.key), "then": is_right}


class OneshotEnds:
    """A oneshot that has completed is not started again, as in systemd: its restart policy cannot be always."""

    def check(self, place: SectionReading) -> None:
        restart = place.values.get("restart")
        if (
            place.values.get("type") is ProgramType.ONESHOT
            and restart is not None
            and restart.when is RestartWhen.ALWAYS
        ):
            place.problem_with("restart", "cannot be always with type: oneshot", "no, on-failure, on-failure:5")

    def json_schema(self) -> Schema:
        return {
            "if": {"required": ["type"], "properties": {"type": {"const": ProgramType.ONESHOT.value}}},
            "then": {"properties": {"restart": {"not": {"enum": ["always", "unless-stopped"]}}}},
        }


class LinesAreSeen:
    """Patterns in `ready` require that the output passes through supinit."""

    def check(self, place: SectionReading) -> None:
        ready, log = place.values.get("ready"), place.values.get("log")
        watches = ready is not None and ready.is_in_output
        if watches and log is not None and log.mode is LogMode.INHERIT:
            place.problem_with(
                "log", "mode: inherit cannot be used with ready.log or ready.fail_log: supinit does not see the output"
            )
        if watches and "log" not in place.given and place.values.get("stdin"):
            sentence = (
                "ready.log and ready.fail_log cannot be used with log.mode: inherit, the default of the main program"
            )
            place.problem_with("ready", sentence, "log: {mode: prefix}")

    def json_schema(self) -> Schema:
        watched = {"required": ["ready"], "properties": {"ready": {"anyOf": [given("log"), given("fail_log")]}}}
        inherits = {"required": ["mode"], "properties": {"mode": {"const": LogMode.INHERIT.value}}}
        inherits = {"required": ["log"], "properties": {"log": inherits}}
        by_default = {"allOf": [_IS_MAIN, {"not": given("log")}]}
        return {"not": {"allOf": [watched, {"anyOf": [inherits, by_default]}]}}


class ScheduleScales:
    """`max_concurrent` limits the concurrent runs of a schedule; scale: 0 means that it never runs.

    The main program has no schedule: its end ends the container.
    """

    def check(self, place: SectionReading) -> None:
        if "schedule" not in place.given:
            return
        if place.values.get("scale", 1) > 1:
            place.problem_with("scale", "cannot be more than 1 with a schedule", "schedule.max_concurrent")
        if place.values.get("stdin"):
            place.problem_with("schedule", "cannot be used for the main program (stdin: inherit)")

    def json_schema(self) -> Schema:
        few: Schema = {"scale": {"not": {"type": "integer", "minimum": 2}}}
        return {"if": given("schedule"), "then": {"properties": few, "not": _IS_MAIN}}


class LimitedIsService:
    """`restart_when` requires a program that continues its work after a restart."""

    def check(self, place: SectionReading) -> None:
        if "restart_when" not in place.given:
            return
        if place.values.get("type") is ProgramType.ONESHOT:
            sentence = "cannot be used with type: oneshot, which ends by itself and would begin its work again"
            place.problem_with("restart_when", sentence, "type: service, type: forking")
        elif place.values.get("stdin"):
            sentence = "cannot be used for the main program (stdin: inherit), because its end is the container's"
            place.problem_with("restart_when", sentence)

    def json_schema(self) -> Schema:
        is_oneshot = {"required": ["type"], "properties": {"type": {"const": ProgramType.ONESHOT.value}}}
        return {"if": given("restart_when"), "then": {"not": {"anyOf": [is_oneshot, _IS_MAIN]}}}


class MainIsOne:
    """The main program, which owns stdin and the terminal, has one instance."""

    def check(self, place: SectionReading) -> None:
        if place.values.get("stdin") and place.values.get("scale", 1) != 1:
            place.problem_with("scale", "must be 1 for the main program (stdin: inherit)")

    def json_schema(self) -> Schema:
        return {"if": _IS_MAIN, "then": {"properties": {"scale": {"not": {"type": "integer", "not": {"const": 1}}}}}}


class DaemonIsOne:
    """Instances of one program cannot share a pid file: it names one daemon."""

    def check(self, place: SectionReading) -> None:
        scale = place.values.get("scale", 1)
        if "pid_file" in place.given and scale > 1:
            sentence = (
                f"cannot be {scale} with pid_file, because all instances would write the same file: "
                "write one program for each daemon, or leave pid_file out"
            )
            place.problem_with("scale", sentence, "0, 1")

    def json_schema(self) -> Schema:
        return {"if": given("pid_file"), "then": {"properties": {"scale": {"not": {"type": "integer", "minimum": 2}}}}}


class NotInherited:
    """These keys require that the output passes through supinit."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def check(self, place: SectionReading) -> None:
        for key in self.keys:
            if key in place.given and place.values.get("mode") is LogMode.INHERIT:
                place.problem_with(key, "cannot be used with mode: inherit: supinit does not see the output")

    def json_schema(self) -> Schema:
        inherits = {"required": ["mode"], "properties": {"mode": {"const": LogMode.INHERIT.value}}}
        return {"not": {"allOf": [inherits, {"anyOf": [given(key) for key in self.keys]}]}}


def given(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}
