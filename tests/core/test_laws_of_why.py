"""The law of explanations, over random walks."""

from __future__ import annotations

import pytest

from supervisor.core.snapshot import project

from .test_laws_of_the_fleet import SEEDS, walk
from .test_why import explain


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_that_is_not_up_is_explained_and_nothing_else(seed: int) -> None:
    for world in walk(seed):
        for instance, view in project(world.plan, world.fleet).instances.items():
            explanation = explain(world, *instance)
            has_failed_run = view.awaits_run and view.reason is not None
            assert (explanation is None) == (view.is_fine and not has_failed_run)
            if explanation is not None:
                assert explanation.causes[0] == instance
                assert all(sentence.endswith(".") and ".." not in sentence for sentence in explanation.sentences)
