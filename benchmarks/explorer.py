"""Latency and page weight of the explorer in a real browser.

Everything is measured in a page of a local service. `first picture` is the time from the start of the navigation to the
second frame after the pictures are drawn, in a browser context without a cache. `lambda to picture` is the time from
the event that changes lambda to the second frame after the pictures of the new response are drawn, for 5-5-5 with 200
times and all pictures; `again` is the same time for responses from the cache of the service. `page weight` is the
number of bytes that the first load transfers: compressed, with headers and the first response.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from servers import lindyn_service

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FIVE = "#dims=5_5_5&task=spectrum&scale=0.1&seed=7&stop=6"

FIRST_PICTURE = """
const look = () => document.body?.dataset.drawn === undefined
  ? requestAnimationFrame(look)
  : requestAnimationFrame(() => requestAnimationFrame(() => { window.firstPicture = performance.now(); }));
look();
"""

MOVE = """
(lambda) => new Promise((done) => {
  const drawn = () => document.body.dataset.drawn;
  const [before, field] = [drawn(), document.getElementById("lambda-number")];
  const started = performance.now();
  const look = () => drawn() === before
    ? requestAnimationFrame(look)
    : requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - started)));
  field.value = String(lambda);
  field.dispatchEvent(new Event("input"));
  look();
})
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--loads", type=int, default=15)
    parser.add_argument("--moves", type=int, default=60)
    chosen = parser.parse_args()
    if not CHROMIUM.exists():
        sys.exit(f"{CHROMIUM} is missing: apt-get install chromium")
    with lindyn_service() as server, sync_playwright() as playwright:
        url = server.url
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        loads, weight = zip(*(load(browser, url) for _ in range(chosen.loads)), strict=True)
        moves, again = follow(browser, url, chosen.moves)
        pinned, _ = follow(browser, url, chosen.moves, pin=True)
        browser.close()
    print(f"{os.cpu_count()} cores, {chosen.loads} loads, {chosen.moves} moves\n")
    print("| | median | 95 % | largest |\n|---|---|---|---|")
    for name, values in (
        ("first picture", loads),
        ("lambda to picture, computed", moves),
        ("lambda to picture, again", again),
        ("lambda to picture, computed, with a pinned run", pinned),
    ):
        print(f"| {name} | {' | '.join(f'{value:.0f} ms' for value in summary(values))} |")
    print(f"\npage weight {weight[0] / 1000:.0f} kB, {len(moves)} of {chosen.moves} moves drawn")


def load(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds to the first picture, and transferred bytes, in a new browser context."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(FIRST_PICTURE)
    sizes: list[float] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(url)
    while not page.evaluate("window.firstPicture ?? 0"):
        page.wait_for_timeout(50)
    milliseconds = page.evaluate("window.firstPicture")
    context.close()
    return milliseconds, sum(sizes)


def follow(browser: Browser, url: str, moves: int, *, pin: bool = False) -> tuple[Sequence[float], Sequence[float]]:
    """Milliseconds from a change of lambda to its picture, for new and for cached responses."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{url}/{FIVE}")
    page.wait_for_timeout(1000)
    if pin:
        page.get_by_role("button", name="Pin this run").click()
        page.wait_for_timeout(500)
    lambdas = [round(-6 + 12 * (i + (0.7 if pin else 0.5)) / moves, 4) for i in range(moves)]
    computed = [page.evaluate(MOVE, lam) for lam in lambdas]
    again = [page.evaluate(MOVE, lam) for lam in lambdas]
    page.close()
    return computed, again


def summary(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and maximum."""
    return statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1], max(values)


if __name__ == "__main__":
    main()
