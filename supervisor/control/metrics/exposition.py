"""Metrics as text: the Prometheus text format 0.0.4 and OpenMetrics 1.0.

prometheus_client would bring HTTP servers and TLS along, 9.5 MB that PID 1 kept for good (decision 36). The tests read
everything back with its parsers.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

END = b"# EOF\n"
"""The end of OpenMetrics."""
_SUFFIXES = {"counter": "_total", "info": "_info"}


class Format(Record):
    content_type: str
    is_open: bool
    """Whether it is OpenMetrics."""


TEXT = Format("text/plain; version=0.0.4; charset=utf-8", False)
OPENMETRICS = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", True)


def choose_format(accept: str) -> Format:
    """Return OpenMetrics where the client names it at all, else Prometheus text."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return OPENMETRICS if OPENMETRICS.content_type.partition(";")[0] in kinds else TEXT


class Family:
    """One metric with its samples. `name` has no suffix; `kind` is counter, gauge, histogram or info."""

    def __init__(self, kind: str, name: str, documentation: str, labels: Sequence[str] = ()) -> None:
        self.kind = kind
        self.name = name
        self._documentation = documentation
        self._labels = labels
        self._samples: list[tuple[str, str, float]] = []
        """The suffix of the name, the labels as text, and the value."""

    def add(self, labels: Sequence[str], value: float) -> Family:
        """Add a sample with values for the labels, and return the family."""
        self._samples.append((_SUFFIXES.get(self.kind, ""), _labels(zip(self._labels, labels, strict=True)), value))
        return self

    def add_info(self, labels: Mapping[str, str]) -> Family:
        """Add the one sample of an info metric, which consists of labels."""
        self._samples.append(("_info", _labels(labels.items()), 1.0))
        return self

    def add_histogram(
        self, labels: Sequence[str], bounds: Sequence[float], counts: Sequence[int], total: float
    ) -> Family:
        """Add a histogram: the number of values between each bound and the one before; the last count is the rest."""
        pairs = tuple(zip(self._labels, labels, strict=True))
        counted = list(accumulate(counts))
        for bound, count in zip((*(str(bound) for bound in bounds), "+Inf"), counted, strict=True):
            self._samples.append(("_bucket", _labels((*pairs, ("le", bound))), count))
        self._samples.append(("_count", _labels(pairs), counted[-1]))
        self._samples.append(("_sum", _labels(pairs), total))
        return self

    def encode(self, format_: Format) -> bytes:
        """Return the metric as lines of text."""
        return "".join(f"{line}\n" for line in self._lines(format_.is_open)).encode()

    def _lines(self, is_open: bool) -> Iterator[str]:
        name, kind = self.name, self.kind
        if not is_open and kind in _SUFFIXES:
            name, kind = self.name + _SUFFIXES[kind], "gauge" if kind == "info" else kind
        text = self._documentation.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} {kind}"
        for suffix, labels, value in self._samples:
            yield f"{self.name}{suffix}{labels} {float(value)!r}"


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    text = ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(pairs))
    return f"{{{text}}}" if text else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
