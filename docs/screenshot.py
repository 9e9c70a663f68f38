"""Draw docs/status.svg, the screenshot of the front page: `python docs/screenshot.py`, as root.

Runs a table with nginx and uWSGI as PID 1 of a PID namespace, and draws what `supctl status` prints on a terminal.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).parent / "status.svg"
BIN = Path(sys.executable).parent
ROWS, COLUMNS = 24, 112
LINE, CHARACTER, MARGIN = 19, 7.83, 16
COLORS = {"31": "#f85149", "32": "#3fb950", "33": "#d29922", "1": "#ffffff"}
STYLE = "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#c9d1d9;white-space:pre}"
COLORED = re.compile(r"\x1b\[(\d*)m([^\x1b]*)")

TABLE = """\
supervisor: {{run_dir: {0}/run}}
programs:
  migrate: {{command: ["true"], type: oneshot}}
  uwsgi:
    command: >-
      uwsgi --plugin python3 --master --need-app --wsgi-file {0}/app.py --socket {0}/app.sock --chmod-socket=666
    preset: uwsgi
    depends_on: {{migrate: {{condition: completed}}}}
    healthcheck: {{unix: {0}/app.sock, interval: 1s}}
  nginx:
    command: [nginx, -c, {0}/nginx.conf, -e, stderr, -g, "daemon off;"]
    preset: nginx
    depends_on: {{uwsgi: {{condition: healthy}}}}
    healthcheck: {{http: {{url: "http://127.0.0.1:8099/"}}, interval: 1s}}
  worker:
    command: [sleep, infinity]
    scale: 2
    depends_on: {{migrate: {{condition: completed}}}}
  mailer:
    command: [sh, -c, "echo cannot reach the SMTP server; exit 3"]
    restart: "no"
    shutdown_on: never
"""
APP = """\
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
NGINX = """\
pid {0}/nginx.pid;
events {{}}
http {{
  access_log off;
  server {{ listen 127.0.0.1:8099; location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass unix:{0}/app.sock; }} }}
}}
"""


def status() -> str:
    """Run the table until everything is healthy, and return what `supctl status` prints on a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name, text in (("supinit.yaml", TABLE), ("app.py", APP), ("nginx.conf", NGINX)):
            (Path(folder) / name).write_text(text.format(folder) if name != "app.py" else text)
        init = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(BIN / "supinit")]
        with subprocess.Popen([*init, "-c", f"{folder}/supinit.yaml"], stderr=subprocess.PIPE) as container:
            supctl = [str(BIN / "supctl"), "-s", f"{folder}/run/control.sock"]
            try:
                until = time.monotonic() + 20
                while subprocess.run([*supctl, "healthcheck"], capture_output=True).returncode:
                    if time.monotonic() > until:
                        raise SystemExit("cannot draw: the programs did not become healthy within 20 s")
                    time.sleep(0.1)
                time.sleep(2)  # so that CPU time is more than nothing
                return on_a_terminal([*supctl, "status"])
            finally:
                subprocess.run([*supctl, "shutdown"], capture_output=True)
                container.wait(20)


def on_a_terminal(command: list[str]) -> str:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", f'stty rows {ROWS} cols {COLUMNS}; exec "$@"', "sh", *command])
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:
        pass  # the terminal is closed when its last process has ended
    os.waitpid(pid, 0)
    return shown.decode()


def svg(text: str) -> str:
    """Draw lines with colours (SGR) as a terminal shows them."""
    lines = ["$ supctl status", *text.replace("\r", "").splitlines()]
    width = round(max(len(COLORED.sub(r"\2", line)) for line in lines) * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN - 4
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">',
        "<title>supctl status: nginx and uWSGI are healthy, two workers run, the mailer has failed</title>",
        f'<style>{STYLE}</style><rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
    ]
    for number, line in enumerate(lines):
        spans = COLORED.sub(lambda m: f"\0{m[1]}\1{m[2]}\0", line).split("\0")
        parts = [part.partition("\1") if "\1" in part else ("", "", part) for part in spans]
        cells = "".join(
            f'<tspan fill="{COLORS[code]}">{escape(words)}</tspan>' if code in COLORS else escape(words)
            for code, _, words in parts
            if words
        )
        length = round(len(COLORED.sub(r"\2", line)) * CHARACTER, 1)
        place = f'x="{MARGIN}" y="{MARGIN + 10 + number * LINE}" textLength="{length}"'
        drawn.append(f'<text {place} xml:space="preserve">{cells}</text>')
    return "\n".join([*drawn, "</svg>\n"])


if __name__ == "__main__":
    signal.alarm(60)
    PICTURE.write_text(svg(status()))
