"""A client that a load balancer sends: it asks as long as /readyz says so, and tells which requests were lost.

load.py APPLICATION READYZ EXPECTED. Prints "begun" once some requests are answered, and at the end their number and
what went wrong.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request

application, readyz, expected = sys.argv[1:]
answered: list[str] = []
lost: list[str] = []


def is_ready() -> bool:
    try:
        with urllib.request.urlopen(readyz, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ask(path: str) -> None:
    while is_ready():
        try:
            with urllib.request.urlopen(application + path, timeout=15) as response:
                body = response.read().decode()
        except (urllib.error.URLError, OSError) as error:
            lost.append(f"{path}: {error}")
            continue
        (answered if body.endswith(expected) else lost).append(path)
        if len(answered) == 20:
            print("begun", flush=True)


threads = [threading.Thread(target=ask, args=(path,)) for path in ("/", "/", "/", "/slow")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"answered": len(answered), "slow": answered.count("/slow"), "lost": lost}))
