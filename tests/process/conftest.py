from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from .adoption import adopting as adopting
from .nursery import Nursery


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(params=["posix_spawn", "fork"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return fields of a Launch that select one of the spawner's two ways and change nothing else."""
    return {"nice": os.getpriority(os.PRIO_PROCESS, 0)} if request.param == "fork" else {}
