"""One program of a supervisord.conf into one of ours, key by key."""

from __future__ import annotations

from supervisor.config.schema import PROGRAM
from supervisor.convert.document import Block
from supervisor.convert.output import set_output
from supervisor.convert.servers import is_held_by_shell, suggest_preset, suggestion
from supervisor.convert.variables import environment_of, shared_environment
from supervisor.core.quantities import MAX_DURATION
from supervisor.core.record import Record
from supervisor.core.signals import parse_signal, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.expansion import Text
    from supervisor.convert.given import Given

BY_HAND = "every program of a table is started; take it in to have it started with the container"
SHELL_FIRST = "the shell ends before what it runs, which is killed then: exec its last command, or trap exit TERM"

_EXPECTED: tuple[int, ...] = (0,)


class Common(Record):
    """What [supervisord] says for all programs."""

    environment: dict[str, Text]
    user: str = ""
    umask: str = ""
    directory: str = ""


def convert_program(given: Given, common: Common) -> Block:
    """Return the program; what it cannot have is said above it."""
    program = given.block
    _set_environment(given, program, common)  # first: other values may name its variables
    _set_command(given, program)
    _set_credentials(given, program, common)
    _set_restart(given, program)
    _set_start(given, program)
    _set_stop(given, program)
    set_output(given, program)
    if given.value("serverurl", str.upper, "AUTO") != "AUTO":
        given.lose("serverurl", "there is no XML-RPC; supctl finds the control socket by itself")
    if not given.flag("autostart", True):
        program.is_off = True
        given.lose("autostart", BY_HAND)
    given.finish()
    program.sort(PROGRAM.keys)
    return program


def _set_command(given: Given, program: Block) -> None:
    import shlex

    text = given.text("command")
    if text is None:
        if "command" not in given:
            given.refuse("command", "cannot be left out")
        return
    written = text.written
    try:
        words = shlex.split(written)
    except ValueError:
        reason = "cannot be split into words (to supervisord, what follows ' ;' or ' #' is a comment)"
        given.refuse("command", reason)
        return
    if not words or not words[0]:
        given.refuse("command", "cannot be empty")
        return
    one_line = " ".join(written.split("\n"))
    program.entries["command"] = one_line if shlex.split(one_line) == words else written
    if preset := suggest_preset(words):
        program.note(suggestion(preset))
    if given.flag("stopasgroup") and is_held_by_shell(words):
        given.lose("stopasgroup", SHELL_FIRST, "stop")


def _set_environment(given: Given, program: Block, common: Common) -> None:
    variables = environment_of(given)
    given.scope.variables = {**given.scope.variables, **variables}
    if not variables and not common.environment:
        return
    environment = Block()
    if common.environment:
        environment.like = shared_environment(common.environment)
        environment.entries.update(environment.like.entries)
    environment.entries.update((name, text.written) for name, text in variables.items())
    program.entries["environment"] = environment


def _set_credentials(given: Given, program: Block, common: Common) -> None:
    for name, key, default in (
        ("user", "user", common.user),
        ("directory", "working_dir", common.directory),
        ("umask", "umask", common.umask),
    ):
        value = read_mask(given) if name == "umask" else read_text(given, name)
        if value or default:
            program.entries[key] = value or default


def read_text(given: Given, name: str) -> str:
    """Take a text that cannot be empty."""
    text = given.text(name)
    if text is None:
        return ""
    if not text:
        given.refuse(name, "cannot be empty")
    return (text.at_home if name == "directory" else text).written


def read_mask(given: Given) -> str:
    """Take `umask` as our three digits."""
    text = given.text("umask")
    if text is not None and text.literal is None:
        return text.written
    mask = given.value("umask", _read_octal, None)
    return "" if mask is None else f"{mask & 0o777:03o}"


def _read_octal(text: str) -> int | None:
    return int(text, 8)


def _set_restart(given: Given, program: Block) -> None:
    codes = given.value("exitcodes", _read_codes, _EXPECTED)
    word = given.value("autorestart", _read_autorestart, "unexpected")
    if word == "never":
        program.entries["restart"] = "no"
    elif word == "unexpected" and codes:
        program.entries["restart"] = "on-failure"
    if codes and codes != _EXPECTED:
        program.entries["success_exit_codes"] = codes
    elif not codes and word != "unexpected":
        given.lose("exitcodes", "no code at all is expected: no program of ours has that")


def _read_codes(text: str) -> tuple[int, ...]:
    codes = tuple(dict.fromkeys(int(code) for code in text.split(","))) if text else ()
    if any(not 0 <= code <= 255 for code in codes):
        raise ValueError(text)
    return codes


def _read_autorestart(text: str) -> str:
    words = {"unexpected": "unexpected"}
    words |= dict.fromkeys(("yes", "true", "on", "1"), "always") | dict.fromkeys(("no", "false", "off", "0"), "never")
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _set_start(given: Given, program: Block) -> None:
    if (uptime := _duration(given, "startsecs", 1)) != "1s":
        program.entries["min_uptime"] = uptime
    if uptime == "0s" and program.entries.get("restart") == "no":
        program.note("a task that ends? as type: oneshot, others can wait for it (condition: completed)", "restart")
    retries = max(0, given.value("startretries", int, 3))
    if "startretries" not in given or program.entries.get("restart") == "no":
        if "startretries" in given:
            given.lose("startretries", "with autorestart=false, a start that fails is not tried again", "restart")
        return
    program.entries["start_retries"] = min(retries + 1, 10**9)
    program.note("the first start counts, and the waits are as long as supervisord's at least", "start_retries")
    if retries:
        program.entries["restart_delay"] = {"initial": "1s"}


def _set_stop(given: Given, program: Block) -> None:
    signal, wait = _stop_signal(given), _duration(given, "stopwaitsecs", 10)
    as_group = given.flag("stopasgroup")
    if not given.flag("killasgroup", True):
        if as_group:
            given.refuse("killasgroup", "cannot be false with stopasgroup=true")
        given.lose("killasgroup", "SIGKILL always reaches the whole tree of a program")
    if as_group:
        program.entries["stop"] = [{"signal": signal, "wait": wait, "scope": "group"}]
        return
    if signal != "SIGTERM":
        program.entries["stop_signal"] = signal
    if wait != "10s":
        program.entries["stop_grace_period"] = wait


def _stop_signal(given: Given) -> str:
    text = given.text("stopsignal")
    if text is None:
        return "SIGTERM"
    if text.literal is None:
        return text.written
    signal = parse_signal(text.literal)
    if signal is None:
        given.refuse("stopsignal", f"cannot be {text.literal!r}")
        return "SIGTERM"
    return signal_name(signal)


def _duration(given: Given, name: str, default: int) -> str:
    """Take a number of seconds. supervisord has no upper limit, ours is ten years."""
    seconds = given.number(name, default)
    return seconds if isinstance(seconds, str) else f"{min(seconds, int(MAX_DURATION))}s"
