"""Run each target for some seconds with mutated inputs. Exit 1, with the input in the corpus, if one broke."""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback

from .mutation import CORPUS, corpus_of, mutate
from .targets import Fuzz, fuzzing

SLOW = 5.0
"""Seconds of CPU that no input may take."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="names of targets; none: all")
    parser.add_argument("--seconds", type=float, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    options = parser.parse_args()
    broken = 0
    print(f"seed {options.seed}", flush=True)
    with fuzzing() as fuzz:
        for target in options.targets or fuzz.targets:
            broken += run(fuzz, target, options.seconds, random.Random(f"{options.seed} {target}"))
    return bool(broken)


def run(fuzz: Fuzz, target: str, seconds: float, chance: random.Random) -> int:
    """Return how many inputs broke the target; it is given up after the first."""
    seeds, act = corpus_of(target), fuzz.targets[target]
    end, count, slowest = time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < end:
        data = mutate(seeds, chance)
        began = time.process_time()
        try:
            act(data)
            took = time.process_time() - began
            assert took < SLOW, f"it took {took:.1f} s of CPU"
        except Exception:
            path = CORPUS / target / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            traceback.print_exc()
            print(f"{target}: broken by {path}", flush=True)
            return 1
        count, slowest = count + 1, max(slowest, took)
    print(f"{target}: {count} inputs, the slowest took {slowest * 1000:.0f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
