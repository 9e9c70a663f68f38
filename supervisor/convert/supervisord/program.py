"""Convert one [program:x], key by key."""

from __future__ import annotations

from supervisor.convert.document import Block
from supervisor.convert.draft import IDLE
from supervisor.convert.servers import is_held_by_shell, suggest_preset, suggestion
from supervisor.convert.supervisord.environment import environment_of, shared_environment
from supervisor.convert.supervisord.output import set_output
from supervisor.core.quantities import MAX_DURATION
from supervisor.core.record import Record
from supervisor.core.signals import parse_signal, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.supervisord.expansion import Text
    from supervisor.convert.supervisord.options import Options

SHELL_FIRST = (
    "the shell ends before its command, which is killed then: exec the last command, or begin with trap exit TERM"
)

EARLY = "an exit with code 0 within startsecs was a failed start; here the program has ended well"
TASK = "if this is a task that ends, use type: oneshot, and others can wait for it (condition: completed)"
_EXPECTED: tuple[int, ...] = (0,)


class Common(Record):
    """What [supervisord] sets for all programs."""

    environment: dict[str, Text]
    user: str = ""
    umask: str = ""
    directory: str = ""


def convert_program(options: Options, common: Common) -> None:
    """Convert the options into `options.block`. Losses become comments."""
    program = options.block
    _set_environment(options, program, common)  # first: other values may use its variables
    _set_command(options, program)
    _set_credentials(options, program, common)
    _set_restart(options, program)
    _set_start(options, program)
    _set_stop(options, program)
    set_output(options, program)
    options.group("serverurl", default="auto")
    _set_autostart(options, program)
    options.finish()


def _set_autostart(options: Options, program: Block) -> None:
    text = options.text("autostart")
    is_unset = text is not None and text.literal is None and options.scope.value_now(text) is None
    if text is not None and is_unset:
        program.entries[IDLE] = text.written
    elif not options.flag("autostart", True):
        program.entries[IDLE] = False


def _set_command(options: Options, program: Block) -> None:
    import shlex

    text = options.text("command")
    if text is None:
        if "command" not in options:
            options.refuse("command", "is required")
        return
    written = text.written
    try:
        words = shlex.split(written)
    except ValueError:
        reason = "cannot be split into words (to supervisord, what follows ' ;' or ' #' is a comment)"
        options.refuse("command", reason)
        return
    if not words or not words[0]:
        options.refuse("command", "cannot be empty")
        return
    one_line = " ".join(written.split("\n"))
    program.entries["command"] = one_line if shlex.split(one_line) == words else written
    if (proxied := _proxied(words)) is not None:
        _set_proxied(options, program, *proxied)
        words = proxied[1]
    if preset := suggest_preset(words):
        program.note(suggestion(preset))
    if options.flag("stopasgroup") and is_held_by_shell(words):
        options.mention("stopasgroup", SHELL_FIRST, "stop")


def _proxied(words: list[str]) -> tuple[str, list[str]] | None:
    """Return the pid file and the command of supervisord's pidproxy."""
    if words[0].rpartition("/")[2].startswith("python"):
        words = words[1:]
    is_proxy = len(words) > 2 and words[0].rpartition("/")[2] in ("pidproxy", "pidproxy.py")
    return (words[1], words[2:]) if is_proxy else None


def _set_proxied(options: Options, program: Block, pid_file: str, words: list[str]) -> None:
    """Signal the process in the pid file, as pidproxy does."""
    program.entries["command"] = tuple(words)
    signal, wait = _stop_signal(options), _duration(options, "stopwaitsecs", 10)
    kill = "sh -c 'kill -s {} \"$$(cat {})\"'"
    program.entries["stop"] = [{"command": kill.format(signal.removeprefix("SIG"), pid_file), "wait": wait}]
    program.entries["reload_command"] = kill.format("HUP", pid_file)
    options.mention("command", f"pidproxy is replaced: stop and reload signal the process in {pid_file}", "command")


