"""A real Chromium without a screen, driven over WebDriver (https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from programs import needed
from waiting import wait_until

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_NOT_THERE = ("no such element", "stale element reference", "does not belong to the document")
"""What is said where one page goes and the next comes; the last by Chromium itself, as a fault."""
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class NotThereError(Exception):
    """An element is not on the page, or not any more."""


class Browser:
    """One window, with a profile of its own.

    Args:
        folder: for its profile and its log.
        has_script: whether pages may run any.
    """

    def __init__(self, folder: Path, *, has_script: bool = True, dark: bool = False) -> None:
        driver, binary = needed("chromedriver"), needed("chromium")
        log = folder / "chromedriver.log"
        with open(log, "wb") as opened:
            self._driver = subprocess.Popen(
                [driver, "--port=0"], stdout=opened, stderr=opened, stdin=subprocess.DEVNULL
            )
        self._http: httpx.Client | None = None
        try:
            port = wait_until(
                lambda: re.search(r"successfully on port (\d+)", log.read_text()),
                what=log.read_text,
            )
            assert port
            self._http = httpx.Client(
                base_url=f"http://127.0.0.1:{port[1]}", timeout=60, trust_env=False
            )
            profile = folder / "profile"
            arguments = [*_ARGUMENTS, f"--user-data-dir={profile}"]
            if dark:
                arguments.append("--force-dark-mode")
            # 2: block
            preferences = (
                {} if has_script else {"profile.managed_default_content_settings.javascript": 2}
            )
            options = {"binary": binary, "args": arguments, "prefs": preferences}
            wanted = {"alwaysMatch": {"goog:chromeOptions": options}}
            self._session = ""
            self._session = self._call("POST", "/session", capabilities=wanted)["sessionId"]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._http is not None:
            if getattr(self, "_session", ""):
                self._call("DELETE", "")
            self._http.close()
        self._driver.terminate()
        self._driver.wait(10)

    def open(self, url: str) -> None:
        self._call("POST", "/url", url=url)

    @property
    def url(self) -> str:
        return str(self._call("GET", "/url"))

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return self._text(self._find("css selector", "body"))

    @property
    def title(self) -> str:
        return self._text(self._find("css selector", "h1"))

    def type(self, name: str, text: str) -> None:
        """Types into the field of that name, in place of what is there."""

        def type_it() -> None:
            element = self._find("css selector", f"[name='{name}']")
            self._call("POST", f"/element/{element}/clear")
            self._call("POST", f"/element/{element}/value", text=text)

        self._once_there(type_it)

    def press(self, words: str) -> None:
        """Presses the button, or follows the link, that says this."""
        path = f"//button[contains(., '{words}')] | //a[contains(., '{words}')]"
        self._once_there(lambda: self._call("POST", f"/element/{self._find('xpath', path)}/click"))

    def until_title(self, words: str) -> None:
        def is_there() -> bool:
            with contextlib.suppress(NotThereError):  # one page has gone, the next is to come
                return words in self.title
            return False

        wait_until(is_there, 30, what=lambda: f"{self.url}\n{self.text}")

    def resize(self, width: int, height: int) -> None:
        self._call("POST", "/window/rect", width=width, height=height)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def run(self, script: str) -> Any:
        """What a script gives that the test runs in the page."""
        return self._call("POST", "/execute/sync", script=script, args=[])

    def _once_there(self, act: Callable[[], None]) -> None:
        def is_done() -> bool:
            with contextlib.suppress(NotThereError):  # as above
                act()
                return True
            return False

        wait_until(is_done, 30, what=lambda: f"{self.url}\n{self.text}")

    def _find(self, using: str, value: str) -> str:
        return str(self._call("POST", "/element", using=using, value=value)[_ELEMENT])

    def _text(self, element: str) -> str:
        return str(self._call("GET", f"/element/{element}/text"))

    def _call(self, method: str, path: str, **body: Any) -> Any:
        assert self._http is not None
        url = f"/session/{self._session}{path}" if self._session else path
        answer = self._http.request(method, url, json=body if method == "POST" else None)
        value = answer.json()["value"]
        if answer.status_code != 200 and any(words in str(value) for words in _NOT_THERE):
            raise NotThereError(value["message"])
        assert answer.status_code == 200, value
        return value
