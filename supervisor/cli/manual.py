"""Generate the man pages in docs/man from the pages in docs/ and from --help.

Run `python -m supervisor.cli.manual` in a clone of the repository; a test compares the files with the result. Nothing
imports this module at run time. It understands only the Markdown of our own pages.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from supervisor import __version__
from supervisor.cli.supctl import COMMANDS
from supervisor.cli.supinit import USAGE
from supervisor.config.reference import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOCS = Path(__file__).parent.parent.parent / "docs"
FOLDER = DOCS / "man"
INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\*(?P<italic>[^* ][^*]*)\*|\[(?P<link>[^]]+)\]\([^)]+\)")
ITEM = re.compile(r"(-|\d+\.) +")
LITERAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga"}
"""Characters that must be printed as typed (groff_char(7))."""


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    supinit, supctl, table = ("supinit", 1), ("supctl", 1), ("supinit.yaml", 5)
    return {
        "supinit.1": _page(
            supinit, "the init for containers that run more than one process", _supinit_synopsis(),
            _joined("operations", "output", "events", "exit-codes", "troubleshooting"), supctl, table,
        ),
        "supctl.1": _page(
            supctl, "the client of a container under supinit", _supctl_synopsis(),
            (DOCS / "supctl.md").read_text("utf-8"), supinit, table,
        ),
        "supinit.yaml.5": _page(
            table, "the program table of supinit", _literal(["/etc/supinit.yaml"]), reference(), supinit, supctl
        ),
    }  # fmt: skip


def _page(own: tuple[str, int], about: str, synopsis: Iterable[str], text: str, *others: tuple[str, int]) -> str:
    """Return one page. `text` is Markdown. The names and sections of `others` are listed under SEE ALSO."""
    name, section = own
    lines = [
        '.\\" Made by python -m supervisor.cli.manual from the pages in docs/.',
        f'.TH {name.upper()} {section} "" "supinit {__version__}" "supinit"',
        ".SH NAME",
        f"{_typed(name)} \\- {about}",
        ".SH SYNOPSIS",
        *synopsis,
        ".SH DESCRIPTION",
        *body(text),
        ".SH SEE ALSO",
        ",\n".join(f".BR {_typed(other)} ({number})" for other, number in others),
    ]
    return "\n".join(lines) + "\n"


def _joined(first: str, *others: str) -> str:
    """Join pages of docs/: each of the others becomes a section of the first."""
    texts = [(DOCS / f"{name}.md").read_text("utf-8") for name in (first, *others)]
    return "\n".join([texts[0], *(line for text in texts[1:] for line in ("", *_nested(text)))])


def _nested(text: str) -> Iterator[str]:
    """Yield the lines of a page with every heading one level deeper."""
    is_code = False
    for line in text.splitlines():
        is_code ^= line.startswith("```")
        yield f"#{line}" if line.startswith("#") and not is_code else line


def _supinit_synopsis() -> list[str]:
    calls, _, options = USAGE.removeprefix("usage: ").partition("options:\n")
    calls = calls.replace("\n       ", "\n")
    return [*_literal(calls.splitlines()), ".SH OPTIONS", *_literal(textwrap.dedent(options).splitlines())]


def _supctl_synopsis() -> list[str]:
    return _literal(f"supctl [-s SOCKET] [--json] {name}{command.usage}" for name, command in COMMANDS.items())


# ---- Markdown


def body(text: str) -> Iterator[str]:
    """Convert a page from Markdown, without its title."""
    for block in _blocks(text.splitlines()):
        first = block[0]
        if first.startswith("```"):
            yield from _literal(block[1:-1])
        elif first.startswith(("# ", "![")):  # the title, or a picture
            pass
        elif first.startswith("## "):
            yield f".SH {_inline(first[3:] if '`' in first else first[3:].upper())}"
        elif first.startswith("#"):
            yield f".SS {_inline(first.lstrip('# '))}"
        elif first.startswith("|"):
            yield from _table(block)
        elif ITEM.match(first):
            yield from _list(block)
        else:
            yield ".PP"
            yield _line(" ".join(block))


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Split a page at blank lines, except inside code."""
    block: list[str] = []
    for line in lines:
        is_code = bool(block) and block[0].startswith("```")
        if line or is_code:
            block.append(line)
        if block and (line == "```" if is_code else not line or line.startswith("#")):
            yield block
            block = []
    if block:
        yield block


def _list(block: Iterable[str]) -> Iterator[str]:
    items: list[list[str]] = []
    for line in block:
        if match := ITEM.match(line):
            items.append([match[1], line[match.end() :]])
        else:
            items[-1].append(line.strip())
    for mark, *words in items:
        yield ".IP \\(bu 2" if mark == "-" else f".IP {mark} 4"
        yield _line(" ".join(words))


def _table(block: Iterable[str]) -> Iterator[str]:
    """Convert each row to a paragraph with a hanging first cell."""
    headings, _, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block]
    for cells in rows:
        tag, *others = (cell.replace("\\|", "|") for cell in cells)
        pairs = [(heading, cell) for heading, cell in zip(headings[1:], others, strict=True) if cell]
        plain = [cell for heading, cell in pairs if not heading or len(headings) == 2]
        named = [f"{heading}: {cell}" for heading, cell in pairs if heading and len(headings) > 2]
        yield ".TP"
        yield _line(tag)
        yield _line(" ".join((*plain, "; ".join(named))).strip() or "\\&")


# ---- roff


def _literal(lines: Iterable[str]) -> list[str]:
    return [".PP", ".RS 4", ".EX", *(_guard(_typed(line)) for line in lines), ".EE", ".RE"]


def _line(text: str) -> str:
    return _guard(_inline(text))


def _inline(text: str) -> str:
    parts: list[str] = []
    end = 0
    for match in INLINE.finditer(text):
        parts.append(_prose(text[end : match.start()]))
        end = match.end()
        kind, inner = match.lastgroup, match[match.lastgroup or 0]
        match kind:
            case "code":
                parts.append(f"\\fB{_typed(inner)}\\fR")
            case "link":
                parts.append(_inline(inner))
            case _:
                parts.append(f"\\f{'B' if kind == 'bold' else 'I'}{_inline(inner)}\\fR")
    return "".join((*parts, _prose(text[end:])))


def _prose(text: str) -> str:
    return _named(text.replace("\\", "\\e"))


def _typed(text: str) -> str:
    return _named("".join(LITERAL.get(character, character) for character in text))


def _named(text: str) -> str:
    """Escape characters that are not ASCII, so that the page does not depend on an encoding."""
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)


def _guard(line: str) -> str:
    """Prevent a line from being read as a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
