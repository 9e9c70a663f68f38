"""Contenders in turn: each one once, then each one once more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from benchmarks.report import FAILED, Figures, Row


class Failed(Exception):
    """A contender did not do what it was started for."""


class Named(Protocol):
    """Who takes part; with a `gap`, it says why it does not."""

    @property
    def name(self) -> str: ...

    @property
    def gap(self) -> str: ...


AnyContender = TypeVar("AnyContender", bound=Named)


def hold(
    title: str, contenders: Sequence[AnyContender], runs: int, once: Callable[[AnyContender], Figures]
) -> tuple[Row, ...]:
    """Run all contenders in turn, as often as that. One that fails has a remark instead of figures."""
    figures: list[dict[str, list[float]]] = [{} for _ in contenders]
    remarks = [contender.gap for contender in contenders]
    for number in range(runs):
        for index, contender in enumerate(contenders):
            if remarks[index]:
                continue
            print(f"{title}, round {number + 1} of {runs}: {contender.name}", file=sys.stderr, flush=True)
            try:
                for key, value in once(contender).items():
                    figures[index].setdefault(key, []).append(value)
            except (Failed, OSError) as error:
                figures[index] = {}
                remarks[index] = f"{FAILED}{error}"
    return tuple(
        Row(contender.name, {key: tuple(values) for key, values in found.items()}, remark)
        for contender, found, remark in zip(contenders, figures, remarks, strict=True)
    )
