"""Mutation testing: small faults are put into supervisor/core, and the tests of the core have to notice them.

`python -m tests.mutation --mutants 600` tries a random sample, and prints the mutants that survive and the score. With
the same `--seed` and the same code, the sample is the same. CI does not run it.

A mutant exists only in the memory of a forked process, so nothing is written to the work tree, and it costs a fraction
of a second: pytest, the modules and the tests are loaded once, and of each test it is known which functions it calls
and how long it takes. The random walks over whole fleets (tests/core/test_laws*) take part with `--laws` only.

What is not changed:

- texts, since most of them are for people. What is chosen in a text is changed.
- constants and defaults that are plain numbers, such as a limit in seconds: a test could only repeat them
- what type checkers read (TYPE_CHECKING, aliases, annotations, assert, assert_never), `__repr__`, `__slots__`, enums
- what reads the same after the change

Other tools, tried in November 2026: mutmut 3 changes only code inside functions, so no default of a record. It writes
every mutant of the package to a directory in the work tree before it runs the first one (rolling.py becomes 19,769
lines), and takes no random sample. cosmic-ray writes each mutant into the work tree, and starts pytest anew for it,
which takes 4 s of CPU here before the first test runs.
"""
