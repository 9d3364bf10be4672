"""Debian's Chromium, driven by Playwright, with a record of the requests and errors of a page."""

import csv
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, Route, sync_playwright

from support.processes import PATIENCE_SECONDS, eventually

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = Path(__file__).parents[2] / "out" / "screenshots"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser. Playwright occupies the event loop of the thread, so end it before tests that need one."""
    assert CHROMIUM.exists(), f"{CHROMIUM} is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Explorer:
    """A page of the explorer in its own browser context.

    Attributes:
        page: Playwright's page.
        errors: error messages of the console, and exceptions.
        requests: addresses of all requests.
    """

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        options = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", "reduced_motion": "reduce"}
        self._context = browser.new_context(**(options | context), permissions=["clipboard-read", "clipboard-write"])
        self._context.set_default_timeout(1000 * PATIENCE_SECONDS)
        self.url = url
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page = self._watched(self._context.new_page())

    def another(self, address: str) -> Page:
        """Open an address in another page of the same browser."""
        page = self._watched(self._context.new_page())
        page.goto(address)
        until(page, f"{_DRAWN} && {SETTLED}")
        return page

    def open(self, fragment: str = "") -> Page:
        """Open the explorer, and wait for its first pictures."""
        self.page.goto(f"{self.url}/{fragment}")
        until(self.page, f"{_DRAWN} && {SETTLED}")
        return self.page

    def open_without_pictures(self, fragment: str) -> Page:
        """Open a link whose request is refused."""
        self.page.goto(f"{self.url}/{fragment}")
        return self.page

    def drawn(self, act: Callable[[], object]) -> None:
        """Perform an action, and wait until its response is drawn; of several responses, the last."""
        before = self.page.evaluate(_DRAWN)
        act()
        until(self.page, f"{_DRAWN} > {before} && {SETTLED}")

    def download(self, selector: str) -> bytes:
        with self.page.expect_download() as waiting:
            self.page.click(selector)
        return Path(waiting.value.path()).read_bytes()

    def table(self, picture: str) -> dict[str, np.ndarray]:
        """Read the numbers of a picture, by the names of its lines, from its CSV file."""
        content = self.download(f"#picture-{picture} .downloads button:has-text('CSV')").decode()
        names, *rows = csv.reader(io.StringIO(content))
        columns = zip(*rows, strict=True)
        return {name: np.array(column, dtype=np.float64) for name, column in zip(names, columns, strict=True)}

    def matrix(self, picture: str) -> np.ndarray:
        """Read the matrix of a picture from its CSV file, which names rows and columns."""
        content = self.download(f"#picture-{picture} .downloads button:has-text('CSV')").decode()
        _, *rows = csv.reader(io.StringIO(content))
        return np.array([row[1:] for row in rows], dtype=np.float64)

    def calls(self) -> int:
        """Count the requests to the API so far; the icon of the page may be requested at any time."""
        return sum("/v1/" in url for url in self.requests)

    def screenshot(self, name: str, **options: Any) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", **options)

    def leave(self) -> None:
        """Leave the page, and clear its storage and cookies."""
        if self.page.url.startswith(self.url):
            self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self._context.clear_cookies()
        self.page.goto("about:blank")

    def forget(self) -> None:
        """Clear the recorded errors and requests."""
        self.errors.clear()
        self.requests.clear()

    def close(self) -> None:
        self._context.close()

    def _watched(self, page: Page) -> Page:
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        return page


_DRAWN = "Number(document.body?.dataset.drawn ?? 0)"
SETTLED = "!document.body.classList.contains('computing')"
"""JavaScript expression: whether no response is pending."""


def until(page: Page, expression: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a JavaScript expression holds; Playwright's own method uses eval, which the page forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"{expression} never held; the page says: {page.inner_text('main')[:500]}"
        page.wait_for_timeout(20)


def hold_requests(page: Page, words: str, limit: int | None = None) -> list[Route]:
    """Hold requests for trajectories that contain these words, in the returned list: all, or the first ones."""
    held: list[Route] = []

    def handle(route: Route) -> None:
        if words in (route.request.post_data or "") and (limit is None or len(held) < limit):
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/trajectories", handle)
    return held


def wait_for_one(page: Page, held: list[Route]) -> None:
    """Wait until a request is held."""

    def there() -> list[Route]:
        page.wait_for_timeout(20)
        return held

    eventually(there)
