"""health.py KIND PLACE: answer a health check of that kind. SIGUSR1 makes it fail, SIGUSR2 makes it pass again.

It is a listening socket (tcp: PLACE is a port, unix: a path) that is closed when sick, or an HTTP server that says 503.
"""

import http.server
import os
import signal
import socket
import sys
import threading

kind, place = sys.argv[1:3]
signals = {signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)


def listen() -> socket.socket:
    if kind == "unix":
        if os.path.exists(place):
            os.unlink(place)
        server = socket.socket(socket.AF_UNIX)
        server.bind(place)
    else:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", int(place)))
    server.listen(64)
    return server


class Answer(http.server.BaseHTTPRequestHandler):
    code = 200

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if kind == "http":
    web = http.server.ThreadingHTTPServer(("127.0.0.1", int(place)), Answer)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    server = None
else:
    server = listen()
print(f"ready (pid {os.getpid()})", flush=True)
while True:
    number = signal.sigwait(signals)
    Answer.code = 503 if number == signal.SIGUSR1 else 200
    if server is not None and number == signal.SIGUSR1:
        server.close()
    elif kind != "http":
        server = listen()
    print("sick" if number == signal.SIGUSR1 else "well", flush=True)
