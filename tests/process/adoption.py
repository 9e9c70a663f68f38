"""A fixture that makes a test adopt the orphans of its processes, as supinit does."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from supervisor.process.subreaper import PR_SET_CHILD_SUBREAPER, become_subreaper

from .nursery import bury_everything


@pytest.fixture
def adopting() -> Iterator[None]:
    assert become_subreaper()
    bury_everything()  # as PID 1, pytest has adopted the orphans of other tests
    try:
        yield
    finally:
        bury_everything()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
