"""Run the chaos once and print what was found; exit 1 if an invariant was broken."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from integration.chaos.trial import Trial


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m integration.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", action="store_true", help="keep the folder with the table and the log")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="supinit-chaos-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    report = Trial(options.seed, folder).run(options.seconds)
    print(report)
    if not options.keep and not report.broken:
        shutil.rmtree(folder)
    return bool(report.broken)


if __name__ == "__main__":
    sys.exit(main())
