"""Take docs/web.webp, docs/web-phone.webp and docs/top.svg: `python docs/pictures.py`, as root, with Chromium.

Runs a table as PID 1 of a PID namespace, and takes pictures of the web page and of `supctl top`. docs/screenshot.py
does the same for `supctl status`.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
BIN = Path(sys.executable).parent
ADDRESS = "127.0.0.1:9465"
HISTORY = 75
"""Seconds that the page is open before its picture is taken, so that its charts have something to show."""

TABLE = r"""
supervisor:
  run_dir: {0}/run
  revision: 4f2c91e
  web: {{listen: "127.0.0.1:9465", token: {{file: {0}/token}}}}
programs:
  migrate: {{command: [sh, -c, "sleep 0.3; echo 12 migrations applied"], type: oneshot}}
  postgres: {{command: [{1}, -c, "import time; x = bytearray(40 << 20); time.sleep(1e9)"]}}
  redis: {{command: [sleep, infinity]}}
  app:
    command:
      - {1}
      - -uc
      - |
        import random, time
        while True:
            time.sleep(random.expovariate(3))
            end = time.monotonic() + random.random() * 0.03
            while time.monotonic() < end: pass
            print(random.choice(["GET /orders 200", "GET /orders/17 200", "POST /orders 201", "GET /app.css 304"]))
    scale: 2
    depends_on: {{migrate: {{condition: completed}}, postgres: {{condition: started}}, redis: {{condition: started}}}}
    healthcheck: {{test: ["CMD", "true"], interval: 5s}}
  nginx: {{command: [sleep, infinity], depends_on: {{app: {{condition: healthy}}}}}}
  worker: {{command: [sleep, infinity], depends_on: [redis, postgres]}}
  backup:
    command: [sh, -c, "sleep 2; echo backup written"]
    type: oneshot
    schedule: {{interval: 20s}}
    depends_on: [postgres]
  mailer:
    command: [sh, -c, "echo cannot reach the SMTP server at smtp.example.com:25 >&2; sleep 1.5; exit 3"]
    shutdown_on: never
    start_retries: null
    restart_delay: {{max: 15s}}
  exporter:
    command: [sleep, infinity]
    healthcheck:
      {{test: ["CMD", "sh", "-c", "echo HTTP 500 from :9100; exit 1"], interval: 10s, retries: 2}}
    ready: {{timeout: 1h}}
    shutdown_on: never
  reports: {{command: [sleep, infinity], depends_on: {{exporter: {{condition: healthy}}}}, shutdown_on: never}}
  console: {{command: [sleep, infinity], autostart: false}}
"""


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        (Path(folder) / "token").write_text("token")
        (Path(folder) / "supinit.yaml").write_text(TABLE.format(folder, sys.executable))
        init = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(BIN / "supinit")]
        with subprocess.Popen(
            [*init, "-c", f"{folder}/supinit.yaml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as container:
            socket = f"{folder}/run/control.sock"
            try:
                wait_for(Path(socket))
                take_page(Path(folder))
                pid = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()[0]
                inside = ["nsenter", "--target", pid, "--pid", "--mount"]
                subprocess.run([*inside, sys.executable, __file__, "top", socket], check=True)
            finally:
                subprocess.run([BIN / "supctl", "-s", socket, "shutdown"], capture_output=True)
                container.wait(30)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > until:
            raise SystemExit(f"cannot take pictures: {path} did not come within 20 s")
        time.sleep(0.1)


def take_page(folder: Path) -> None:
    """Take the page, at a desk in the light and on a phone in the dark."""
    from integration.browser import Browser

    with Browser(folder / "profile", 1280, 900) as browser:
        browser.open(f"http://{ADDRESS}/")
        browser.await_text("#rows", "mailer", "exporter")
        time.sleep(HISTORY)
        browser.press("#rows button", "mailer")
        browser.await_text("#lines", "cannot reach the SMTP server")
        browser.await_text("#why", "BACKOFF")
        browser.screenshot(FOLDER / "web.webp", whole=True, format="webp", quality=80)
        browser.resize(390, 844, dark=True)
        browser.run("scrollTo(0, 0)")
        time.sleep(1)
        browser.screenshot(FOLDER / "web-phone.webp", format="webp", quality=80)


async def take_top(socket: str) -> None:
    from supervisor.cli.ctl.top_screen import Top

    app = Top(socket, ())
    async with app.run_test(size=(126, 30)) as pilot:
        await asyncio.sleep(4)
        await pilot.press("down", "down", "down", "p", "l")
        await asyncio.sleep(4)
        picture = app.export_screenshot(title="supctl top")
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # they would be fetched from elsewhere
    picture = picture.replace("Fira Code", "ui-monospace,Menlo,Consolas,DejaVu Sans Mono")
    (FOLDER / "top.svg").write_text("\n".join(line.rstrip() for line in picture.splitlines() if line.strip()) + "\n")


if __name__ == "__main__":
    signal.alarm(240)
    if sys.argv[1:2] == ["top"]:
        asyncio.run(take_top(sys.argv[2]))
    else:
        main()
