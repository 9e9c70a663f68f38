"""Generate the reference of all keys, docs/configuration.md, from the definitions that read the keys.

Run `python -m supervisor.config.reference > docs/configuration.md`; a test compares the page with the result.
"""

from __future__ import annotations

import json
import sys

from supervisor.config.include import INCLUDE
from supervisor.config.kinds import ByShape, Deferred, ListOf, Made, MapOf, OrNull
from supervisor.config.presets import PRESETS
from supervisor.config.schema import DOCUMENT, PROGRAM, SUPERVISOR
from supervisor.config.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.config.kinds import ValueKind
    from supervisor.config.presets import Written

HEAD = """\
# Configuration

The configuration is one YAML document in UTF-8. `supinit --check` validates it and prints the plan. `supinit --schema`
prints its JSON Schema for editors. This page is generated from the definitions that read the keys.

- **Durations** are seconds, or strings with units: `90`, `1.5`, `"500ms"`, `"1m30s"` (us, ms, s, m, h, d).
- **Sizes** are bytes, or strings with units of 1024: `4096`, `"10mb"`, `"1g"`.
- **Signals** are names or numbers: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`.
- **Variables** in values are replaced as in Compose: `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR-default}`,
  `${VAR:?message}`, `${VAR:+other}`; `$$` is a dollar sign. This happens after parsing, so a value never changes the
  structure of the document.
- **Relative paths** in `include` are relative to the file that contains them. All other relative paths (`env_file`,
  `environment.NAME.file`, `log.file`, `clear_before_start`, `working_dir`, `run_dir`) are relative to the directory in
  which supinit was started. A `command` with a relative path, like those of probes and stop steps, is relative to the
  program's `working_dir`. Absolute paths avoid surprises.
- **Keys:** an unknown key is an error, unless it starts with `x-`. A key that is null counts as left out. Anchors and
  merge keys work.
"""


RESTARTS = """\
## Restarts

A **failed start** is a run that ended before it was ready, or sooner than `min_uptime`. `restart` decides whether a
program that has ended is started again:

| `restart` | after success | after a failure |
| --- | --- | --- |
| `always`, `unless-stopped` | yes | yes |
| `on-failure` | no | yes |
| `on-failure:N` | no | yes, at most N times in a row |
| `no` | no | no |

Two limits can end a series of restarts. The first one that is reached makes the program FATAL:

- `on-failure:N` counts every restart after a failure, however long the run was. A run of at least
  `restart_delay.reset_after` sets the count to zero.
- `start_retries` counts failed starts in a row. A start that succeeds sets the count to zero. `null` means no limit.

With `restart: on-failure:5` and the default `start_retries: 10`, a program that cannot start becomes FATAL after five
restarts. With `restart: always`, only `start_retries` applies. `supctl start` sets both counts to zero.

The delay before a restart begins with `restart_delay.initial`, is multiplied by `factor` after each restart, and never
exceeds `max`.
"""
ENV_FILES = """\
## env_file

The files are read at each start, in order, as Compose reads them. Later files override earlier ones, `environment`
overrides all of them, and all of them override supinit's own environment.

```text
NAME=value # a comment after a space
export NAME=value
NAME="two\\nlines, \\"quoted\\", from $HOME"
NAME='literal: $HOME \\n'
NAME='a value
of two lines'
INHERITED
```

- In double quotes, `\\n`, `\\r`, `\\t`, `\\\\`, `\\"` and `\\$` are escapes, and variables are replaced. In single
  quotes, only `\\'` is an escape, and nothing is replaced. Both may contain newlines.
- Variables (`$VAR`, `${VAR:-default}` and so on) come from supinit's own environment, else from the lines and files
  above.
- Lines that begin with `#` are comments. A name without `=` takes supinit's own value. `NAME: value`
  works, too. A BOM and CRLF line ends are ignored.
- `required: false` ignores a file that does not exist. `format: raw` takes each value literally, as
  `docker run --env-file` does.
"""
VARIABLES = """\
## Variables that supinit sets

| variable | value |
| --- | --- |
| `$SUPINIT_PROGRAM` | name of the program |
| `$SUPINIT_INSTANCE` | number of the instance, from 1 to `scale` |
| `$SUPINIT_ID` | identifies this supinit, so that its processes are told from those of another one |
| `$HOME`, `$USER`, `$LOGNAME` | those of `user`, if it has an account |
| `$NOTIFY_SOCKET` | with `ready: {notify: systemd}` or `watchdog` |
| `$WATCHDOG_USEC` | with `watchdog` |
| `$SUPINIT_MAINPID` | pid of the main process, for `reload_command`, commands in `stop`, and [hooks](hooks.md) |

The first three are set last and cannot be overridden. A `$` in the table is replaced when the table is read, before
these variables exist: write `$$SUPINIT_INSTANCE` where the program or its shell is to see the variable, as in
`command: [sh, -c, "exec serve --port 800$$SUPINIT_INSTANCE"]`.
"""
_SEE = {"preset": "presets", "restart": "restarts", "start_retries": "restarts", "env_file": "env_file"}
"""Sections of this page that say more about a key."""


