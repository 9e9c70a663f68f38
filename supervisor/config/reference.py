"""Generate the reference of all keys, docs/configuration.md, from the definitions that read the keys.

Run `python -m supervisor.config.reference > docs/configuration.md`; a test compares the page with the result.
"""

from __future__ import annotations

import json
import sys

from supervisor.config.kinds import ByShape, ListOf, Made, MapOf, OrNull
from supervisor.config.schema import DOCUMENT, PROGRAM, SUPERVISOR
from supervisor.config.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.config.kinds import ValueKind

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
- **Keys:** an unknown key is an error, unless it starts with `x-`. A key that is null counts as left out. Anchors and
  merge keys work.
"""


def reference() -> str:
    """Return the page."""
    parts = [HEAD]
    parts += _section("Top level", DOCUMENT, depth=2, nested=False)
    parts += _section("`supervisor`", SUPERVISOR, depth=2)
    parts += _section("`programs.NAME`", PROGRAM, depth=2)
    return "\n".join(parts)


def _section(title: str, section: Section, depth: int, nested: bool = True) -> Iterator[str]:
    yield f"{'#' * depth} {title}\n"
    yield "| key | value | default | since | |\n| --- | --- | --- | --- | --- |"
    for key in section.keys.values():
        default = "required" if key.is_required else _default(key.default)
        yield f"| `{key.name}` | {_escape(_value(key.kind))} | {default} | {key.since} | {_escape(key.about)} |"
    yield ""
    if nested:
        for key in section.keys.values():
            for inner in _sections_in(key.kind):
                yield from _section(f"{title[:-1]}.{key.name}`", inner, min(depth + 1, 4))


def _value(kind: ValueKind) -> str:
    inner = list(_sections_in(kind))
    if not inner:
        return kind.allowed
    others = [part for part in _plain_parts(kind) if part]
    return "; or ".join((*others, "a mapping, see below" if not isinstance(kind, ListOf) else "a list, see below"))


def _plain_parts(kind: ValueKind) -> list[str]:
    if isinstance(kind, ByShape):
        return [part.allowed for part in kind.alternatives.values() if not list(_sections_in(part))]
    return []


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
        case Made() | OrNull():
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
