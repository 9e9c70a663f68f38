"""The text of a source file."""

from __future__ import annotations

from supervisor.config.source import read_file
from supervisor.convert.findings import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.findings import Findings


def decode(data: bytes, file: str, findings: Findings) -> str | None:
    """Return the text, or None after reporting that it is not UTF-8 or contains a NUL byte."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Location(file, data[: error.start].count(b"\n") + 1)
        findings.problem(place, f"cannot be read as UTF-8: byte 0x{data[error.start]:02x}")
        return None
    if "\0" in text:
        findings.problem(Location(file, text[: text.index("\0")].count("\n") + 1), "cannot hold a NUL byte")
        return None
    return text


def read_text(path: str, findings: Findings) -> str | None:
    """Read a file and return its text, as `decode` does. Raises OSError."""
    return decode(read_file(path), path, findings)
