"""A headless Chromium that a test drives by the protocol of its developer tools, over two pipes.

Pipes need no port and no web socket, and the browser ends with them. What made an earlier test hang on a busy machine
is left out: `--dump-dom --timeout` waits in the browser's own time, which a software renderer stops; here the test
waits for what it needs, by a clock of its own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # of containers, and for root
    "--disable-dev-shm-usage",  # /dev/shm of a container is small
    "--use-gl=angle",
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-pings",
    "--password-store=basic",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

PATIENCE = 240.0
"""Seconds that anything may take on a busy machine."""


class Browser:
    """One page of a browser. complaints: errors of the console, exceptions, and failed loads since it was opened."""

    def __init__(self, profile: Path, size: tuple[int, int] = (1200, 900)) -> None:
        assert CHROMIUM is not None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        def pipes() -> None:
            high = os.dup(to_read), os.dup(to_write)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        words = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", "about:blank"]
        self._process = subprocess.Popen(
            words, preexec_fn=pipes, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._number = b"", 0
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self._session = ""
        page = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers. Raises AssertionError for an error of the protocol or after `PATIENCE`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            found = self._message(end - time.monotonic())
            if found.get("id") == self._number:
                assert "error" not in found, (method, found["error"])
                result: dict[str, Any] = found["result"]
                return result
            self._note(found)

    def _message(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0.0))
            assert ready, f"the browser said nothing for {seconds:.0f} s"
            more = os.read(self._read, 1 << 20)
            assert more, f"the browser has ended ({self._process.poll()})"
            self._buffer += more
        first, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        name, about = event.get("method"), event.get("params", {})
        if name == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif name == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
            self.complaints.append(" ".join(str(a.get("value", a.get("description"))) for a in about["args"]))
        elif name == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url', '')}".strip())

    def open(self, address: str) -> None:
        """Load a page and wait until its own script says that all is drawn (`data-ready` of its body)."""
        self.complaints.clear()
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && Boolean(document.body.dataset.ready)")

    def js(self, expression: str) -> Any:
        """The value of an expression on the page; promises are awaited. Raises AssertionError for an exception."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str, seconds: float = PATIENCE) -> None:
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.js(condition):
            assert time.monotonic() < end, f"not true after {seconds:.0f} s: {condition}; {self.complaints}"
            time.sleep(0.1)

    def move(self, x: float, y: float) -> None:
        """The mouse, to a place of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path: Path, *, whole: bool = True) -> Path:
        """A PNG of the page."""
        shown = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shown["data"]))
        return path

    def close(self) -> None:
        """End the browser and all of its processes."""
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def browser(profile: Path, size: tuple[int, int] = (1200, 900)) -> Iterator[Browser]:
    """A browser for a `with` statement. profile: an empty folder for it."""
    made = Browser(profile, size)
    try:
        yield made
    finally:
        made.close()
