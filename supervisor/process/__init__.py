"""Processes: starting, reaping, signalling and sweeping them, and what /proc says about them.

Owns every fork and every wait; no other package calls either. In: what to start (`Launch`), pids, signals. Out: deaths
with their owners (`Children.reap`), the process tree, and SpawnError with a sentence for the operator.
"""
