"""Write a greeting to stdout and a complaint in JSON to stderr, ten times a second. Only SIGTERM ends it."""

import signal
import sys
import time

for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
while True:
    print("hello")
    print('{"level": "error", "msg": "nobody answers"}', file=sys.stderr)
    time.sleep(0.1)
