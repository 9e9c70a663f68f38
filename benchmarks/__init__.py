"""supinit beside what a user would pick instead, in turn within one run: `python -m benchmarks`."""
