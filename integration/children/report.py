"""Print everything about this process that a table can set, as one JSON line."""

import json
import os
import resource
import signal
import sys
from pathlib import Path

OTHERS = sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ, 32, 33))
"""Ignored by Python itself, and by posix_spawn(3) of glibc, which keeps 32 and 33 to itself."""

status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
umask = os.umask(0)
os.umask(umask)
facts = {
    "uid": os.getresuid(),
    "gid": os.getresgid(),
    "groups": sorted(os.getgroups()),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "umask": f"{umask:03o}",
    "directory": os.getcwd(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
    "environment": dict(os.environ),
    "session": os.getsid(0) == os.getpid(),
    "group": os.getpgid(0) == os.getpid(),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
    "stdin": os.readlink("/proc/self/fd/0"),
    "blocked": int(status["SigBlk"], 16),
    "ignored": int(status["SigIgn"], 16) & ~OTHERS,
}
print(json.dumps(facts))
sys.exit(0)
