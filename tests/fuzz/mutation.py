"""The corpus, and what is made of it."""

from __future__ import annotations

import random
import re
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
MOST = 64 * 1024
"""Bytes of an input."""
_WORD = re.compile(rb"[\w.$%{}/-]{1,20}|[^\w\s]{1,3}")
_NASTY = (
    b"\0", b"\xff", b"\xc3", b"\r\n", b"\r\n\r\n", b"\n", b"\x1b", b"%(", b"%(a)s", b"${", b"$$", b"&a ", b"*a",
    b"<<: *a", b"!!python/object:x", b"[" * 60, b"{" * 60, b"-1", b"99999999999999999999", b"1e999", b")", b") (",
    b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"'", b'"', b"\\", b" ", b"\t", b"#", b"=", b":", b"x" * 5000,
)  # fmt: skip


def corpus_of(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def mutate(seeds: list[bytes], chance: random.Random) -> bytes:
    """Return one of the inputs, changed in a few places."""
    data = bytearray(chance.choice(seeds))
    words = _WORD.findall(chance.choice(seeds)) or [b""]
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.choice((0, 1, 4, 40)))
        match chance.randrange(7):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:end] = chance.choice(_NASTY)
            case 2:
                data[at:end] = chance.choice(words)
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 100))
            case 4 if data:
                data[min(at, len(data) - 1)] = chance.randrange(256)
            case 5:
                other = chance.choice(seeds)
                data[at:] = other[chance.randint(0, len(other)) :]
            case _:
                lines = data.split(b"\n")
                chance.shuffle(lines)
                data = bytearray(b"\n".join(lines))
    return bytes(data[:MOST])
