"""A hundred programs of every kind, killed, stopped, restarted and replaced at random, while invariants are checked.

`python -m integration.chaos --seconds 300 --seed 7` is one run. The seed decides the table, and what each thread does
in which order; when the kernel does its part is not in its power.
"""
