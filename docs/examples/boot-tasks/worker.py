"""A worker that does one job after the other from a list in redis, and touches its marker while the queue answers."""

import os
import pathlib
import signal
import socket
import sys

PATIENCE = 1  # seconds for which one question waits for a job, and a stop for an idle worker
QUEUE = "jobs"
marker = pathlib.Path(os.environ["WORKER_MARKER"])
ending = False


def end(*_):
    """Remember that this job is the last one."""
    global ending
    ending = True


def read_answer(stream):
    """Read one answer of redis (RESP): a text, a list of texts, or None."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        sys.exit("the queue has hung up")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        sys.exit(f"the queue refuses: {rest.decode()}")
    if kind == b"$" and rest != b"-1":
        return stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*" and rest != b"-1":
        return [read_answer(stream) for _ in range(int(rest))]
    return rest.decode() if kind in b"+:" else None


def next_job(connection, stream):
    """Wait for a job, for a while; any answer is a sign of life."""
    connection.sendall(f"BLPOP {QUEUE} {PATIENCE}\r\n".encode())
    answer = read_answer(stream)
    marker.touch()
    return answer and answer[1]


def work(connection):
    """Work until a signal says that it is enough."""
    stream = connection.makefile("rb")
    connection.sendall(b"PING\r\n")
    read_answer(stream)
    marker.touch()
    print("connected to the queue")
    while not ending:
        job = next_job(connection, stream)
        if job is not None:
            print(f"done: {job}")


signal.signal(signal.SIGTERM, end)
host, _, port = os.environ["QUEUE_ADDRESS"].rpartition(":")
try:
    with socket.create_connection((host, int(port)), timeout=PATIENCE + 5) as queue:
        work(queue)
except OSError as error:
    sys.exit(f"cannot reach the queue at {host}:{port}: {error}")
print("the worker is done")
