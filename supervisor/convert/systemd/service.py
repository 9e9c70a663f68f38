"""Convert one unit: the keys of [Service] to those of a program.

Source: systemd.service(5), systemd.exec(5), systemd.kill(5).
"""

from __future__ import annotations

import re
import shlex

from supervisor.config.schema import PROGRAM
from supervisor.convert.document import Block
from supervisor.convert.servers import suggest_preset, suggestion
from supervisor.convert.systemd.capabilities import convert as convert_sets
from supervisor.convert.systemd.capabilities import read_set
from supervisor.convert.systemd.command import CommandLine, read_command, specified
from supervisor.convert.systemd.spans import read_span
from supervisor.core.quantities import MAX_DURATION
from supervisor.core.signals import parse_signal, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.draft import Draft
    from supervisor.convert.systemd.unit import Assignment, Unit

CONTAINER = "belongs to the container or its engine, not to the table"
NOT_NEEDED = "not needed under supinit"
_LIMITS = {
    "LimitNOFILE": "nofile", "LimitNPROC": "nproc", "LimitCORE": "core", "LimitFSIZE": "fsize", "LimitSTACK": "stack",
    "LimitDATA": "data", "LimitAS": "as", "LimitMEMLOCK": "memlock", "LimitCPU": "cpu", "LimitNICE": "nice",
    "LimitRTPRIO": "rtprio", "LimitSIGPENDING": "sigpending", "LimitMSGQUEUE": "msgqueue", "LimitLOCKS": "locks",
}  # fmt: skip
_RESTART = {
    "no": "no", "always": "always", "on-failure": "on-failure", "on-abnormal": "on-failure", "on-abort": "on-failure",
    "on-watchdog": "on-failure", "on-success": "always",
}  # fmt: skip
_NOT_NEEDED = re.compile(
    r"Service\.(KillMode|GuessMainPID|NotifyAccess|RemainAfterExit|StandardInput|SyslogIdentifier|SyslogFacility|"
    r"SyslogLevel|StartLimit\w+|TimeoutAbortSec|TimeoutStartFailureMode|SendSIGKILL|"
    r"SendSIGHUP|FinalKillSignal|PermissionsStartOnly|RestartMode|RestartSteps|RestartMaxDelaySec|LogRateLimit\w+|TTY\w+)|Install\.(Alias|Also)|Unit\.(Documentation|"
    r"StartLimit\w+|DefaultDependencies|SourcePath|IgnoreOnIsolate|JobTimeout\w*)"
)
_HOOKS = {"ExecStartPost": "post_start", "ExecStopPost": "post_stop", "ExecCondition": ""}
_KILL = re.compile(r"(?:/usr)?(?:/bin/)?kill\s+(?:-s\s+|-)(\w+)\s+\$\{?MAINPID\}?$")


