"""A headless Chromium, driven by the DevTools protocol over two pipes: no driver, no port and no library is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from integration.waiting import sleep_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root, Chromium refuses to start with one
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


class Browser:
    """One browser with one page. `profile` is an empty folder of its own."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        assert CHROMIUM is not None
        ends = [*os.pipe(), *os.pipe()]
        # clear of 3 and 4, where Chromium wants its ends
        commands, self._commands, self._answers, answers = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
        for end in ends:
            os.close(end)
        shell = ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash"]  # sh takes only one digit
        arguments = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--crash-dumps-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [*shell, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands, answers),
            start_new_session=True,
            env={**os.environ, "HOME": str(profile), "XDG_CONFIG_HOME": str(profile), "XDG_CACHE_HOME": str(profile)},
        )
        os.close(commands)
        os.close(answers)
        self._data = b""
        self._messages: deque[dict[str, Any]] = deque()
        self._number = 0
        self._session: str | None = None
        self.console: list[str] = []
        """What the page has written to its console, and errors that nobody has caught."""
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self.resize(width, height, dark)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._commands)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        os.close(self._answers)

    # ---- what a person does

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def resize(self, width: int, height: int, dark: bool = False, scale: int = 1) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def press(self, selector: str, text: str = "") -> None:
        """Click on the first element that the selector finds and that has this text, once it is there and visible."""
        words = f"{json.dumps(selector)}, {json.dumps(text)}"
        self.await_true(f"!!({FIND})({words})", f"{selector} {text!r} is there")
        self.run(f"({FIND})({words}).click()")

    def type(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def key(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    # ---- what a person sees

    def run(self, script: str) -> Any:
        """Return the value of an expression, awaited if it is a promise."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Return the visible text of an element; "" if there is none."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def await_true(self, script: str, about: str, limit: float = 20.0) -> None:
        try:
            sleep_until(lambda: self.run(script), limit, about)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text('body')}\n{self.console}") from None

    def await_text(self, selector: str, *parts: str, limit: float = 20.0) -> None:
        script = f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"
        wanted = json.dumps(parts)
        self.await_true(f"(t => {wanted}.every(part => t.includes(part)))({script})", f"{selector} has {parts}", limit)

    def screenshot(self, path: Path, whole: bool = False, **options: Any) -> None:
        if whole:
            options["captureBeyondViewport"] = True
            size = self._call("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", **options)["data"]))

    # ---- the protocol

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None and not method.startswith("Target."):
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + 60
        while True:
            answer = self._receive(until)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._data:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            assert ready, "Chromium does not answer"
            piece = os.read(self._answers, 1 << 20)
            assert piece, f"Chromium has ended ({self._process.poll()})"
            self._data += piece
        line, _, self._data = self._data.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _hear(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.consoleAPICalled":
            self.console.append(str([each.get("value", each.get("description")) for each in parameters["args"]]))
        elif message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Log.entryAdded":
            entry = parameters["entry"]
            self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")


FIND = """(selector, text) => [...document.querySelectorAll(selector)].find(
  (element) => element.checkVisibility() && element.textContent.includes(text))"""
