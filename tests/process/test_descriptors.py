"""supinit has all the descriptors that it may have, and its children what they would have had without it."""

from __future__ import annotations

import os
import resource
from typing import Any

import pytest

from supervisor.core.program import Limit
from supervisor.process.descriptors import InheritedLimit, raise_limit, shortage

from .nursery import Nursery, elsewhere

NOFILE = resource.RLIMIT_NOFILE


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    def act() -> tuple[int | None, tuple[int, int], int | None]:
        resource.setrlimit(NOFILE, (300, 700))
        return raise_limit(), resource.getrlimit(NOFILE), raise_limit()

    assert elsewhere(act) == (300, (700, 700), None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, "400"), ({"nice": 1}, "400"), ({"ulimits": (Limit("nofile", 350, 600),)}, "350")],
    ids=["posix_spawn", "fork", "ulimits"],
)
def test_a_child_gets_the_inherited_limit_unless_it_has_its_own(
    nursery: Nursery, fields: dict[str, Any], expected: str
) -> None:
    before = resource.getrlimit(NOFILE)
    assert nursery.output("sh", "-c", "ulimit -Sn", nofile=400, **fields) == f"{expected}\n"
    assert resource.getrlimit(NOFILE) == before


def test_a_child_is_started_with_more_descriptors_open_than_it_may_have(nursery: Nursery) -> None:
    spare = [os.dup(nursery.null) for _ in range(300)]
    try:
        high = {"stdin": spare[-1]}
        assert nursery.output("sh", "-c", "ulimit -Sn", nofile=64, **high) == "64\n"
    finally:
        for descriptor in spare:
            os.close(descriptor)


def test_the_limit_is_back_after_a_start_that_failed() -> None:
    def act() -> tuple[int, int]:
        resource.setrlimit(NOFILE, (700, 700))
        try:
            with InheritedLimit(300):
                raise LookupError
        except LookupError:
            return resource.getrlimit(NOFILE)

    assert elsewhere(act) == (700, 700)


@pytest.mark.parametrize("limit", [256, 1024], ids=["a quarter", "the reserve"])
def test_there_is_a_shortage_when_only_the_reserve_is_left(limit: int) -> None:
    def act() -> tuple[int, str | None]:
        resource.setrlimit(NOFILE, (limit, limit))
        null = os.open("/dev/null", os.O_RDONLY)
        last = null
        while shortage() is None:
            last = os.dup(null)
        return last + 1, shortage()

    taken, reason = elsewhere(act)
    assert taken == limit - min(128, limit // 4)
    assert reason == f"all of supinit's {limit} file descriptors are in use: raise the container's hard limit nofile"


def test_without_any_descriptor_left_there_is_a_shortage() -> None:
    def act() -> bool:
        resource.setrlimit(NOFILE, (64, 64))
        try:
            while True:
                os.dup(0)
        except OSError:
            return shortage() is not None

    assert elsewhere(act)
