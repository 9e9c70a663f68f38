"""A daemon that forks twice. Its arguments, NAME=VALUE, say what it does otherwise."""

import os
import signal
import sys
import time

given = dict(word.partition("=")[::2] for word in sys.argv[1:])


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def note_pid() -> None:
    if "pidfile" in given:
        path = given["pidfile"]
        with open(path + ".new", "w") as file:
            file.write(given.get("pid") or f"{os.getpid()}\n")
        os.rename(path + ".new", path)


def end(text: str, code: int) -> None:
    say(text)
    os._exit(code)


if os.fork():
    os._exit(0)
os.setsid()
time.sleep(float(given.get("slow", 0)))
if os.fork():
    os._exit(0)
time.sleep(float(given.get("late", 0)))
signal.signal(signal.SIGTERM, lambda *_: end("daemon stops", 0))
signal.signal(signal.SIGUSR1, lambda *_: end("first ends", 0))
note_pid()
if "ends" in given:
    time.sleep(float(given["ends"]))
    end("daemon ends", 7)
say("daemon runs")
if "successor" in given:
    time.sleep(float(given["successor"]))
    if os.fork() == 0:
        note_pid()
        say("successor runs")
while True:
    signal.pause()