class ServiceUnit:
    """One unit on its way to a program."""

    def __init__(self, unit: Unit, draft: Draft) -> None:
        self.unit = unit
        self.draft = draft
        self.block = Block()
        self.environment: dict[str, str] = {}
        self._seen: set[str] = set()

    @property
    def kind(self) -> str:
        return self.unit.last("Service.Type").lower() or ("simple" if self.unit.all("Service.ExecStart") else "oneshot")

    def convert(self) -> Block:
        if description := self.unit.last("Unit.Description"):
            self.block.note(description)
        self._set_environment()
        self._set_type()
        self._set_command()
        self._set_later_hooks()
        self._set_account()
        self._set_restart()
        self._set_stop()
        self._set_output()
        self._report_rest()
        return self.block

    def _take(self, name: str) -> str:
        """Return the last value of a key of [Service], with its specifiers replaced."""
        key = f"Service.{name}"
        self._seen.add(key)
        try:
            return specified(self.unit.last(key), self.unit)
        except ValueError as error:
            self._lose(name, str(error))
            return ""

    def _all(self, name: str) -> list[Assignment]:
        self._seen.add(f"Service.{name}")
        return self.unit.all(f"Service.{name}")

    def _lose(self, name: str, reason: str, key: str = "") -> None:
        assignments = self.unit.all(f"Service.{name}")
        place = assignments[-1].place if assignments else self.unit.place
        self.draft.lose(place, f"{self.unit.file_name}: {name}: {reason}", self.block, key)

    def _set_environment(self) -> None:
        for assignment in self._all("Environment"):
            try:
                words = shlex.split(specified(assignment.value, self.unit))
            except ValueError as error:
                self._lose("Environment", str(error))
                continue
            self.environment |= {name: value for name, _, value in (word.partition("=") for word in words)}
        if self.environment:
            self.block.entries["environment"] = environment = Block()
            environment.entries.update((name, value.replace("$", "$$")) for name, value in self.environment.items())
        files = [assignment.value for assignment in self._all("EnvironmentFile")]
        if any(file.startswith("-") for file in files):
            self.block.entries["env_file"] = [
                {"path": file.removeprefix("-"), "required": not file.startswith("-")} for file in files
            ]
        elif files:
            self.block.entries["env_file"] = tuple(files)
        if self._all("PassEnvironment"):
            self.block.note("supinit's environment is passed on: PassEnvironment is not needed")

    def _set_type(self) -> None:
        kind = self.kind
        self._seen.add("Service.Type")
        if kind == "oneshot":
            self.block.entries["type"] = "oneshot"
        elif kind in ("notify", "notify-reload"):
            self.block.entries["ready"] = {"notify": "systemd"}
        elif kind == "forking":
            self._set_forking()
        elif kind == "dbus":
            self._lose("Type", "dbus: ready as soon as it runs; a healthcheck can tell better")
        self._seen.add("Service.BusName")
        wait = self._span("TimeoutStartSec")
        if wait and kind in ("notify", "notify-reload", "forking", "oneshot"):
            ready = self.block.entries.setdefault("ready", {})
            if isinstance(ready, dict):
                ready["timeout"] = wait
        if watchdog := self._span("WatchdogSec"):
            self.block.entries["watchdog"] = watchdog

    def _set_forking(self) -> None:
        pid_file = self._take("PIDFile")
        if "pid_file" in PROGRAM.keys:
            self.block.entries["type"] = "forking"
            if pid_file:
                self.block.entries["pid_file"] = pid_file if pid_file.startswith("/") else f"/run/{pid_file}"
        else:
            self._lose("Type", "forking: add the option that keeps the program in the foreground", "command")

    def _commands(self, name: str) -> list[CommandLine]:
        found = []
        for assignment in self._all(name):
            for part in re.split(r"\s;\s", assignment.value):
                try:
                    found.append(read_command(part, self.unit, self.environment))
                except ValueError as error:
                    self.draft.lose(assignment.place, f"{self.unit.file_name}: {name}: {error}", self.block)
                    self.block.is_off |= name == "ExecStart"
        return found

    def _set_command(self) -> None:
        commands = self._commands("ExecStart")
        before = self._commands("ExecStartPre")
        if not commands:
            self.block.is_off = True
            self.block.entries["command"] = ("COMMAND",)
            if not self.unit.all("Service.ExecStart"):
                self._lose("ExecStart", "is missing")
            return
        if preset := suggest_preset(list(commands[-1].words)):
            self.block.note(suggestion(preset))
        if before and "pre_start" in PROGRAM.keys:
            self._set_hooks("pre_start", before)
            before = []
        if len(commands) == 1 and not before:
            self.block.entries["command"] = commands[0].written
        else:
            first = "".join(f"{command.text}{'; ' if command.ignores_failure else ' && '}" for command in before)
            steps = " && ".join(command.text for command in commands[:-1])
            self.block.entries["command"] = (
                "sh", "-c", f"{first}{steps}{' && ' if steps else ''}exec {commands[-1].text}",
            )  # fmt: skip
            if before and (self.unit.last("Service.User") and any(command.as_root for command in before)):
                self._lose("ExecStartPre", "runs as the program's user here", "command")

    def _set_later_hooks(self) -> None:
        for name, hook in _HOOKS.items():
            commands = self._commands(name)
            if commands and hook and hook in PROGRAM.keys:
                self._set_hooks(hook, commands)
            elif commands:
                self._lose(name, "has no counterpart")

    def _set_hooks(self, key: str, commands: list[CommandLine]) -> None:
        self.block.entries[key] = [{"command": command.written} for command in commands]

    def _set_account(self) -> None:
        user, group = self._take("User"), self._take("Group")
        if user or group:
            self.block.entries["user"] = f"{user or 'root'}:{group}" if group else user
        if groups := [word for assignment in self._all("SupplementaryGroups") for word in assignment.value.split()]:
            self.block.entries["group_add"] = tuple(groups)
        folder = self._take("WorkingDirectory")
        if folder:
            self.block.entries["working_dir"] = "${HOME}" if folder.lstrip("-") == "~" else folder.lstrip("-")
        if mask := self._take("UMask"):
            self.block.entries["umask"] = mask[-3:].rjust(3, "0")
        for name, key in (("Nice", "nice"), ("OOMScoreAdjust", "oom_score_adj")):
            if re.fullmatch(r"-?\d+", value := self._take(name)):
                self.block.entries[key] = int(value)
        self._set_limits()
        self._set_capabilities(is_root=user in ("", "root", "0"))
        self._set_folders()

    def _set_limits(self) -> None:
        limits: Block = Block()
        for name, key in _LIMITS.items():
            value = self._take(name)
            soft, _, hard = value.partition(":")
            numbers = [_number(soft), _number(hard or soft)]
            if value and None not in numbers:
                limits.entries[key] = {"soft": numbers[0] or 0, "hard": numbers[1] or 0}
            elif value:
                self._lose(name, f"{value} is not a plain number: write ulimits: {{{key}: N}}")
        if limits.entries:
            self.block.entries["ulimits"] = limits

    def _set_capabilities(self, is_root: bool) -> None:
        found: dict[str, frozenset[str] | None] = {}
        for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
            try:
                given = read_set(assignment.value for assignment in self._all(name))
                found[name] = frozenset() if self.unit.is_emptied(f"Service.{name}") else given
            except ValueError as error:
                self._lose(name, str(error))
        bounding = found.get("CapabilityBoundingSet")
        self.block.entries |= convert_sets(bounding, found.get("AmbientCapabilities") or frozenset(), is_root)
        if self._take("NoNewPrivileges").lower() in ("yes", "true", "on", "1"):
            self.block.entries["no_new_privileges"] = True

    def _set_folders(self) -> None:
        for name, root in (
            ("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib"), ("CacheDirectory", "/var/cache"),
            ("LogsDirectory", "/var/log"), ("ConfigurationDirectory", "/etc"),
        ):  # fmt: skip
            paths = tuple(f"{root}/{word}" for word in self._take(name).split())
            self._seen |= {f"Service.{name}Mode", f"Service.{name}Preserve"}
            if paths and name == "RuntimeDirectory" and "runtime_directory" in PROGRAM.keys:
                self.block.entries["runtime_directory"] = paths
            elif paths:
                self._lose(name, f"make {', '.join(paths)} in the image, owned by the program's user")

    def _set_restart(self) -> None:
        word = self._take("Restart").lower() or "no"
        self.block.entries["restart"] = _RESTART.get(word, "no")
        if self.kind == "oneshot" and self.block.entries["restart"] == "no":
            del self.block.entries["restart"]
        if word in ("on-success", "on-abnormal", "on-abort", "on-watchdog"):
            self.draft.mention(
                self._all("Restart")[-1].place,
                f"{self.unit.file_name}: Restart={word} is {_RESTART[word]} here", self.block, "restart",
            )  # fmt: skip
        if wait := self._span("RestartSec"):
            self.block.entries["restart_delay"] = {"initial": wait}
        codes = [word for assignment in self._all("SuccessExitStatus") for word in assignment.value.split()]
        numbers = tuple(sorted({0, *(int(code) for code in codes if code.isdigit() and int(code) < 256)}))
        if len(numbers) > 1:
            self.block.entries["success_exit_codes"] = numbers
        if any(not code.isdigit() for code in codes):
            self._lose("SuccessExitStatus", "signals and names are not carried over")
        for name in ("RestartPreventExitStatus", "RestartForceExitStatus", "RuntimeMaxSec"):
            if self._all(name):
                self._lose(name, "has no counterpart")

    def _set_stop(self) -> None:
        wait = self._span("TimeoutStopSec") or self._span("TimeoutSec")
        signal = parse_signal(self._take("KillSignal")) if self.unit.last("Service.KillSignal") else None
        scope = "tree" if self.unit.last("Service.KillMode").lower() == "control-group" else ""
        name = signal_name(signal) if signal is not None else ""
        stops = self._all("ExecStop")
        if len(stops) == 1 and (match := _KILL.search(stops[0].value)) and parse_signal(match[1]) is not None:
            name = f"SIG{match[1].removeprefix('SIG')}" if not match[1].isdigit() else match[1]
            stops = []
        commands = self._commands("ExecStop") if stops else []
        if commands:
            self.block.entries["stop"] = [{"command": command.text, "wait": wait or "90s"} for command in commands]
        elif scope:
            self.block.entries["stop"] = [{"signal": name or "SIGTERM", "wait": wait or "90s", "scope": scope}]
        else:
            if name:
                self.block.entries["stop_signal"] = name
            if wait:
                self.block.entries["stop_grace_period"] = wait
        reloads = self._all("ExecReload")
        if len(reloads) == 1 and (match := _KILL.search(reloads[0].value)) and parse_signal(match[1]) is not None:
            if match[1] not in ("HUP", "SIGHUP"):
                self.block.entries["reload_signal"] = f"SIG{match[1].removeprefix('SIG')}"
        elif reloads and (commands := self._commands("ExecReload")):
            self.block.entries["reload_command"] = commands[-1].text
            if len(commands) > 1:
                self._lose("ExecReload", "only the last of its commands is carried over", "reload_command")
        self._seen.add("Service.ReloadSignal")

    def _set_output(self) -> None:
        out, err = self._take("StandardOutput"), self._take("StandardError")
        path = next(
            (value.partition(":")[2] for value in (out, err) if value.startswith(("file:", "append:", "truncate:"))), ""
        )
        if path:
            self.block.entries["log"] = {"mode": "none", "file": path}
        elif out == "null":
            self.block.entries["log"] = {"mode": "none"}
        if "null" in (out, err) and out != err and err:
            self._lose("StandardOutput", "one of the two streams cannot be dropped alone", "log")

    def _span(self, name: str) -> str:
        """Return a time span of systemd as a duration; empty where it is not given or has no end."""
        text = self._take(name)
        if not text or text == "infinity":
            return f"{int(MAX_DURATION)}s" if text and name == "TimeoutStopSec" else ""
        try:
            return read_span(text)
        except ValueError as error:
            self._lose(name, str(error))
            return ""

    def _report_rest(self) -> None:
        for key, assignments in self.unit.keys.items():
            if key in self._seen or not assignments or key.startswith("X-") or key in _ORDER:
                continue
            section, _, name = key.partition(".")
            place = assignments[0].place
            if _NOT_NEEDED.fullmatch(key):
                self.draft.findings.group(place, NOT_NEEDED, self.unit.file_name, name)
            elif section == "Unit" and name.startswith(("Condition", "Assert")):
                self._lose_key(key, "is not checked")
            elif section == "Unit" and name in ("OnFailure", "OnSuccess", "PartOf", "Conflicts"):
                self._lose_key(key, "has no counterpart")
            else:
                self.draft.findings.group(place, CONTAINER, self.unit.file_name, name)

    def _lose_key(self, key: str, reason: str) -> None:
        assignment = self.unit.keys[key][-1]
        sentence = f"{self.unit.file_name}: {key.partition('.')[2]}={assignment.value}: {reason}"
        self.draft.lose(assignment.place, sentence, self.block)


_ORDER = (
    *(f"Unit.{name}" for name in ("After", "Before", "Requires", "Wants", "BindsTo", "Requisite", "Description")),
    *(f"Install.{name}" for name in ("WantedBy", "RequiredBy", "UpheldBy", "DefaultInstance")),
)
"""Keys that are carried over elsewhere, or that say when a unit starts: always, here."""


def _number(text: str) -> int | None:
    if text == "infinity":
        return -1
    match = re.fullmatch(r"(\d+)([KMGT]?)", text)
    return None if match is None else int(match[1]) * 1024 ** " KMGT".index(match[2] or " ")
