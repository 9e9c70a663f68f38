"""held.py NAME JOURNAL RELEASE [CODE]: write "begun NAME" into JOURNAL, "done NAME" once RELEASE is there."""

import sys
import time
from pathlib import Path

name, journal, release = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
code = int(sys.argv[4]) if len(sys.argv) > 4 else 0


def write(word: str) -> None:
    with journal.open("a") as file:
        file.write(f"{word} {name}\n")


write("begun")
while not release.exists():
    time.sleep(0.005)
write("failed" if code else "done")
sys.exit(code)
