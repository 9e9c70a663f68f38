"""A celery application with one task, which reports its beginning, waits to be released, and reports its end.

As a program it puts that task into the queue: queue_tasks.py BEGUN RELEASE DONE, three paths.
"""

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

celery: Any = importlib.import_module("celery")
signals: Any = importlib.import_module("celery.signals")
app = celery.Celery("queue_tasks", broker=os.environ["QUEUE_URL"])
app.conf.broker_connection_retry_on_startup = True


def hold(begun: str, release: str, done: str) -> None:
    Path(begun).touch()
    while not Path(release).exists():
        time.sleep(0.01)
    Path(done).touch()


def mark_ready(**_: object) -> None:
    Path(os.environ["WORKER_MARKER"]).touch()


hold_task = app.task(name="hold")(hold)
signals.worker_ready.connect(mark_ready)
if __name__ == "__main__":
    hold_task.delay(*sys.argv[1:4])
