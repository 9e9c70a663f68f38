"""The pure core: every decision about programs and the container is made here.

In come a plan, the current state, events and the time; out go the next state and the actions to carry out.
There is no clock, process, file, log, asyncio or random number in here; the engine carries out what the core decides.
lifecycle.py (one instance) and fleet.py (all of them) tell how it works.
"""
