"""notifying.py RELEASE: a program that speaks sd_notify(3) over the raw socket.

It says how it is getting on, READY=1 once the file RELEASE is there, STOPPING=1 on SIGTERM. Before that it sends what
nobody should be troubled by: empty, long, binary and unknown datagrams, and descriptors.
"""

import array
import os
import signal
import socket
import sys
import time

address = os.environ["NOTIFY_SOCKET"]
out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
out.connect("\0" + address[1:] if address.startswith("@") else address)
for odd in (b"", b"\n", b"=", b"READY=0", b"READY=1\xff", b"ready=1", b"X" * 60_000, b"MAINPID=abc", b"WATCHDOG=2"):
    out.send(odd)
out.sendmsg([b"FDSTORE=1\nFDNAME=x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
out.send(b"STATUS=loading the model")
print("loading", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.005)
out.send(b"STATUS=serving 3 clients\nREADY=1")
signal.sigwait({signal.SIGTERM})
out.send(b"STOPPING=1\nSTATUS=saying goodbye")