def _set_environment(options: Options, program: Block, common: Common) -> None:
    variables = environment_of(options)
    options.scope.variables = {**options.scope.variables, **variables}
    if not variables and not common.environment:
        return
    environment = Block()
    if common.environment:
        environment.like = shared_environment(common.environment)
        environment.entries.update(environment.like.entries)
    environment.entries.update((name, text.written) for name, text in variables.items())
    program.entries["environment"] = environment


def _set_credentials(options: Options, program: Block, common: Common) -> None:
    for name, key, default in (
        ("user", "user", common.user),
        ("directory", "working_dir", common.directory),
        ("umask", "umask", common.umask),
    ):
        value = read_mask(options) if name == "umask" else read_text(options, name)
        if value or default:
            program.entries[key] = value or default


def read_text(options: Options, name: str) -> str:
    """Return a text that must not be empty."""
    text = options.text(name)
    if text is None:
        return ""
    if not text:
        options.refuse(name, "cannot be empty")
    return (text.at_home if name == "directory" else text).written


def read_mask(options: Options) -> str:
    """Return `umask` as three digits."""
    text = options.text("umask")
    if text is not None and text.literal is None:
        return text.written
    mask = options.value("umask", _read_octal, None)
    return "" if mask is None else f"{mask & 0o777:03o}"


def _read_octal(text: str) -> int | None:
    return int(text, 8)


def _set_restart(options: Options, program: Block) -> None:
    codes = options.value("exitcodes", _read_codes, _EXPECTED)
    word = options.value("autorestart", _read_autorestart, "unexpected")
    if word == "never":
        program.entries["restart"] = "no"
    elif word == "unexpected" and codes:
        program.entries["restart"] = "on-failure"
    if codes and codes != _EXPECTED:
        program.entries["success_exit_codes"] = codes
    elif not codes and word != "unexpected":
        options.mention("exitcodes", "supinit needs at least one success exit code")


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


def _set_start(options: Options, program: Block) -> None:
    if (uptime := _duration(options, "startsecs", 1)) != "1s":
        program.entries["min_uptime"] = uptime
    if uptime != "0s" and program.entries.get("restart") == "no":
        options.group("autorestart", EARLY)
    elif program.entries.get("restart") == "no":
        program.note(TASK, "restart")
    retries = max(0, options.value("startretries", int, 3))
    if "startretries" not in options or program.entries.get("restart") == "no":
        if retries:
            options.mention("startretries", "with autorestart=false, a failed start is not tried again", "restart")
        else:
            options.group("startretries")
        return
    program.entries["start_retries"] = min(retries + 1, 10**9)
    program.note("counts the first start as well; the waits are at least as long as supervisord's", "start_retries")
    if retries:
        program.entries["restart_delay"] = {"initial": "1s"}


def _set_stop(options: Options, program: Block) -> None:
    signal, wait = _stop_signal(options), _duration(options, "stopwaitsecs", 10)
    as_group = options.flag("stopasgroup")
    if not options.flag("killasgroup", True) and as_group:
        options.refuse("killasgroup", "cannot be false with stopasgroup=true")
    if "stop" in program.entries:
        return
    if as_group:
        program.entries["stop"] = [{"signal": signal, "wait": wait, "scope": "group"}]
        return
    if signal != "SIGTERM":
        program.entries["stop_signal"] = signal
    if wait != "10s":
        program.entries["stop_grace_period"] = wait


def _stop_signal(options: Options) -> str:
    text = options.text("stopsignal")
    if text is None:
        return "SIGTERM"
    if text.literal is None:
        return text.written
    signal = parse_signal(text.literal)
    if signal is None:
        options.refuse("stopsignal", f"cannot be {text.literal!r}")
        return "SIGTERM"
    return signal_name(signal)


def _duration(options: Options, name: str, default: int) -> str:
    """Return a number of seconds. supervisord has no upper limit, supinit allows ten years."""
    seconds = options.number(name, default)
    return seconds if isinstance(seconds, str) else f"{min(seconds, int(MAX_DURATION))}s"
