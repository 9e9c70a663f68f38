"""The pure core: it decides. No clock, process, file, log, asyncio or random number in here."""
