"""Make mutants of supervisor/core, run its tests against each, and print those that no test notices."""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter

from .running import Result, Server, core_modules, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--mutants", type=int, metavar="N", help="a random sample of so many; default: all of them")
    parser.add_argument("--module", action="append", metavar="core/X.py", help="may be repeated; default: all of core/")
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="default: tests/core without the random walks")
    parser.add_argument("--laws", action="store_true", help="include the random walks, tests/core/test_laws*")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--limit", type=float, default=3.0, metavar="SECONDS", help="CPU of the tests for one mutant")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--verbose", action="store_true", help="print the killed mutants, too, each with the test")
    options = parser.parse_args()
    modules = [f"supervisor/{path}" for path in options.module or ()] or core_modules()

    def show(result: Result) -> None:
        if result.verdict == "survived" or options.verbose:
            mutant = result.mutant
            print(f"{mutant.path}:{mutant.line}: {result.verdict} {result.killer}".rstrip(), flush=True)
            print("\n".join(f"    {line}" for line in mutant.diff().splitlines()), flush=True)

    print(f"seed {options.seed}", flush=True)
    server = Server(modules, options.mutants, random.Random(options.seed), options.limit, options.jobs, show)
    tests = options.tests or ["tests/core", *([] if options.laws else ["--ignore-glob=*/test_laws*"])]
    code = serve(server, tests)
    if not server.results:
        return code or 1
    print_score(server)
    return 0


def print_score(server: Server) -> None:
    by_module: dict[str, Counter[str]] = {}
    for result in server.results:
        by_module.setdefault(result.mutant.path, Counter())[result.verdict] += 1
    for path, counts in by_module.items():
        if counts["survived"]:
            print(f"{path}: {counts.total() - counts['survived']} of {counts.total()} killed")
    count = Counter(result.verdict for result in server.results)
    killed = count.total() - count["survived"]
    seconds = sum(result.seconds for result in server.results) / count.total()
    print(f"{count.total()} of {server.total} mutants, {seconds:.2f} s of CPU each; {count['timed out']} timed out")
    print(f"score: {100 * killed / count.total():.1f} % ({killed} of {count.total()})")


if __name__ == "__main__":
    sys.exit(main())
