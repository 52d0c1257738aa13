"""A headless Chromium, driven over the DevTools protocol by a pair of pipes: no port, no driver, no package."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

BOUND: Final = 20.0
"""Seconds after which the browser, or what a page was to do, has failed to answer."""
_GLANCE: Final = 0.02
"""Seconds between two looks at a page."""
FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-extensions", "--mute-audio", "--remote-debugging-pipe"),
)


class BrowserError(Exception):
    """The browser says that something could not be done."""


class Browser:
    """A running browser."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = os.fdopen(to_browser, "wb", buffering=0), os.fdopen(from_browser, "rb")
        self._lock = threading.Lock()
        self._number = 0
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._heard: dict[str, Callable[[str, dict[str, Any]], None]] = {}
        self._reader = threading.Thread(target=self._read, name="browser", daemon=True)
        self._reader.start()

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Have something done; return what came of it. Raises `BrowserError`."""
        answer: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._number += 1
            number = self._number
            self._answers[number] = answer
            asked = {"id": number, "method": method, "params": parameters}
            self._out.write(json.dumps(asked | ({"sessionId": session} if session else {})).encode() + b"\0")
        try:
            said = answer.get(timeout=BOUND)
        except queue.Empty as error:
            raise BrowserError(f"{method}: no answer within {BOUND:g} s") from error
        if "error" in said:
            raise BrowserError(f"{method}: {said['error']}")
        result: dict[str, Any] = said["result"]
        return result

    @contextmanager
    def tab(self, width: int = 1280, height: int = 800) -> Iterator[Tab]:
        """Open a tab with storage and cookies of its own, and close it."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        self._heard[session] = tab.hear
        try:
            tab.begin(width, height)
            yield tab
        finally:
            del self._heard[session]
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        """Give the pipes back, which ends the browser."""
        self._out.close()
        self._reader.join(BOUND)
        self._in.close()

    def _read(self) -> None:
        waiting = b""
        while piece := os.read(self._in.fileno(), 1 << 20):
            *whole, waiting = (waiting + piece).split(b"\0")
            for one in whole:
                said = json.loads(one)
                if answer := self._answers.pop(said.get("id"), None):
                    answer.put(said)
                elif heard := self._heard.get(said.get("sessionId", "")):
                    heard(said["method"], said["params"])


class Tab:
    """A page that is open."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._pause = threading.Event()
        self.asked: list[str] = []
        """The URL of every request that it made, or would have made."""
        self.told: list[str] = []
        """What it said on the console."""
        self.failures: list[str] = []
        """What went wrong in its scripts."""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have something done with it."""
        return self._browser.call(method, self._session, **parameters)

    def begin(self, width: int, height: int) -> None:
        """Let it tell what happens in it."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def hear(self, method: str, said: dict[str, Any]) -> None:
        """Note what happens; in the browser's own thread."""
        if method == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.failures.append(str(details.get("exception", {}).get("description", details)))
        elif method == "Log.entryAdded":
            self.told.append(f"{said['entry'].get('text')} {said['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled":
            self.told.append(" ".join(str(one.get("value")) for one in said["args"]))

    def size(self, width: int, height: int) -> None:
        """Make it so large."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        """Let it be on a system that is light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def see(self, expression: str) -> Any:
        """Return what a JavaScript expression is, in the page, whose policy holds for it too."""
        done = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        if "exceptionDetails" in done:
            raise BrowserError(str(done["exceptionDetails"].get("exception", done["exceptionDetails"])))
        return done["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Return what an expression is as soon as it is something, also in a page in which no script may run."""
        until = monotonic() + BOUND
        look = f"(() => {{ try {{ const is = ({expression}); return is instanceof Node || is }} catch {{}} }})()"
        while monotonic() < until:
            with suppress(BrowserError):  # while it goes from one page to another
                if found := self.see(look):
                    return found
            self._pause.wait(_GLANCE)
        shown = f"it shows {self.text()[:500]!r}; failures: {self.failures}"
        raise BrowserError(f"waited in vain for {expression}; {shown}")

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element of a selector, once it is there; with `text`, of those that have this text."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        pick = f"{found}.find(e => e.textContent.includes({json.dumps(text)}))"
        self.wait(f"(e => e && (e.click(), true))({pick})")

    def text(self, selector: str = "body") -> str:
        """Return the text of an element; ``""`` where there is none."""
        return str(self.see(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def picture(self, file: Path) -> None:
        """Write what it looks like as a PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(program: str = "chromium") -> Iterator[Browser]:
    """Run a browser with a profile of its own, until it is needed no more."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        heard_by_it, to_browser = os.pipe()
        from_browser, said_by_it = os.pipe()
        command = f'exec "$@" 3<&{heard_by_it} 4>&{said_by_it}'
        started = subprocess.Popen(
            ["bash", "-c", command, "bash", program, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(heard_by_it, said_by_it),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile, "NO_PROXY": "*", "no_proxy": "*"},
        )
        os.close(heard_by_it)
        os.close(said_by_it)
        run = Browser(to_browser, from_browser)
        try:
            yield run
        finally:
            try:
                run.call("Browser.close")
            except (BrowserError, OSError):
                started.terminate()
            try:
                started.wait(BOUND)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
            run.close()
