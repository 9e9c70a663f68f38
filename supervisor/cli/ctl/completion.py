"""completion: the shell asks supctl itself what can come next, so its script is short and never out of date.

The scripts call `supctl completion words -- WORD...` with what is typed so far, the word at the cursor last and perhaps
empty; each answer is a line, "word<TAB>what it is".
"""

from __future__ import annotations

from supervisor.cli.ctl.call import WRONG_USE, Call, complain, show
from supervisor.client.wire import TEXT, connect, exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from supervisor.cli.supctl import Subcommand

    Word = tuple[str, str]

PATIENCE = 1.0
"""Seconds to wait for supinit: somebody waits at a prompt."""
EVERYWHERE = {"socket": "PATH", "json": "", "help": ""}
SHORT = {"s": "socket", "h": "help"}


def completion(call: Call) -> int:
    """Print the script for a shell, or the words that can come next."""
    shell, *words = call.words
    if shell == "words":
        lines = dict(candidates(words))
        show("".join(f"{word}\t{about}\n" for word, about in lines.items()).encode())
        return 0
    if shell not in SCRIPTS or words:
        return complain(f"no completion for {' '.join(call.words)}; write one of {', '.join(SCRIPTS)}", WRONG_USE)
    show(SCRIPTS[shell].encode())
    return 0


def candidates(words: Sequence[str]) -> Iterator[Word]:
    """Yield the words that can complete the last one."""
    from supervisor.cli.supctl import COMMANDS

    *before, current = words or ("",)
    given, awaiting, socket = _read(before, COMMANDS)
    command = COMMANDS.get(given[0]) if given else None
    options = {**EVERYWHERE, **(command.options if command is not None else {})}
    name, equals, _ = current.partition("=")
    found: Iterable[Word]
    if awaiting:
        found = _choices(options[awaiting])
    elif equals and name.startswith("--"):
        found = ((f"{name}={value}", about) for value, about in _choices(options.get(name[2:], "")))
    elif current.startswith("-"):
        found = ((f"--{option}", f"takes {value}" if value else "") for option, value in options.items())
    elif command is not None:
        found = _in_place_of(_slot(command.words, len(given) - 1), given[1:], socket)
    else:
        found = ((name, command.summary) for name, command in COMMANDS.items()) if given in ([], ["help"]) else ()
    yield from ((word, about) for word, about in found if word.startswith(current))


def _read(before: Sequence[str], commands: Mapping[str, Subcommand]) -> tuple[list[str], str, str | None]:
    """Return the words without options, the option whose value comes next (or ""), and the socket."""
    given, awaiting, socket = list[str](), "", None
    for word in before:
        command = commands.get(given[0]) if given else None
        if awaiting:
            socket = word if awaiting == "socket" else socket
            awaiting = ""
        elif word.startswith("-"):
            name, equals, value = word.lstrip("-").partition("=")
            name = {**SHORT, **(command.short if command is not None else {})}.get(name, name)
            kind = {**EVERYWHERE, **(command.options if command is not None else {})}.get(name, "")
            socket = value if equals and name == "socket" else socket
            awaiting = name if kind[:1] not in ("", "[") and not equals else ""
        else:
            given.append(word)
    return given, awaiting, socket


def _choices(value: str) -> list[Word]:
    return [(word, "") for word in value.split("|")] if "|" in value else []


def _slot(words: str, position: int) -> str:
    """Return what a command takes at a position: NAME, SIGNAL, "a|b", or nothing."""
    slots = words.replace("[", "").replace("]", "").split()
    if position < len(slots):
        return slots[position].removesuffix("...")
    return slots[-1].removesuffix("...") if slots and slots[-1].endswith("...") else ""


def _in_place_of(slot: str, given: Sequence[str], socket: str | None) -> list[Word]:
    if slot == "NAME":
        return [(name, state) for name, state in _programs(socket) if name not in given]
    if slot == "NAME=N":
        return [(f"{name}=", state) for name, state in _programs(socket) if name != "all" and ":" not in name]
    if slot == "SIGNAL":
        import signal

        return [(name, "") for name in sorted(signal.Signals.__members__) if not name.startswith("SIGRT")]
    return _choices(slot)


def _programs(socket: str | None) -> list[Word]:
    """Return the names of the programs with their states; none if supinit cannot be reached."""
    path = Call("status", socket=socket).path
    try:
        response = exchange(connect(path, PATIENCE), "GET", "/v1/status", TEXT)
    except OSError:
        return []
    lines = response.body.decode("utf-8", "replace").splitlines()[1:] if response.status == 200 else []
    rows = [tuple(line.split(None, 2)[:2]) for line in lines]
    several = [(row[0].partition(":")[0], "every instance") for row in rows if ":" in row[0]]
    return [("all", "every program"), *dict.fromkeys(several), *((row[0], row[1]) for row in rows)]


_BASH = r"""# bash completion of supctl: eval "$(supctl completion bash)"
_supctl() {
    local line=${COMP_LINE:0:COMP_POINT} head="" words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    if [[ ${words[-2]} == -s || ${words[-2]} == --socket ]]; then
        compopt -o default
        return
    fi
    mapfile -t COMPREPLY < <("${words[0]}" completion words -- "${words[@]:1}" 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    [[ $COMP_WORDBREAKS == *:* ]] && head=${words[-1]%"${words[-1]##*[:=]}"} # bash replaces what follows it
    COMPREPLY=("${COMPREPLY[@]#"$head"}")
}
complete -F _supctl supctl
"""
_ZSH = r"""#compdef supctl
# zsh completion of supctl: source <(supctl completion zsh), or a file _supctl in $fpath
_supctl() {
    local -a found
    if [[ ${words[CURRENT-1]} == (-s|--socket) ]]; then
        _files
        return
    fi
    found=(${(f)"$("${words[1]}" completion words -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)"})
    found=("${(@)found//:/\\:}")
    found=("${(@)found/$'\t'/:}")
    _describe supctl found
}
if [[ $funcstack[1] == _supctl ]]; then
    _supctl "$@"
else
    compdef _supctl supctl
fi
"""
_FISH = r"""# fish completion of supctl: supctl completion fish | source
complete -c supctl -f
complete -c supctl -s s -l socket -r -F
complete -c supctl -f -n 'not string match -qr -- "^(-s|--socket)\$" (commandline -opc)[-1]' \
    -a '(command supctl completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