def reference() -> str:
    """Return the page."""
    parts = [HEAD]
    parts += _section("Top level", DOCUMENT, depth=2, nested=False)
    parts += _section("`include`", next(_sections_in(INCLUDE)), depth=2)
    parts += _section("`supervisor`", SUPERVISOR, depth=2)
    parts += _section("`programs.NAME`", PROGRAM, depth=2)
    parts += [RESTARTS, ENV_FILES, VARIABLES, *_presets()]
    return "\n".join(parts)


def _section(title: str, section: Section, depth: int, nested: bool = True) -> Iterator[str]:
    yield f"{'#' * depth} {title}\n"
    yield "| key | value | default | since | |\n| --- | --- | --- | --- | --- |"
    for key in section.keys.values():
        default = "required" if key.is_required else _default(key.default)
        name = f"[`{key.name}`](#{_SEE[key.name]})" if depth == 2 and key.name in _SEE else f"`{key.name}`"
        yield f"| {name} | {_escape(_value(key.kind))} | {default} | {key.since} | {_escape(key.about)} |"
    yield ""
    if nested:
        for key in section.keys.values():
            for inner in dict.fromkeys(_sections_in(key.kind)):
                yield from _section(f"{title[:-1]}.{key.name}`", inner, min(depth + 1, 4))


def _presets() -> Iterator[str]:
    yield "## Presets\n"
    yield (
        "A preset fills in the keys below. The program's own keys replace the preset's; `environment` is merged.\n"
        "`stop_grace_period` or `stop_signal` replaces the stop sequence, and keeps the other half of its first step.\n"
        "`supinit --check --expand` prints the result.\n"
    )
    yield "| preset | keys |\n| --- | --- |"
    for name, keys in PRESETS.items():
        written = (f"`{key}: {_flow(value)}`" for key, value in keys.items())
        yield f"| `{name}` | {_escape('<br>'.join(written))} |"
    yield ""


def _flow(value: Written) -> str:
    """Return a value of a preset as YAML in flow style."""
    if isinstance(value, str):
        return f'"{value}"' if set(value) & set(":|") else value
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"


def _value(kind: ValueKind) -> str:
    if not list(_sections_in(kind)):
        return kind.allowed
    if isinstance(kind, ByShape):
        return "; or ".join(map(_value, kind.alternatives.values()))
    return "a list, see below" if isinstance(kind, ListOf) else "a mapping, see below"


def _sections_in(kind: ValueKind) -> Iterator[Section]:
    """Yield the sections inside a type, however deep."""
    match kind:
        case Section():
            yield kind
        case ByShape():
            for alternative in kind.alternatives.values():
                yield from _sections_in(alternative)
        case ListOf():
            yield from _sections_in(kind.item)
        case MapOf():
            yield from _sections_in(kind.value)
        case Made() | OrNull() | Deferred():
            yield from _sections_in(kind.kind)
        case _:
            pass


def _default(default: object) -> str:
    if default is None or default in ("", [], {}):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
