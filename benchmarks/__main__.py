"""The command line: `python -m benchmarks` in a checkout, by the interpreter that supinit is installed for."""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.life import control, growth, idle, orphans, restart, rolling, signals, start_stop
from benchmarks.logs import peers
from benchmarks.logs import subject as logs
from benchmarks.report import Report
from benchmarks.subject import Settings, Subject
from benchmarks.table import json_of, text_of

SUBJECTS: Mapping[str, Subject] = {
    "lifecycle": start_stop.measure,
    "restart": restart.measure,
    "rolling": rolling.measure,
    "orphans": orphans.measure,
    "signals": signals.measure,
    "control": control.measure,
    "idle": idle.measure,
    "growth": growth.measure,
    "logs": logs.measure,
}


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    options = _parser().parse_args()
    if options.install_peers:
        print(f"installed into {peers.install()}")
        return 0
    settings = Settings(options.quick, options.runs, options.peers.resolve())
    reports = []
    for name in options.subject or SUBJECTS:
        reports.append(SUBJECTS[name](settings))
        print(text_of(reports[-1]), flush=True)
    if options.json is not None:
        options.json.write_text(_json(settings, reports))
    regressions = [regression for report in reports for regression in report.regressions]
    if options.guard:
        print(*(f"far off: {regression}" for regression in regressions), sep="\n", file=sys.stderr)
    return 1 if options.guard and regressions else 0


def _json(settings: Settings, reports: list[Report]) -> str:
    facts = {"python": platform.python_version(), "quick": settings.is_quick, "runs": settings.asked_runs}
    return json.dumps(facts | {"reports": [json_of(report) for report in reports]}, indent=1) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="supinit beside its peers, in turn.")
    parser.add_argument("subject", nargs="*", type=_subject, help=f"{', '.join(SUBJECTS)}; all of them, if left out")
    parser.add_argument("--quick", action="store_true", help="smaller amounts")
    parser.add_argument("--runs", type=_count, help="of each contender; default: as many as the subject needs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there as well")
    parser.add_argument("--peers", type=Path, metavar="DIR", default=peers.own_folder(), help="their commands")
    parser.add_argument("--guard", action="store_true", help="end with 1 if a ratio is far from its goal")
    parser.add_argument("--install-peers", action="store_true", help="install those that come from PyPI, and end")
    return parser


def _subject(text: str) -> str:
    if text not in SUBJECTS:
        raise argparse.ArgumentTypeError(f"there is no subject {text}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number of at least 1 is needed")
    return int(text)


def _end(*_: object) -> None:
    """Leave as after Ctrl-C, so that nothing is left that was started."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
