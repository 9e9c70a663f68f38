"""A hundred programs of every kind survive what is done to them at random (python -m integration.chaos)."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from integration.chaos.trial import Trial
from integration.conftest import Measured

SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("namespaces")
def test_no_invariant_is_broken(measured: Measured) -> None:
    """Every run has a new seed. CHAOS_SEED repeats one."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    folder = Path(tempfile.mkdtemp(prefix="supinit-chaos-"))  # short, for a socket is in it
    try:
        report = Trial(seed, folder).run(SECONDS)
    finally:
        shutil.rmtree(folder)
    measured(f"chaos (CHAOS_SEED={seed} repeats it)\n{report}")
    assert report.broken == [], str(report)
