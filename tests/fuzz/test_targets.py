"""The corpus, what hypothesis makes of it, and inputs that are meant to be too much."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .mutation import CORPUS, corpus_of, mutate
from .targets import Fuzz, fuzzing

TARGETS = sorted(path.name for path in CORPUS.iterdir())
QUICKLY = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Fuzz]:
    with fuzzing() as fuzz:
        yield fuzz


def test_every_target_has_a_corpus(fuzz: Fuzz) -> None:
    assert sorted(fuzz.targets) == TARGETS
    assert all(corpus_of(target) for target in TARGETS)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_corpus_breaks_nothing(fuzz: Fuzz, path: Path) -> None:
    fuzz.targets[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_and_any_mutation_break_nothing(fuzz: Fuzz, target: str) -> None:
    seeds = corpus_of(target)
    mutations = st.integers(0, 2**32).map(lambda seed: mutate(seeds, random.Random(seed)))

    @QUICKLY
    @given(st.one_of(mutations, mutations, st.binary(max_size=200)))
    def check(data: bytes) -> None:
        fuzz.targets[target](data)

    check()


HUGE: dict[str, tuple[str, bytes]] = {
    "alias bomb": (
        "table",
        b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)),
    ),
    "deep nesting": ("table", b"programs: " + b"[" * 100_000),
    "deep mapping": ("table", b"{a: " * 20_000),
    "huge scalar": ("table", b"programs: {web: {command: " + b"x" * 4_000_000 + b"}}"),
    "many keys": ("table", b"programs:\n" + b"".join(b"  p%d: {command: x}\n" % number for number in range(10_000))),
    "long line": ("output", b"x" * 3_000_000),
    "many lines": ("output", b"\n" * 100_000),
    "many sections": ("supervisord", b"".join(b"[program:p%d]\ncommand=x\n" % number for number in range(1_000))),
    "many variables": ("env-file", b"".join(b"V%d=$V%d$V%d\n" % (n + 1, n, n) for n in range(1_000))),
    "many headers": ("request", b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 50_000 + b"\r\n"),
    "many fields": ("notify", b"STATUS=x\n" * 50_000),
    "chunks": ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_too_much_takes_bounded_time(fuzz: Fuzz, name: str) -> None:
    target, data = HUGE[name]
    began = time.process_time()
    fuzz.targets[target](data)
    assert time.process_time() - began < 15  # a few seconds at most on a quiet machine


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_as_the_table_takes_bounded_time(tmp_path: Path, path: str) -> None:
    from supervisor.config.load import load
    from supervisor.errors import ConfigError

    began = time.process_time()
    try:
        load(path, {})
    except ConfigError as error:
        assert error.problems
    assert time.process_time() - began < 15
