"""A headless Chromium for tests, controlled by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.05
LOADED = "location.href !== 'about:blank' && document.readyState === 'complete'"


class Browser:
    """One page of a browser, which is closed at the end of the ``with`` block."""

    def __init__(self, folder):
        orders, self._orders = os.pipe()
        answers, sent = os.pipe()
        # Chromium reads commands from file descriptor 3 and writes results to 4.
        line = f'exec "$@" 3<&{orders} 4>&{sent}'
        command = [CHROMIUM, *QUIET, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", line, "bash", *command],
            pass_fds=(orders, sent),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(orders)
        os.close(sent)
        self._answers = os.fdopen(answers, "rb")
        self._number = 0
        self._session = None

    def __enter__(self):
        target = self._order("Target.createTarget", url="about:blank")["targetId"]
        attached = self._order("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(WAIT_SECONDS)
        os.close(self._orders)
        self._answers.close()

    def open(self, url, *, width, height=900, scheme="light"):
        """Open a URL in a window of a given size, with the color scheme ``light`` or ``dark``."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._order("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": scheme}
        self._order("Emulation.setEmulatedMedia", features=[scheme])
        # An empty page comes first, so that the previous page is not mistaken for the new one.
        for address, there in (("about:blank", "location.href === 'about:blank'"), (url, LOADED)):
            self._order("Page.navigate", url=address)
            self.wait_for(there)

    def evaluate(self, script):
        """Return the value of a JavaScript expression, converted from JSON."""
        told = self._order("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait_for(self, condition):
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(POLL_SECONDS)

    def picture(self, *, whole=False):
        """Return a screenshot of the window, or of the whole page, as PNG."""
        options = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self._order("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {**size, "scale": 1}
        return base64.b64decode(self._order("Page.captureScreenshot", **options)["data"])

    def _order(self, method, **parameters):
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self):
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser is gone"
            text += byte
        return bytes(text)
