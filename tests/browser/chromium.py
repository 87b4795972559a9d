"""One real Chromium, as one user has it, driven by Debian's chromedriver; and all that it sent and got."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

Found = TypeVar("Found")

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # Nothing of a test leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--window-size=1180,1420",
)  # fmt: skip


@dataclass(kw_only=True)
class Exchange:
    """One request of a page and what came back. `body` is empty where nothing did."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    sent: str = field(repr=False)
    status: int = 0
    body: bytes = field(default=b"", repr=False)


class Browser:
    """A browser with a profile of its own. Element ids are those of the page's `index.html`."""

    def __init__(self, profile: Path, screenshots: Path) -> None:
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        # The driver is named, so that Selenium does not look for one in the network.
        self.driver = Chrome(options=options, service=ChromeService(CHROMEDRIVER))
        self.driver.set_page_load_timeout(60)
        self._screenshots, self._seen = screenshots, dict[str, Exchange]()

    def quit(self) -> None:
        self.driver.quit()

    def open(self, url: str) -> None:
        self.exchanges()
        self.driver.get(url)

    def state(self) -> str:
        """loading, signed-out, signed-in or stopped."""
        return self.driver.find_element(By.TAG_NAME, "body").get_attribute("data-state") or ""

    def text(self, element: str) -> str:
        """The text that is shown; empty for what is not."""
        return self.driver.find_element(By.ID, element).text

    def attribute(self, element: str, name: str) -> str:
        return self.driver.find_element(By.ID, element).get_attribute(name) or ""

    def source(self) -> str:
        """The document as it now is, with what is not shown."""
        return str(self.driver.execute_script("return document.documentElement.outerHTML"))

    def click(self, element: str) -> None:
        self.driver.find_element(By.ID, element).click()

    def type(self, element: str, text: str) -> None:
        field_ = self.driver.find_element(By.ID, element)
        field_.clear()
        field_.send_keys(text)

    def until(self, condition: Callable[[], Found | Literal[False] | None], seconds: float = 30) -> Found:
        """Wait for a condition and give what it gave; fails with what the page then shows."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                shown = self.driver.find_element(By.TAG_NAME, "body").text
                raise AssertionError(
                    f"not so within {seconds} s; {self.screenshot('failed')} shows:\n{shown}"
                )
            time.sleep(0.1)
        return found

    def block(self, *urls: str) -> None:
        """Let no request to these addresses through, `*` stands for anything; without any, let all pass."""
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(urls)})

    def screenshot(self, name: str) -> Path:
        path = self._screenshots / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    def exchanges(self) -> list[Exchange]:
        """Everything that pages have sent and got since the start, in order."""
        finished = []
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            kind, given = message["method"], message["params"]
            if kind == "Network.requestWillBeSent" and given["request"]["url"].startswith("http"):
                request = given["request"]
                self._seen[given["requestId"]] = Exchange(
                    method=request["method"], url=request["url"],
                    headers={name.lower(): value for name, value in request["headers"].items()},
                    sent=request.get("postData", ""),
                )  # fmt: skip
            elif kind == "Network.responseReceived" and given["requestId"] in self._seen:
                self._seen[given["requestId"]].status = given["response"]["status"]
            elif kind == "Network.loadingFinished" and given["requestId"] in self._seen:
                finished.append(given["requestId"])
        for request_id in finished:
            self._seen[request_id].body = self._body(request_id)
        return list(self._seen.values())

    def _body(self, request_id: str) -> bytes:
        try:
            got = self.driver.execute_cdp_cmd("Network.getResponseBody", {"requestId": request_id})
        except WebDriverException:
            # A preflight has no body, and one of a page that was left is no longer kept.
            return b""
        return base64.b64decode(got["body"]) if got["base64Encoded"] else got["body"].encode()
